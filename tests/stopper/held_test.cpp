#include <string>
#include <vector>

#include <gmock/gmock.h>

#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using testing::ContainsRegex;
using testing::HasSubstr;

struct held_log final : log_sink {
  void write(log_level level, std::string_view line) noexcept override {
    if (level != log_level::warning || line.find("is held for") == std::string_view::npos) return;
    core::lock_guard guard{lock};
    lines.emplace_back(line);
    count.fetch_add(1);
  }
  core::mutex lock;
  std::vector<std::string> lines;
  core::atomic<int> count{0};
};

TEST(held, a_worker_is_reported_once_with_the_tasks_name_and_site) {
  held_log heard;
  runtime rt{{.workers = 2, .held_after = 2ms, .log = &heard, .name = "rt"}};
  stopper s{rt, {.heartbeat = {}}};
  const auto line = std::source_location::current().line() + 1;
  auto spins = s.spawn("spins", [&]() -> task<void> {
    test::until([&] { return heard.count.load() == 1; });
    // Long enough for several looks that must not report it again.
    const time_point enough = core::monotonic_now() + 10ms;
    while (core::monotonic_now() < enough) core::cpu_relax();
    co_return;
  });
  ASSERT_TRUE(weir::wait(spins->join({})));
  EXPECT_TRUE(weir::wait(s.stop()));
  ASSERT_EQ(heard.lines.size(), 1U);
  EXPECT_THAT(heard.lines[0], ContainsRegex("^rt-w[01] is held for [0-9.]+ms by task 'spins' "));
  EXPECT_THAT(heard.lines[0], HasSubstr("(stopper/held_test.cpp:" + std::to_string(line) + ")"));
}

TEST(held, each_hold_is_reported_anew) {
  held_log heard;
  runtime rt{{.workers = 2, .held_after = 2ms, .log = &heard}};
  stopper s{rt, {.heartbeat = {}}};
  for (int i = 1; i <= 3; ++i) {
    auto spins = s.spawn("spins", [&heard, i]() -> task<void> {
      test::until([&] { return heard.count.load() == i; });
      co_return;
    });
    ASSERT_TRUE(weir::wait(spins->join({})));
  }
  EXPECT_EQ(heard.count.load(), 3);
  EXPECT_TRUE(weir::wait(s.stop()));
}

TEST(held, while_every_worker_is_held_whoever_asks_is_told) {
  held_log heard;
  runtime rt{{.workers = 1, .held_after = 2ms, .log = &heard}};
  stopper s{rt, {.heartbeat = {}}};
  core::atomic<bool> seen{false};
  auto spins = s.spawn("alone", [&]() -> task<void> {
    test::until([&] { return seen.load(); });
    co_return;
  });
  test::until([&] {
    rt.look_at_workers();
    return heard.count.load() == 1;
  });
  EXPECT_THAT(heard.lines[0], HasSubstr("by task 'alone'"));
  const auto now = rt.snapshot();
  ASSERT_EQ(now.held.size(), 1U);
  EXPECT_EQ(now.held[0].task, "alone");
  EXPECT_GE(now.held[0].held, 2ms);
  EXPECT_THAT(now.to_string(), HasSubstr("  worker 0 is held for "));
  seen.store(true);
  ASSERT_TRUE(weir::wait(spins->join({})));
  EXPECT_TRUE(weir::wait(s.stop()));
  // The joiner may be ahead of the worker's own end of that run.
  test::until([&] { return rt.snapshot().held.empty(); });
}

TEST(held, the_heartbeat_of_a_stop_reports_it_although_every_worker_is_held) {
  held_log heard;
  runtime rt{{.workers = 1, .held_after = 2ms, .log = &heard}};
  stopper s{rt, {.heartbeat = 1ms, .heartbeat_sink = &heard}};
  s.spawn("deaf",
          [&]() -> task<void> {
            test::until([&] { return heard.count.load() == 1; });
            co_return;
          })
      .value()
      .detach();
  EXPECT_TRUE(weir::wait(s.stop({.drain = 1h})));
  EXPECT_THAT(heard.lines[0], HasSubstr("by task 'deaf'"));
}

TEST(held, what_no_stopper_tracks_is_reported_without_a_name) {
  held_log heard;
  runtime rt{{.workers = 2, .held_after = 2ms, .log = &heard}};
  core::atomic<bool> over{false};
  struct spin final : core::work {
    spin(held_log& log, core::atomic<bool>& end)
        : work([](core::work& self) noexcept { static_cast<spin&>(self).go(); }),
          heard(log),
          over(end) {}
    void go() noexcept {
      test::until([&] { return heard.count.load() == 1; });
      over.store(true);
    }
    held_log& heard;
    core::atomic<bool>& over;
  };
  spin item{heard, over};
  rt.execute(item);
  test::until([&] { return over.load(); });
  EXPECT_THAT(heard.lines[0], HasSubstr("by something that no stopper tracks"));
}

TEST(held, nothing_is_looked_for_when_it_is_off) {
  held_log heard;
  runtime rt{{.workers = 1, .held_after = {}, .log = &heard}};
  rt.look_at_workers();
  EXPECT_TRUE(rt.snapshot().held.empty());
  EXPECT_EQ(heard.count.load(), 0);
}

}  // namespace
}  // namespace weir
