// A service with a thousand tasks, of which three ignore that they are cancelled, two of those on
// the only two workers without ever suspending.

#include <charconv>
#include <map>
#include <sstream>
#include <string>

#include <weir/stopper/signal_shutdown.hpp>

#include "stopper/child.hpp"
#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::blocked_signals;
using test::child;
using test::say;

constexpr int polite = 997;
constexpr unsigned first_spinner_line = __LINE__ + 20;
constexpr unsigned second_spinner_line = first_spinner_line + 1;
constexpr unsigned sleeper_line = first_spinner_line + 2;

/// Never suspends again once it is cancelled.
task<void> spins(context ctx) {
  (void)co_await until_cancelled(ctx);
  say("spins\n");
  static const core::atomic<bool> never{false};
  // relaxed: it waits for nothing.
  while (!never.load(std::memory_order_relaxed)) core::cpu_relax();
}

task<void> busy(context ctx) {
  while (!ctx.draining()) (void)co_await sleep_for(ctx, 1ms);
}

void burden(stopper& s, event& never) {
  const auto sleeps = [&never]() -> task<void> { (void)co_await never.wait({}); };
  for (int i = 0; i < polite; ++i) s.spawn("polite", busy).value().detach();
  s.spawn("spinner one", spins).value().detach();
  s.spawn("spinner two", spins).value().detach();
  s.spawn("sleeper", sleeps).value().detach();
}

/// For the test to read: what the report says as a value.
void tell(const shutdown_report& report) {
  std::fprintf(stderr, "total %lld tasks %zu drained %zu\n",
               static_cast<long long>(report.total.count()), report.tasks, report.drained);
  for (const auto& one : report.stragglers) {
    std::fprintf(stderr, "left '%s' line %u age %lld\n", one.name.c_str(), one.site.line(),
                 static_cast<long long>(one.age.count()));
  }
}

int serve(signal_options budgets) {
  const blocked_signals blocked;
  runtime rt{{.workers = 2}};
  event never;
  stopper s{rt, {.name = "loaded", .heartbeat = 10ms}};
  const signal_shutdown signals{s, budgets};
  burden(s, never);
  say("ready\n");
  const auto report = weir::wait(s.stopped()).value();
  say(report.to_string().c_str());
  tell(report);
  report.exit();
}

/// The number behind `key` in a line of `heard` that contains `in`.
long long figure(const std::string& heard, const std::string& in, const std::string& key) {
  std::istringstream lines{heard};
  for (std::string line; std::getline(lines, line);) {
    const auto at = line.find(key);
    if (line.find(in) == std::string::npos || at == std::string::npos) continue;
    long long value = -1;
    std::from_chars(line.data() + at + key.size(), line.data() + line.size(), value);
    return value;
  }
  return -1;
}

int how_often(const std::string& heard, const std::string& what) {
  int count = 0;
  for (auto at = heard.find(what); at != std::string::npos; at = heard.find(what, at + 1)) ++count;
  return count;
}

TEST(under_load, a_signal_ends_it_and_names_exactly_the_three_that_ignore_it) {
  const auto began = core::coarse_now();  // by which ages are stamped: a tick may lie before us
  child c{[] { return serve({.drain = 300ms, .cancel = 100ms, .close = 100ms}); }};
  ASSERT_TRUE(c.says("ready"));
  c.send(SIGTERM);
  EXPECT_EQ(c.exit_code(), 4) << c.heard();
  const auto lived = core::monotonic_now() - began;

  EXPECT_EQ(how_often(c.heard(), "\n  still runs  "), 3) << c.heard();
  EXPECT_EQ(how_often(c.heard(), "\nleft "), 3) << c.heard();
  const std::map<std::string, unsigned> expected{{"'spinner one'", first_spinner_line},
                                                 {"'spinner two'", second_spinner_line},
                                                 {"'sleeper'", sleeper_line}};
  for (const auto& [name, line] : expected) {
    EXPECT_EQ(figure(c.heard(), "left " + name, "line "), line) << c.heard();
    // Spawned after we began, before the signal: at least as old as all budgets.
    const std::chrono::nanoseconds age{figure(c.heard(), "left " + name, "age ")};
    EXPECT_GE(age, 490ms) << "budgets less what a coarse clock may lag";
    EXPECT_LE(age, lived);
  }
  EXPECT_EQ(figure(c.heard(), "total", "tasks "), 1000);
  EXPECT_EQ(figure(c.heard(), "total", "drained "), polite);
  const std::chrono::nanoseconds total{figure(c.heard(), "total", "total ")};
  EXPECT_GE(total, 500ms);
  std::printf("budget 500 ms, took %.1f ms\n", static_cast<double>(total.count()) / 1e6);
}

TEST(under_load, a_second_and_a_third_signal_shorten_it) {
  child c{[] { return serve({.drain = 1h, .cancel = 1h, .close = 1h}); }};
  ASSERT_TRUE(c.says("ready"));
  c.send(SIGTERM);
  ASSERT_TRUE(c.says("draining: 3 left")) << c.heard();
  c.send(SIGTERM);
  ASSERT_TRUE(c.says("spins\n")) << c.heard();
  ASSERT_TRUE(c.says("cancelling: 3 left")) << c.heard();
  c.send(SIGTERM);
  EXPECT_EQ(c.exit_code(), 4) << c.heard();
  EXPECT_EQ(how_often(c.heard(), "\n  still runs  "), 3) << c.heard();
  EXPECT_NE(c.heard().find("997 ended by themselves"), std::string::npos) << c.heard();
}

}  // namespace
}  // namespace weir
