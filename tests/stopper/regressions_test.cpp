// Bugs that other libraries had, one test each. The names say what must hold; whose bug it was
// stands above.

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <weir/context/on_cancel.hpp>

#include "core/racers.hpp"
#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;

// stdexec 1731, 1765: the last decrement touched memory that its waiter had freed.
TEST(regressions, the_last_task_to_leave_touches_nothing_of_a_stopper_that_is_gone) {
  runtime rt{{.workers = 2}};
  for (int i = 0; i < 300; ++i) {
    auto s = std::make_unique<stopper>(rt, stopper_options{.heartbeat = {}});
    std::thread leaves;
    {
      auto held = s->try_enter("last").value();
      leaves = std::thread{[p = std::move(held)]() mutable { p.release(); }};
    }
    (void)weir::wait(s->stop({.drain = 1h}));
    s.reset();
    leaves.join();
  }
}

// tokio 6759: a tracker was asked whether it is closed, and then something was spawned on it.
TEST(regressions, to_be_admitted_and_to_be_counted_is_one_step) {
  runtime rt{{.workers = 2}};
  test::racer spawns;
  for (int i = 0; i < 200; ++i) {
    stopper s{rt, {.heartbeat = {}}};
    core::atomic<bool> over{false};
    core::atomic<int> late{0};
    spawns.start([&] {
      for (bool more = true; more;) {
        more = s.spawn("task", [&]() -> task<void> {
                  if (over.load()) late.fetch_add(1);
                  co_return;
                }).has_value();
      }
    });
    (void)weir::wait(s.quiesce({}));
    over.store(true);
    spawns.join();
    EXPECT_EQ(late.load(), 0);
  }
}

// event-listener 138: a wake-up between the look at the predicate and the wait was lost.
TEST(regressions, a_stop_that_becomes_complete_between_the_look_and_the_wait_is_not_missed) {
  runtime rt{{.workers = 2}};
  test::racer waits;
  for (int i = 0; i < 500; ++i) {
    stopper s{rt, {.heartbeat = {}}};
    s.spawn("ends", []() -> task<void> { co_return; }).value().detach();
    waits.start([&] { EXPECT_TRUE(weir::wait(s.stopped())); });
    EXPECT_TRUE(weir::wait(s.stop({.drain = 1h})));
    waits.join();
  }
}

// brpc 721: a cancellation that came before the wait was armed was forgotten.
TEST(regressions, a_wait_that_begins_after_the_cancellation_ends_at_once) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event never;
  bool ended = false;
  s.spawn("late",
          [&](context ctx) -> task<void> {
            (void)co_await until_cancelled(ctx);
            const auto waited = co_await never.wait(ctx);
            ended = !waited && waited.error().code() == errc::cancelled;
          })
      .value()
      .detach();
  EXPECT_EQ(sim.stop(s, {.drain = 0s}).outcome(), shutdown_outcome::clean);
  EXPECT_TRUE(ended);
  context_source source;
  source.cancel();
  EXPECT_FALSE(weir::wait(never.wait(source.get()))) << "on a thread, too";
}

// libunifex 670: a stop callback was destroyed under the lock that it takes itself.
TEST(regressions, what_a_cancellation_calls_may_cancel_register_and_let_go) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  int calls = 0;
  auto inner = std::make_optional(s.on_quiesce([&] { ++calls; }));
  const auto count = [&]() noexcept { ++calls; };
  const auto outer = on_drain(s.ctx(), [&]() noexcept {
    inner.reset();
    const auto nested = on_drain(s.ctx(), count);
    const quiesce_context once = s.cancel_on_quiesce({});
    EXPECT_TRUE(once.get().cancelled());
  });
  EXPECT_EQ(sim.stop(s).outcome(), shutdown_outcome::clean);
  EXPECT_EQ(calls, 2) << "on_quiesce before it, and the nested one";
}

// asio 1400: the state of a cancellation was freed while its handler ran.
TEST(regressions, the_last_handle_of_a_context_may_go_inside_its_own_cancellation) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto linked = std::make_optional(s.cancel_on_quiesce({}));
  std::optional<context> last{linked->get()};
  bool ran = false;
  const auto hook = on_cancel(linked->get(), [&]() noexcept {
    last.reset();
    ran = true;
  });
  EXPECT_EQ(sim.stop(s).outcome(), shutdown_outcome::clean);
  EXPECT_TRUE(ran);
}

// Photon 967, libcoro 420: a stop from inside one of its own tasks hung.
TEST(regressions, a_stop_inside_an_own_task_is_an_error_and_not_a_hang) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  errc said{};
  s.spawn("asks",
          [&]() -> task<void> {
            auto stopping = s.stop();
            const auto stopped = co_await std::move(stopping);
            said = stopped ? errc::failed : stopped.error().code();
          })
      .value()
      .detach();
  sim.settle();
  EXPECT_EQ(said, errc::would_deadlock);
  EXPECT_FALSE(s.is_quiescing());
  const auto inside = s.run("inline", [&] { return weir::wait(s.stop()).error().code(); });
  EXPECT_EQ(inside, errc::would_deadlock) << "on a thread, too";
}

// cockroach 63867: closers ran under the stopper's lock.
TEST(regressions, a_closer_may_call_everything) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  int late = 0;
  s.defer("curious", [&] {
     EXPECT_TRUE(s.is_quiescing());
     EXPECT_FALSE(s.is_stopped());
     EXPECT_FALSE(s.try_enter("refused"));
     EXPECT_EQ(s.snapshot().entries[0].phase, "closing");
     s.defer("another", [&] { ++late; }).keep();
     (void)s.on_quiesce([&] { ++late; });
     s.request_stop();
   }).keep();
  EXPECT_EQ(sim.stop(s).closers.size(), 2U);
  EXPECT_EQ(late, 2);
}

// cockroach 149658: each cancel-on-quiesce context left a registration behind.
TEST(regressions, contexts_that_were_cancelled_on_quiesce_leave_no_registration) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  int cancelled = 0;
  for (int i = 0; i < 10'000; ++i) {
    const auto one = s.cancel_on_quiesce({});
    const auto hook = on_cancel(one.get(), [&]() noexcept { ++cancelled; });
  }
  EXPECT_EQ(sim.stop(s).outcome(), shutdown_outcome::clean);
  EXPECT_EQ(cancelled, 0) << "nothing was there to be told";
}

// cockroach 99242: who waited had to watch a context and a stopper, and forgot one of the two.
TEST(regressions, a_task_has_one_thing_to_watch) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  context_source request{sim.time};
  int ended = 0;
  const auto waits = [&](context ctx) -> task<void> {
    (void)co_await until_cancelled(ctx);
    ++ended;
  };
  s.spawn(request.get(), {.name = "by its request"}, waits).value().detach();
  s.spawn(request.get(), {.name = "the same"}, waits).value().detach();
  sim.settle();
  request.cancel();
  sim.settle();
  EXPECT_EQ(ended, 2);
  context_source another{sim.time};
  s.spawn(another.get(), {.name = "by the stop"}, waits).value().detach();
  EXPECT_EQ(sim.stop(s, {.drain = 0s}).outcome(), shutdown_outcome::clean);
  EXPECT_EQ(ended, 3);
}

// tokio 6035: a dump held the lock of the list of tasks while it traced them.
TEST(regressions, tasks_come_and_go_while_a_snapshot_is_being_formatted) {
  struct sink final : log_sink {
    stopper* s = nullptr;
    int came = 0;
    void write(log_level, std::string_view) noexcept override {
      came += static_cast<int>(s->run("passes", [] { return 1; }).value());
    }
  };
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  const permit held = s.try_enter("stays").value();
  sink hears;
  hears.s = &s;
  const std::string text = s.snapshot().to_string();
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    hears.write(log_level::info, text);
  }
  EXPECT_EQ(hears.came, 4);
}

// Go 37852: a waiter at the head that was cancelled kept what would have been granted behind it.
TEST(regressions, a_spawner_that_gives_up_at_the_head_lets_the_next_one_through) {
  simulation sim;
  semaphore quota{3};
  stopper s{sim.rt, sim.options()};
  event gate;
  const auto holds = [&]() -> task<void> { (void)co_await gate.wait({}); };
  s.spawn({.name = "has two", .quota = &quota, .units = 2}, holds).value().detach();
  context_source impatient{sim.time};
  int ran = 0;
  const auto counts = [&]() -> task<void> {
    ++ran;
    co_return;
  };
  auto head = sim.start([&]() -> task<void> {
    auto waits = s.spawn_when_free(impatient.get(), {.quota = &quota, .units = 3}, counts);
    EXPECT_FALSE(co_await std::move(waits));
  });
  auto behind = sim.start([&]() -> task<void> {
    auto waits = s.spawn_when_free({}, {.quota = &quota, .units = 1}, counts);
    EXPECT_TRUE(co_await std::move(waits));
  });
  sim.settle();
  EXPECT_EQ(ran, 0) << "strictly first come, first served";
  impatient.cancel();
  sim.settle();
  EXPECT_EQ(ran, 1);
  gate.set();
  (void)sim.stop(s);
  EXPECT_EQ(quota.available(), 3);
}

// Go 63615: a grant that raced a cancellation was lost, or given twice.
TEST(regressions, a_grant_that_races_a_cancellation_is_used_or_comes_home) {
  runtime rt{{.workers = 2}};
  semaphore quota{1};
  test::racer waits;
  test::racer gives;
  for (int i = 0; i < 300; ++i) {
    stopper s{rt, {.heartbeat = {}}};
    auto held = quota.try_acquire().value();
    context_source impatient;
    const auto nothing = []() -> task<void> { co_return; };
    waits.start(
        [&] { (void)weir::wait(s.spawn_when_free(impatient.get(), {.quota = &quota}, nothing)); });
    gives.start([&] { held.release(); });
    impatient.cancel();
    waits.join();
    gives.join();
    (void)weir::wait(s.stop({.drain = 1h}));
    EXPECT_EQ(quota.available(), 1);
  }
}

// seastar 2264: a subscription that came after the event was dropped without a call.
TEST(regressions, who_registers_after_the_stop_is_called_all_the_same) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  (void)sim.stop(s);
  int calls = 0;
  const auto count = [&]() noexcept { ++calls; };
  EXPECT_FALSE(s.on_quiesce(count));
  EXPECT_FALSE(s.defer("late", count));
  const auto drained = on_drain(s.ctx(), count);
  const auto cancelled = on_cancel(s.ctx(), count);
  EXPECT_TRUE(s.cancel_on_quiesce({}).get().cancelled());
  EXPECT_TRUE(weir::wait(s.quiescing()));
  EXPECT_TRUE(weir::wait(s.stopped()));
  EXPECT_EQ(calls, 4);
}

}  // namespace
}  // namespace weir
