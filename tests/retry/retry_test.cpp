#include <core/allocations.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <retry/simulation.hpp>

#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/retry/retry.hpp>
#include <weir/sync/event.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::course;
using test::fixed;
using test::simulation;
using test::waits_of;
using testing::Each;
using testing::ElementsAre;
using testing::Le;
using testing::SizeIs;

static_assert(!std::is_copy_constructible_v<retry> && !std::is_move_constructible_v<retry>);

// --- Acceptance, by number.

TEST(retry, acceptance_01_none_of_ten_waits_is_above_the_cap) {
  simulation sim;
  const course seen = sim.fail_always(
      {.initial_backoff = 10us, .max_backoff = 100us, .jitter = jitter::none, .max_retries = 10});
  EXPECT_THAT(waits_of(seen), SizeIs(10));
  EXPECT_THAT(waits_of(seen), Each(Le(duration{100us})));
}

TEST(retry, acceptance_02_one_retry_makes_two_attempts) {
  simulation sim;
  const course seen = sim.fail_always({.max_retries = 1});
  EXPECT_THAT(seen.granted, SizeIs(2));
  EXPECT_EQ(seen.reason, retry_reason::attempts);
}

TEST(retry, acceptance_03_a_duration_of_100_ms_in_steps_of_10_is_exactly_ten_attempts) {
  simulation sim;
  retry_options options = fixed(10ms);
  options.max_duration = 100ms;
  const course seen = sim.fail_always(options);
  ASSERT_THAT(seen.granted, SizeIs(10));
  EXPECT_EQ(seen.granted.back(), 90ms);
  EXPECT_EQ(seen.reason, retry_reason::duration);
}

TEST(retry, acceptance_04_a_reset_in_each_round_passes_the_limits) {
  simulation sim;
  auto limited_by_attempts = [](context ctx) -> task<int> {
    retry attempts{ctx, {.max_retries = 1}};
    int rounds = 0;
    while (auto attempt = co_await attempts.next()) {
      EXPECT_EQ(attempt->number, 0);
      if (++rounds == 10) break;
      attempts.reset();
    }
    co_return rounds;
  };
  EXPECT_EQ(sim.run(limited_by_attempts(sim.ctx())), 10);
  EXPECT_EQ(sim.passed(), 0ms);

  auto limited_by_duration = [](context ctx, manual_clock& time) -> task<int> {
    retry attempts{ctx, {.max_duration = 10ms}};
    int rounds = 0;
    while (auto attempt = co_await attempts.next()) {
      if (++rounds == 3) break;
      time.advance(10ms);
      attempts.reset();
    }
    co_return rounds;
  };
  EXPECT_EQ(sim.run(limited_by_duration(sim.ctx(), sim.time)), 3);
}

TEST(retry, acceptance_05_a_stop_during_the_first_attempt_leaves_it_the_only_one) {
  simulation sim;
  auto body = [](simulation& s) -> task<course> {
    course seen;
    retry attempts{s.ctx()};
    while (auto attempt = co_await attempts.next()) {
      seen.granted.push_back(s.passed());
      s.root.drain();
      EXPECT_TRUE(attempt->context.draining());
    }
    seen.reason = attempts.reason();
    co_return seen;
  };
  const course seen = sim.run(body(sim));
  EXPECT_THAT(seen.granted, SizeIs(1));
  EXPECT_EQ(seen.reason, retry_reason::shutdown);
  EXPECT_EQ(sim.passed(), 0ms);
}

TEST(retry, acceptance_06_no_attempt_begins_at_or_after_the_duration) {
  simulation sim;
  const course seen = sim.fail_always(
      {.initial_backoff = 1ms, .max_backoff = 2ms, .jitter = jitter::none, .max_duration = 4ms});
  EXPECT_THAT(seen.granted, ElementsAre(0ms, 1ms, 3ms));
  EXPECT_EQ(seen.reason, retry_reason::duration);
}

TEST(retry, acceptance_08_elapsed_is_exact_and_no_doomed_wait_is_begun) {
  static constexpr retry_options options{.initial_backoff = 1ms,
                                         .max_backoff = 1h,
                                         .multiplier = 1'000,
                                         .jitter = jitter::none,
                                         .max_duration = 50ms};
  auto until_success = [](context ctx, int failures) -> task<duration> {
    retry attempts{ctx, options};
    while (auto attempt = co_await attempts.next()) {
      if (attempt->number == failures) attempts.succeeded();
      if (attempts.reason()) break;
      attempts.failed(error{errc::busy, "busy"});
    }
    co_return attempts.elapsed();
  };
  simulation sim;
  EXPECT_EQ(sim.run(until_success(sim.ctx(), 0)), 0ms);
  EXPECT_EQ(sim.run(until_success(sim.ctx(), 1)), 1ms);
  EXPECT_EQ(sim.fail_always(options).ended, 1ms);
  retry_options patient = options;
  patient.doomed_wait = doomed_wait::wait_out_deadline;
  const course seen = sim.fail_always(patient);
  EXPECT_EQ(seen.ended, 50ms);
  EXPECT_THAT(seen.granted, ElementsAre(0ms, 1ms));
  EXPECT_EQ(seen.reason, retry_reason::duration);
}

TEST(retry, acceptance_09_of_two_limits_the_first_one_counts) {
  simulation sim;
  retry_options options = fixed(10ms);
  options.max_retries = 3;
  options.max_duration = 1s;
  EXPECT_EQ(sim.fail_always(options).reason, retry_reason::attempts);
  options.max_retries = 1'000;
  EXPECT_EQ(sim.fail_always(options).reason, retry_reason::duration);
}

TEST(retry, acceptance_12_threads_and_coroutines_see_the_same_sequence_for_a_seed) {
  for (const jitter kind :
       {jitter::none, jitter::proportional, jitter::full, jitter::equal, jitter::decorrelated}) {
    const retry_options options{.jitter = kind, .max_retries = 12, .seed = 99};
    simulation coroutine;
    simulation thread;
    const course seen = coroutine.fail_always(options);
    EXPECT_THAT(seen.granted, SizeIs(13));
    EXPECT_EQ(seen, thread.fail_always_on_a_thread(options));
  }
}

TEST(retry, acceptance_13_an_attempt_allocates_nothing) {
  simulation sim;
  event closed;
  auto body = [](context ctx, event& e) -> task<std::size_t> {
    auto until = e.wait({});
    retry attempts{ctx, {.max_retries = 1'000, .attempt_timeout = 1s, .until = until}};
    std::size_t before = 0;
    while (auto attempt = co_await attempts.next()) {
      if (attempt->number == 1) before = weir_test::allocations();
      attempts.failed(error{errc::busy, "busy"});
      if (attempt->number == 999) break;
    }
    co_return weir_test::allocations() - before;
  };
  EXPECT_EQ(sim.run(body(sim.ctx(), closed)), 0U);
}

TEST(retry, acceptance_13_on_a_thread_an_attempt_allocates_nothing_after_the_first) {
  retry attempts{{}, {.initial_backoff = 0ns, .max_backoff = 0ns, .max_retries = 1'000}};
  std::size_t before = 0;
  while (auto attempt = wait(attempts.next())) {
    if (attempt->number == 1) before = weir_test::allocations();
    if (attempt->number == 999) break;
    attempts.failed(error{errc::busy, "busy"});
  }
  EXPECT_EQ(weir_test::allocations() - before, 0U);
}

// --- The first attempt.

TEST(retry, the_first_attempt_is_granted_even_when_cancelled_and_is_the_only_one) {
  simulation sim;
  sim.root.cancel();
  const course seen = sim.fail_always({});
  EXPECT_THAT(seen.granted, ElementsAre(0ms));
  EXPECT_EQ(seen.reason, retry_reason::cancelled);

  retry on_a_thread{sim.ctx()};
  auto attempt = wait(on_a_thread.next());
  ASSERT_TRUE(attempt);
  EXPECT_TRUE(attempt->context.cancelled());
  EXPECT_FALSE(wait(on_a_thread.next()));
}

TEST(retry, invalid_options_refuse_even_the_first_attempt_and_name_the_field) {
  for (const retry_options& options :
       {retry_options{.multiplier = 0}, retry_options{}.with_max_attempts(0)}) {
    retry attempts{{}, options};
    const auto attempt = wait(attempts.next());
    ASSERT_FALSE(attempt);
    EXPECT_EQ(attempt.error().code(), errc::invalid_argument);
    EXPECT_TRUE(attempt.error().text("field"));
    EXPECT_EQ(attempts.reason(), retry_reason::invalid);
    attempts.reset();
    EXPECT_FALSE(wait(attempts.next()));
  }
}

TEST(retry, a_loop_without_any_context_works_on_a_thread) {
  retry attempts{{}, {.initial_backoff = 0ns, .max_backoff = 0ns, .max_retries = 2}};
  int calls = 0;
  while (wait(attempts.next())) ++calls;
  EXPECT_EQ(calls, 3);
}

TEST(retry, a_thread_on_real_time_waits_out_its_backoff) {
  retry attempts{{}, fixed(1us)};
  ASSERT_TRUE(wait(attempts.next()));
  const time_point before = steady_clock().now();
  ASSERT_TRUE(wait(attempts.next()));
  EXPECT_GE(steady_clock().now() - before, 1us);
}

TEST(retry, a_deadline_on_real_time_ends_the_wait_of_a_thread) {
  context_source soon{context{}, {.timeout = 1ms}};
  retry attempts{
      soon.get(),
      {.initial_backoff = 1h, .max_backoff = 1h, .doomed_wait = doomed_wait::wait_out_deadline}};
  ASSERT_TRUE(wait(attempts.next()));
  const auto second = wait(attempts.next());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), errc::deadline_exceeded);
  EXPECT_EQ(attempts.reason(), retry_reason::cancelled);
}

// --- Attempts and their contexts.

TEST(retry, each_attempt_has_a_context_of_its_own_that_ends_with_it) {
  simulation sim;
  auto body = [](context ctx) -> task<void> {
    retry attempts{ctx, {.max_retries = 2}};
    int number = 0;
    while (auto attempt = co_await attempts.next()) {
      EXPECT_EQ(attempt->number, number++);
      EXPECT_FALSE(attempt->context.cancelled());
      EXPECT_TRUE(attempt->context != ctx);
      const retry_mark* mark = attempt->context.value(retrying);
      if (mark == nullptr) {
        ADD_FAILURE() << "an inner loop cannot know of this one";
      } else {
        EXPECT_EQ(mark->attempt, attempt->number);
      }
      EXPECT_EQ(attempts.attempts(), number);
      (void)co_await sleep_for(attempt->context, 1ms);
    }
    EXPECT_EQ(ctx.value(retrying), nullptr);
  };
  sim.run(body(sim.ctx()));
}

TEST(retry, an_attempt_that_takes_too_long_is_cancelled_and_the_loop_goes_on) {
  simulation sim;
  auto body = [](context ctx) -> task<int> {
    retry attempts{ctx, {.initial_backoff = 0ns, .max_retries = 2, .attempt_timeout = 5ms}};
    int late = 0;
    while (auto attempt = co_await attempts.next()) {
      const auto slept = co_await sleep_for(attempt->context, 1h);
      if (!slept && slept.error().code() == errc::deadline_exceeded) ++late;
    }
    EXPECT_EQ(attempts.elapsed(), 15ms);
    co_return late;
  };
  EXPECT_EQ(sim.run(body(sim.ctx())), 3);
}

TEST(retry, an_attempt_that_lasted_resets_the_loop) {
  simulation sim;
  auto body = [](context ctx, manual_clock& time) -> task<int> {
    retry attempts{ctx, {.max_retries = 1, .reset_after = 1min}};
    int calls = 0;
    while (auto attempt = co_await attempts.next()) {
      if (++calls <= 5) time.advance(1min);
      attempts.failed(error{errc::io, "the connection broke"});
    }
    co_return calls;
  };
  EXPECT_EQ(sim.run(body(sim.ctx(), sim.time)), 7);
}

TEST(retry, a_reset_has_no_effect_once_the_loop_was_stopped) {
  for (const bool drains : {true, false}) {
    simulation sim;
    auto body = [](simulation& s, bool drain) -> task<int> {
      retry attempts{s.ctx()};
      int calls = 0;
      while (auto attempt = co_await attempts.next()) {
        ++calls;
        if (drain) {
          s.root.drain();
        } else {
          s.root.cancel();
        }
        attempts.reset();
      }
      attempts.reset();
      EXPECT_FALSE(co_await attempts.next());
      co_return calls;
    };
    EXPECT_EQ(sim.run(body(sim, drains)), 1);
  }
}

TEST(retry, a_server_that_asks_for_time_gets_it_and_a_negative_hint_ends_the_loop) {
  simulation sim;
  auto body = [](context ctx) -> task<duration> {
    retry attempts{ctx, {.initial_backoff = 1ms, .jitter = jitter::none}};
    int calls = 0;
    while (auto attempt = co_await attempts.next()) {
      const duration hint = ++calls == 1 ? duration{500ms} : duration{-1ms};
      attempts.failed(error{errc::throttled, "slow down"}, retry_verdict::retry_after(hint));
    }
    EXPECT_EQ(calls, 2);
    EXPECT_EQ(attempts.reason(), retry_reason::permanent);
    co_return attempts.elapsed();
  };
  EXPECT_EQ(sim.run(body(sim.ctx())), 500ms);
}

TEST(retry, the_failure_tells_reason_attempts_time_and_the_last_errors) {
  simulation sim;
  auto body = [](context ctx) -> task<result<void>> {
    retry_options options = fixed(10ms);
    options.max_retries = 2;
    retry attempts{ctx, options};
    while (auto attempt = co_await attempts.next()) {
      attempts.failed(error{errc::conflict, "lost a race"}.with("attempt", attempt->number));
    }
    EXPECT_EQ(attempts.error_before(0)->number("attempt"), 2);
    EXPECT_EQ(attempts.error_before(1)->number("attempt"), 1);
    EXPECT_EQ(attempts.error_before(2), nullptr);
    co_return attempts.failure();
  };
  const auto ended = sim.run(body(sim.ctx()));
  ASSERT_FALSE(ended);
  const error& why = ended.error();
  EXPECT_EQ(why.code(), errc::conflict);
  EXPECT_EQ(why.text("reason"), "attempts");
  EXPECT_EQ(why.number("attempts"), 3);
  EXPECT_EQ(why.number("elapsed"), 20'000'000);
  ASSERT_NE(why.cause(), nullptr);
  EXPECT_EQ(why.cause()->number("attempt"), 2);
  EXPECT_TRUE(why.text("error before"));
}

TEST(retry, loops_without_a_seed_do_not_wait_in_step) {
  simulation a;
  simulation b;
  EXPECT_NE(waits_of(a.fail_always({.max_retries = 5})),
            waits_of(b.fail_always({.max_retries = 5})));
}

}  // namespace
}  // namespace weir
