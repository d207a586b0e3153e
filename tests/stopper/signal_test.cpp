#include <csignal>
#include <string>
#include <thread>

#include <weir/stopper/signal_shutdown.hpp>

#include "stopper/child.hpp"
#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

using test::blocked_signals;
using test::child;
using test::say;

/// A service whose one task ends at the level of its context that the test wants; `none`: never.
int serve(context_level ends_at, signal_options budgets) {
  const blocked_signals blocked;
  runtime rt{{.workers = 1}};
  stopper s{rt, {.name = "child", .heartbeat = 1ms}};
  s.on_quiesce([] { say("quiescing\n"); }).keep();
  signal_shutdown signals{s, budgets};
  s.spawn("child.task",
          [&](context ctx) -> task<void> {
            say("ready\n");
            if (ends_at == context_level::draining) {
              (void)co_await until_draining(ctx);
            } else {
              (void)co_await until_cancelled(ctx);
              say("cancelled\n");
              if (ends_at == context_level::running) {
                for (;;) core::yield_thread();  // a worker that is stuck for ever
              }
            }
          })
      .value()
      .detach();
  const auto report = weir::wait(s.stopped()).value();
  say(report.to_string().c_str());
  report.exit();
}

TEST(signals, the_first_one_drains_and_a_clean_stop_exits_with_0) {
  for (const int signal : {SIGTERM, SIGINT}) {
    child c{[] { return serve(context_level::draining, {.drain = 1h}); }};
    ASSERT_TRUE(c.says("ready"));
    c.send(signal);
    EXPECT_EQ(c.exit_code(), 0) << c.heard();
    EXPECT_NE(c.heard().find(signal == SIGTERM ? "asked by    SIGTERM" : "asked by    SIGINT"),
              std::string::npos)
        << c.heard();
  }
}

TEST(signals, the_second_one_skips_to_cancel_and_the_report_says_forced) {
  child c{[] { return serve(context_level::cancelled, {.drain = 1h, .cancel = 1h}); }};
  ASSERT_TRUE(c.says("ready"));
  c.send(SIGTERM);
  ASSERT_TRUE(c.says("draining: 1 left, oldest 'child.task' "));
  c.send(SIGTERM);
  EXPECT_EQ(c.exit_code(), 3) << c.heard();
}

TEST(signals, the_third_one_reports_and_exits_although_the_only_worker_spins) {
  child c{[] { return serve(context_level::running, {.drain = 1h, .cancel = 1h, .close = 1h}); }};
  ASSERT_TRUE(c.says("ready"));
  c.send(SIGTERM);
  ASSERT_TRUE(c.says("quiescing"));
  c.send(SIGINT);
  ASSERT_TRUE(c.says("cancelled"));
  c.send(SIGTERM);
  EXPECT_EQ(c.exit_code(), 4) << c.heard();
  EXPECT_NE(c.heard().find("still runs  'child.task'"), std::string::npos) << c.heard();
}

TEST(signals, the_thread_drives_the_budgets_to_the_end_although_the_only_worker_spins) {
  child c{
      [] { return serve(context_level::running, {.drain = 1ms, .cancel = 1ms, .close = 1ms}); }};
  ASSERT_TRUE(c.says("ready"));
  c.send(SIGTERM);
  EXPECT_EQ(c.exit_code(), 4) << c.heard();
}

TEST(signals, two_at_once_are_two) {
  child c{[] {
    runtime rt{{.workers = 1}};
    stopper s{rt, {.heartbeat = {}}};
    permit held = s.try_enter("held").value();
    signal_shutdown signals{s, {.drain = 1h, .cancel = 1h}};
    s.on_quiesce([] { ::raise(SIGINT); }).keep();
    ::raise(SIGTERM);
    (void)weir::wait(until_cancelled(s.ctx()));
    held.release();
    return weir::wait(s.stopped())->exit_code();
  }};
  EXPECT_EQ(c.exit_code(), 3);
}

TEST(signals, drive_a_stop_that_somebody_else_began) {
  child c{[] {
    runtime rt{{.workers = 1}};
    stopper s{rt, {.heartbeat = {}}};
    signal_shutdown signals{s};
    std::thread spinner;
    permit held = s.try_enter("held").value();
    s.spawn("asks",
            [&]() -> task<void> {
              s.request_stop({.drain = 1ms, .cancel = 1ms, .close = 1ms});
              for (;;) core::yield_thread();
              co_return;
            })
        .value()
        .detach();
    weir::wait(s.stopped())->exit();
    return 0;
  }};
  EXPECT_EQ(c.exit_code(), 4);
}

int calls = 0;

TEST(signals, the_previous_disposition_comes_back) {
  struct sigaction mine{};
  mine.sa_handler = [](int) { ++calls; };
  struct sigaction before{};
  ASSERT_EQ(::sigaction(SIGTERM, &mine, &before), 0);
  {
    runtime rt{{.workers = 1}};
    stopper s{rt, {.heartbeat = {}}};
    for (int i = 0; i < 3; ++i) {
      const signal_shutdown signals{s};
    }
    EXPECT_FALSE(s.is_quiescing());
    {
      const signal_shutdown signals{s};
      ::raise(SIGTERM);
      EXPECT_TRUE(weir::wait(s.stopped()));
      EXPECT_EQ(calls, 0);
    }
    ::raise(SIGTERM);
    EXPECT_EQ(calls, 1);
  }
  ::sigaction(SIGTERM, &before, nullptr);
}

TEST(signals, work_although_the_program_has_blocked_them) {
  const blocked_signals blocked;
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  const signal_shutdown signals{s};
  ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
  EXPECT_EQ(weir::wait(s.stopped())->signal, SIGTERM);
}

void watch_twice() {
  runtime rt{{.workers = 1}};
  stopper s{rt};
  const signal_shutdown one{s};
  const signal_shutdown two{s};
}

TEST(signals_DeathTest, are_watched_by_one_at_a_time) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(watch_twice(), "two signal_shutdown objects");
}

}  // namespace
}  // namespace weir
