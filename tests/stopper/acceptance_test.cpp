// What the list of acceptance tests in docs/design/0005-stopper.md asks for beside what the other
// files here already claim, mostly the same claim in its other form: as threads, as coroutines.

#include <thread>
#include <vector>

#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;

TEST(acceptance, quiescing_fires_at_once_and_stopped_only_after_the_task) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  s.spawn("task", [&]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
  s.request_stop({.drain = 1h});
  EXPECT_TRUE(weir::wait(s.quiescing())) << "without anything having run";
  sim.settle();
  EXPECT_FALSE(s.is_stopped());
  gate.set();
  sim.settle();
  EXPECT_TRUE(s.is_stopped());
  EXPECT_TRUE(weir::wait(s.stopped()));
}

TEST(acceptance, on_threads_quiescing_fires_at_once_and_stopped_only_after_the_call) {
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  core::atomic<bool> ended{false};
  event entered;
  std::thread calls{[&] {
    EXPECT_TRUE(s.run("call", [&] {
      entered.set();
      EXPECT_TRUE(weir::wait(s.quiescing()));
      EXPECT_FALSE(s.is_stopped());
      ended.store(true);
    }));
  }};
  EXPECT_TRUE(weir::wait(entered.wait({})));
  EXPECT_TRUE(weir::wait(s.stop({.drain = 1h})));
  EXPECT_TRUE(ended.load());
  calls.join();
}

TEST(acceptance, a_stop_blocks_its_thread_while_an_async_task_runs) {
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  event gate;
  core::atomic<bool> returned{false};
  s.spawn("task",
          [&]() -> task<void> {
            (void)co_await s.quiescing();
            EXPECT_FALSE(returned.load());
            (void)co_await gate.wait({});
            EXPECT_FALSE(returned.load());
          })
      .value()
      .detach();
  std::thread stops{[&] {
    EXPECT_TRUE(weir::wait(s.stop({.drain = 1h})));
    returned.store(true);
  }};
  EXPECT_TRUE(weir::wait(s.quiescing()));
  EXPECT_FALSE(returned.load());
  gate.set();
  stops.join();
  EXPECT_TRUE(returned.load());
}

TEST(acceptance, a_slow_closer_delays_stopped_only_and_a_further_stop_takes_no_time) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  bool quiet = false;
  s.defer("slow", [&] {
     EXPECT_TRUE(quiet) << "quiesce did not wait for closers";
     EXPECT_FALSE(s.is_stopped());
     sim.time.advance(3s);
   }).keep();
  sim.start([&]() -> task<void> {
       EXPECT_TRUE(co_await s.quiesce({}));
       quiet = true;
     })
      .detach();
  sim.settle();
  EXPECT_EQ(sim.stop(s).close, 3s);
  const time_point before = sim.time.now();
  (void)sim.stop(s);
  EXPECT_EQ(sim.time.now(), before);
}

TEST(acceptance, on_threads_three_calls_end_on_the_quiescing_signal) {
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  core::atomic<int> inside{0};
  core::atomic<int> ended{0};
  std::vector<std::thread> calls;
  for (int i = 0; i < 3; ++i) {
    calls.emplace_back([&] {
      (void)s.run("waits", [&] {
        inside.fetch_add(1);
        EXPECT_TRUE(weir::wait(s.quiescing()));
        ended.fetch_add(1);
      });
    });
  }
  test::until([&] { return inside.load() == 3; });
  EXPECT_TRUE(weir::wait(s.stop({.drain = 1h})));
  EXPECT_EQ(ended.load(), 3);
  for (std::thread& one : calls) one.join();
}

TEST(acceptance, three_stoppers_refuse_coroutines_after_quiesce_and_all_stop) {
  simulation sim;
  stopper a{sim.rt, sim.options("a")};
  stopper b{sim.rt, sim.options("b")};
  stopper c{sim.rt, sim.options("c")};
  const auto all = [&]() -> task<void> {
    for (stopper* one : {&a, &b, &c}) EXPECT_TRUE(co_await one->quiesce({}));
    const auto nothing = []() -> task<void> { co_return; };
    for (stopper* one : {&a, &b, &c}) {
      auto inside = one->run("refused", nothing);
      const auto ran = co_await std::move(inside);
      EXPECT_EQ(ran.error().code(), errc::unavailable);
    }
    for (stopper* one : {&a, &b, &c}) EXPECT_TRUE(co_await one->stop());
  };
  auto done = sim.start(all);
  sim.settle();
  EXPECT_TRUE(done.done());
}

TEST(acceptance, a_task_that_ends_in_the_cancel_phase_makes_the_stop_forced_on_threads_too) {
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  auto blocks = s.spawn_blocking(
      "call", [](const context& ctx) { EXPECT_TRUE(weir::wait(until_cancelled(ctx))); });
  const auto report = weir::wait(s.stop({.drain = 1ms, .cancel = 1h})).value();
  EXPECT_EQ(report.outcome(), shutdown_outcome::forced);
  EXPECT_EQ(report.exit_code(), 3);
  EXPECT_EQ(report.cancelled, 1U);
}

TEST(acceptance, a_blocking_call_that_ignores_cancellation_is_named) {
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  event gate;
  auto blocks = s.spawn_blocking("deaf call", [&] { (void)weir::wait(gate.wait({})); });
  const auto report = weir::wait(s.stop({.drain = 1ms, .cancel = 1ms, .close = 1ms})).value();
  EXPECT_EQ(report.exit_code(), 4);
  ASSERT_EQ(report.stragglers.size(), 1U);
  EXPECT_EQ(report.stragglers[0].name, "deaf call");
  gate.set();
  test::until([&] { return s.running() == 0; });
}

TEST(acceptance, a_ladder_of_twenty_four_simulated_hours_and_its_heartbeats) {
  struct sink final : log_sink {
    int lines = 0;
    void write(log_level, std::string_view) noexcept override { ++lines; }
  };
  const auto began = core::monotonic_now();
  simulation sim;
  sink heard;
  auto options = sim.options();
  options.heartbeat = 1min;
  options.heartbeat_sink = &heard;
  stopper s{sim.rt, options};
  event never;
  for (int i = 0; i < 100; ++i) {
    s.spawn("ends",
            [i](context ctx) -> task<void> {
              (void)co_await sleep_for(ctx, std::chrono::minutes{10 * (i + 1)});
            })
        .value()
        .detach();
  }
  s.spawn("deaf", [&]() -> task<void> { (void)co_await never.wait({}); }).value().detach();
  const auto report = sim.stop(s, {.drain = 20h, .cancel = 3h, .close = 1h});
  EXPECT_EQ(report.total, 24h);
  EXPECT_EQ(report.drained, 100U);
  EXPECT_EQ(report.remaining, 1U);
  EXPECT_GE(heard.lines, 24 * 60 - 5);
  const auto took = core::monotonic_now() - began;
  std::printf("24 simulated hours with %d heartbeats took %.1f ms\n", heard.lines,
              std::chrono::duration<double, std::milli>(took).count());
  never.set();
  sim.settle();
}

}  // namespace
}  // namespace weir
