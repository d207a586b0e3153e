#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <retry/simulation.hpp>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/retry/retry.hpp>
#include <weir/runtime/start.hpp>
#include <weir/sync/event.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::course;
using test::fixed;
using test::simulation;
using testing::ElementsAre;

static_assert(timed_operation<retry_operation> && ranked_operation<retry_operation>);
static_assert(!std::is_constructible_v<operation_ref, sleep_operation>, "gone before the loop");

struct quiet_tail {
  void ended(task_record&) noexcept {}
  void unhandled(task_record&, const std::exception_ptr&) noexcept { ADD_FAILURE(); }
};

/// Starts `fn` beside the loop under test.
template <class F>
auto beside(run_loop& loop, F fn) {
  return core::start(loop, {}, {}, std::move(fn), quiet_tail{});
}

// --- What ends a loop, and interrupts its wait.

/// Makes two attempts with an hour between them unless `interrupt` comes after a minute.
template <class F>
course interrupted(simulation& sim, retry_options options, F interrupt) {
  options.initial_backoff = options.max_backoff = 1h;
  options.jitter = jitter::none;
  options.max_retries = 1;
  auto interrupter = beside(sim.loop, [interrupt]() -> task<void> {
    (void)co_await after(1min);
    interrupt();
  });
  return sim.fail_always(options);
}

TEST(retry_stops, cancellation_ends_a_wait_at_once) {
  simulation sim;
  const course seen = interrupted(sim, {}, [&] { sim.root.cancel(); });
  EXPECT_EQ(seen.ended, 1min);
  EXPECT_EQ(seen.reason, retry_reason::cancelled);
}

TEST(retry_stops, draining_ends_a_wait_at_once) {
  simulation sim;
  const course seen = interrupted(sim, {}, [&] { sim.root.drain(); });
  EXPECT_EQ(seen.ended, 1min);
  EXPECT_EQ(seen.reason, retry_reason::shutdown);
}

TEST(retry_stops, draining_is_no_reason_for_a_loop_that_goes_on_while_draining) {
  simulation sim;
  const course seen =
      interrupted(sim, {.while_draining = while_draining::go_on}, [&] { sim.root.drain(); });
  EXPECT_THAT(seen.granted, ElementsAre(0h, 1h));
  EXPECT_EQ(seen.reason, retry_reason::attempts);
  simulation other;
  const course cancelled =
      interrupted(other, {.while_draining = while_draining::go_on}, [&] { other.root.cancel(); });
  EXPECT_EQ(cancelled.ended, 1min);
}

TEST(retry_stops, until_ends_a_wait_at_once) {
  simulation sim;
  event closed;
  auto until = closed.wait({});
  const course seen = interrupted(sim, {.until = until}, [&] { closed.set(); });
  EXPECT_EQ(seen.ended, 1min);
  EXPECT_EQ(seen.reason, retry_reason::until);
}

TEST(retry_stops, until_may_be_a_point_in_time) {
  simulation sim;
  auto until = sleep_until({}, sim.time.now() + 25ms);
  retry_options options = fixed(10ms);
  options.until = until;
  const course seen = sim.fail_always(options);
  EXPECT_THAT(seen.granted, ElementsAre(0ms, 10ms, 20ms));
  EXPECT_EQ(seen.ended, 25ms);
  EXPECT_EQ(seen.reason, retry_reason::until);
}

TEST(retry_stops, until_on_real_time_ends_the_wait_of_a_thread) {
  auto until = sleep_until({}, steady_clock().now() + 1ms);
  retry attempts{{}, {.initial_backoff = 1h, .max_backoff = 1h, .until = until}};
  ASSERT_TRUE(wait(attempts.next()));
  EXPECT_FALSE(wait(attempts.next()));
  EXPECT_EQ(attempts.reason(), retry_reason::until);
}

TEST(retry_stops, until_may_be_the_deadline_of_another_context) {
  simulation sim;
  context_source other{sim.ctx(), {.timeout = 25ms}};
  auto until = until_cancelled(other.get());
  retry_options options = fixed(10ms);
  options.until = until;
  const course seen = sim.fail_always(options);
  EXPECT_THAT(seen.granted, ElementsAre(0ms, 10ms, 20ms));
  EXPECT_EQ(seen.ended, 25ms);
  EXPECT_EQ(seen.reason, retry_reason::until);
}

TEST(retry_stops, until_may_be_a_deadline_on_real_time_that_nobody_else_watches) {
  for (const bool on_a_thread : {true, false}) {
    context_source other{context{}, {.timeout = 1ms}};
    auto until = until_cancelled(other.get());
    const retry_options options{.initial_backoff = 1h, .max_backoff = 1h, .until = until};
    auto body = [&options]() -> task<std::optional<retry_reason>> {
      retry attempts{{}, options};
      while (co_await attempts.next()) continue;
      co_return attempts.reason();
    };
    if (on_a_thread) {
      retry attempts{{}, options};
      while (wait(attempts.next())) continue;
      EXPECT_EQ(attempts.reason(), retry_reason::until);
    } else {
      EXPECT_EQ(weir::wait(body()), retry_reason::until);
    }
  }
}

/// Waits under a context on an executor that goes, so that the deadline stands in its timers.
void arm_elsewhere_and_go(const context& ctx) {
  event never;
  run_loop gone;
  auto body = [&](context bound) -> task<void> {
    (void)co_await select(never.wait(bound), after(0ns));
  };
  gone.run(body(ctx));
}

TEST(retry_stops, a_deadline_that_stood_in_an_executor_which_has_gone_ends_the_wait) {
  context_source soon{context{}, {.timeout = 2ms}};
  arm_elsewhere_and_go(soon.get());
  auto until = until_cancelled(soon.get());
  auto by_until = [&until]() -> task<std::optional<retry_reason>> {
    retry attempts{{}, {.initial_backoff = 1h, .max_backoff = 1h, .until = until}};
    while (co_await attempts.next()) continue;
    co_return attempts.reason();
  };
  EXPECT_EQ(weir::wait(by_until()), retry_reason::until);

  context_source later{context{}, {.timeout = 2ms}};
  arm_elsewhere_and_go(later.get());
  auto by_context = [](context ctx) -> task<std::optional<retry_reason>> {
    retry attempts{
        ctx,
        {.initial_backoff = 1h, .max_backoff = 1h, .doomed_wait = doomed_wait::wait_out_deadline}};
    while (co_await attempts.next()) continue;
    co_return attempts.reason();
  };
  EXPECT_EQ(weir::wait(by_context(later.get())), retry_reason::cancelled);
}

TEST(retry_stops, an_event_set_by_another_thread_ends_the_wait_of_a_thread) {
  for (int round = 0; round < 200; ++round) {
    event closed;
    auto until = closed.wait({});
    retry attempts{{}, {.initial_backoff = 1h, .max_backoff = 1h, .until = until}};
    ASSERT_TRUE(wait(attempts.next()));
    std::thread setter{[&] { closed.set(); }};
    EXPECT_FALSE(wait(attempts.next()));
    EXPECT_EQ(attempts.reason(), retry_reason::until);
    setter.join();
  }
}

/// Ends what a loop hangs on in one of three ways, at a moment that differs from round to round,
/// while `run` retries; it returns the reason.
template <class F>
void stopped_by_another_thread(int rounds, F run) {
  for (int round = 0; round < rounds; ++round) {
    context_source root;
    event closed;
    std::thread stopper{[&, round] {
      for (int i = 0; i < round % 50; ++i) std::this_thread::yield();
      if (round % 3 == 0) closed.set();
      if (round % 3 == 1) root.drain();
      if (round % 3 == 2) root.cancel();
    }};
    constexpr retry_reason expected[] = {retry_reason::until, retry_reason::shutdown,
                                         retry_reason::cancelled};
    EXPECT_EQ(run(root.get(), closed), expected[round % 3]);
    stopper.join();
  }
}

TEST(retry_stops, a_stop_by_another_thread_races_with_the_timer_of_a_thread) {
  stopped_by_another_thread(200, [](const context& ctx, event& closed) {
    auto until = closed.wait({});
    retry attempts{ctx, {.initial_backoff = 1us, .max_backoff = 5us, .until = until}};
    while (wait(attempts.next())) attempts.failed(error{errc::busy, "busy"});
    return attempts.reason();
  });
}

TEST(retry_stops, a_stop_by_another_thread_races_with_the_timer_of_a_task) {
  auto body = [](context ctx, event& closed) -> task<std::optional<retry_reason>> {
    auto until = closed.wait({});
    retry attempts{ctx, {.initial_backoff = 1us, .max_backoff = 5us, .until = until}};
    while (co_await attempts.next()) attempts.failed(error{errc::busy, "busy"});
    co_return attempts.reason();
  };
  stopped_by_another_thread(
      200, [&](const context& ctx, event& closed) { return weir::wait(body(ctx, closed)); });
}

TEST(retry_stops, a_stop_by_another_thread_races_with_a_select) {
  auto body = [](context ctx, event& closed) -> task<std::optional<retry_reason>> {
    auto until = closed.wait({});
    retry attempts{ctx, {.initial_backoff = 3us, .max_backoff = 5us, .until = until}};
    while (!attempts.reason()) {
      (void)co_await select(attempts.next(), after(2us), until_draining(ctx), closed.wait({}));
    }
    co_return attempts.reason();
  };
  stopped_by_another_thread(
      30, [&](const context& ctx, event& closed) { return weir::wait(body(ctx, closed)); });
}

TEST(retry_stops, a_deadline_that_leaves_no_time_ends_the_loop_before_the_wait) {
  simulation sim;
  auto body = [](context ctx) -> task<std::optional<retry_reason>> {
    context_scope soon{ctx, {.timeout = 30ms}};
    retry attempts{soon.get(), fixed(20ms)};
    int calls = 0;
    while (co_await attempts.next()) ++calls;
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(attempts.elapsed(), 20ms);
    EXPECT_EQ(attempts.failure().error().code(), errc::deadline_exceeded);
    co_return attempts.reason();
  };
  EXPECT_EQ(sim.run(body(sim.ctx())), retry_reason::duration);
}

TEST(retry_stops, a_deadline_ends_a_wait_that_is_to_be_waited_out) {
  simulation sim;
  auto body = [](context ctx) -> task<std::optional<retry_reason>> {
    context_scope soon{ctx, {.timeout = 30ms}};
    retry_options options = fixed(20ms);
    options.doomed_wait = doomed_wait::wait_out_deadline;
    retry attempts{soon.get(), options};
    while (co_await attempts.next()) continue;
    EXPECT_EQ(attempts.elapsed(), 30ms);
    co_return attempts.reason();
  };
  EXPECT_EQ(sim.run(body(sim.ctx())), retry_reason::cancelled);
}

TEST(retry_stops, a_stop_reason_beats_a_timer_that_is_due_at_the_same_moment) {
  for (int round = 0; round < 100; ++round) {
    simulation sim;
    auto at_the_same_moment = beside(sim.loop, [&sim]() -> task<void> {
      (void)co_await after(10ms);
      sim.root.drain();
    });
    auto body = [](context ctx) -> task<int> {
      (void)co_await after(0ms);
      retry attempts{ctx, fixed(10ms)};
      int calls = 0;
      while (co_await attempts.next()) ++calls;
      co_return calls;
    };
    EXPECT_EQ(sim.run(body(sim.ctx())), 1);
  }
}

TEST(retry_stops, a_loop_that_ended_stays_ended_with_the_same_reason) {
  simulation sim;
  retry attempts{sim.ctx(), {.max_retries = 0}};
  ASSERT_TRUE(wait(attempts.next()));
  ASSERT_FALSE(wait(attempts.next()));
  sim.root.cancel();
  ASSERT_FALSE(wait(attempts.next()));
  EXPECT_EQ(attempts.reason(), retry_reason::attempts);
}

// --- As an operation among others.

TEST(retry_stops, a_wait_that_lost_a_select_goes_on_where_it_was) {
  simulation sim;
  auto body = [](context ctx) -> task<int> {
    retry attempts{ctx, fixed(10ms)};
    EXPECT_TRUE(co_await attempts.next());
    int lost = 0;
    for (;;) {
      const auto first = co_await select(attempts.next(), after(4ms));
      if (first.index() == 0) break;
      ++lost;
    }
    EXPECT_EQ(attempts.elapsed(), 10ms);
    EXPECT_EQ(attempts.attempts(), 2);
    co_return lost;
  };
  EXPECT_EQ(sim.run(body(sim.ctx())), 2);
}

TEST(retry_stops, a_select_may_contain_what_the_loop_watches_by_itself) {
  simulation sim;
  event closed;
  auto setter = beside(sim.loop, [&]() -> task<void> {
    (void)co_await after(5ms);
    closed.set();
  });
  auto body = [](context ctx, event& e) -> task<void> {
    auto until = e.wait({});
    retry attempts{ctx, {.until = until}};
    EXPECT_TRUE(co_await attempts.next());
    (void)co_await select(attempts.next(), e.wait(ctx), until_draining(ctx), after(1h));
    EXPECT_FALSE(co_await attempts.next());
    EXPECT_EQ(attempts.reason(), retry_reason::until);
    EXPECT_EQ(attempts.elapsed(), 5ms);
  };
  sim.run(body(sim.ctx(), closed));
}

}  // namespace
}  // namespace weir
