#include <cstdlib>
#include <sstream>
#include <string>

#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;
using state = shutdown_report::closer_state;

shutdown_report sample() {
  shutdown_report report;
  report.stopper = "ledger";
  report.origin = shutdown_origin::signal;
  report.reason = "SIGTERM";
  report.drain = 10s;
  report.cancel = 5s;
  report.close = 1200ms;
  report.total = 16200ms;
  report.tasks = 128;
  report.drained = 120;
  report.cancelled = 7;
  report.remaining = 1;
  report.hurried = true;
  report.closers.push_back({"db", {}, state::done, 2100us, {}});
  report.closers.push_back({"metrics", {}, state::failed, 3s, "threw: " + std::string(90, 'x')});
  report.stragglers.push_back({"settle.loop", std::source_location::current(), 42s, 6s});
  return report;
}

TEST(report, reads_well_in_eighty_columns) {
  std::istringstream lines{sample().to_string()};
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80U) << line;
  shutdown_report short_one = sample();
  short_one.closers.pop_back();
  short_one.stragglers[0].site = {};
  EXPECT_EQ(short_one.to_string(),
            "shutdown of 'ledger': abandoned, exit code 4\n"
            "  asked by    SIGTERM\n"
            "  phases      drain 10s, cancel 5s, close 1.2s; 16.2s in all\n"
            "  tasks       128 were live: 120 ended by themselves, 7 when cancelled, 1 still\n"
            "              run\n"
            "  closer      'db' 2.1ms\n"
            "  still runs  'settle.loop' (:0) for 42s, cancelled 6s ago\n");
}

TEST(report, the_worst_that_happened_counts) {
  shutdown_report report;
  EXPECT_EQ(report.exit_code(), 0);
  report.closers.push_back({"c", {}, state::failed, 0s, "oops"});
  EXPECT_EQ(report.exit_code(), 1);
  report.hurried = true;
  EXPECT_EQ(report.exit_code(), 3);
  report.closers.push_back({"d", {}, state::not_run, 0s, {}});
  EXPECT_EQ(report.exit_code(), 4);
  EXPECT_STREQ(name_of(report.outcome()), "abandoned");
}

TEST(report, names_at_most_some_and_counts_the_rest) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  for (int i = 0; i < 40; ++i) {
    s.spawn("deaf", [&gate]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
  }
  const auto report = sim.stop(s, {.drain = 1s, .cancel = 1s, .close = 1s});
  EXPECT_EQ(report.remaining, 40U);
  EXPECT_EQ(report.stragglers.size(), 32U);
  EXPECT_NE(report.to_string().find("and 8 more"), std::string::npos);
  gate.set();
  sim.settle();
}

TEST(report, says_who_asked_and_where) {
  simulation sim;
  stopper s{sim.rt, sim.options("asked")};
  const auto report = sim.stop(s, {.reason = "the disk is full"});
  EXPECT_EQ(report.origin, shutdown_origin::call);
  EXPECT_EQ(report.stopper, "asked");
  EXPECT_NE(report.to_string().find("the disk is full (stopper/simulation.hpp:"),
            std::string::npos);
}

/// Notices that destructors run.
struct tell_tale {
  ~tell_tale() { std::fputs("a destructor ran\n", stderr); }
};

void exit_with_a_live_task() {
  event gate;
  const tell_tale global;
  runtime rt{{.workers = 1}};
  stopper s{rt, {.name = "left", .heartbeat = {}}};
  s.spawn("deaf", [&gate]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
  std::printf("buffered");
  weir::wait(s.stop({.drain = 1ms, .cancel = 1ms, .close = 1ms}))->exit();
}

void destroy_after_a_stop_that_gave_up() {
  event gate;
  runtime rt{{.workers = 1}};
  stopper s{rt, {.name = "left", .heartbeat = {}}};
  s.spawn("deaf", [&gate]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
  (void)weir::wait(s.stop({.drain = 1ms, .cancel = 1ms, .close = 1ms}));
}

void destroy_with_a_task_that_never_ends() {
  event gate;
  simulation sim;
  auto options = sim.options("left");
  options.executor = nullptr;
  stopper s{sim.rt, options};
  s.spawn("deaf", [&gate]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
  std::thread time{[&] {
    test::until([&] { return s.is_quiescing(); });
    for (;;) sim.time.advance_to_next();
  }};
  time.detach();
}

void destroy_inside_a_task() {
  simulation sim;
  std::optional<stopper> s{std::in_place, sim.rt, sim.options()};
  s->spawn("owner",
           [&]() -> task<void> {
             s.reset();
             co_return;
           })
      .value()
      .detach();
  sim.settle();
}

void destroy_on_a_worker() {
  runtime rt{{.workers = 1}};
  event gate;
  std::optional<stopper> s{std::in_place, rt};
  s->spawn("waits", [&]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
  stopper other{rt};
  auto destroys = other.spawn("destroys", [&]() -> task<void> {
    s.reset();
    co_return;
  });
  (void)weir::wait(destroys->join({}));
}

void leave_a_stopper_behind() {
  static stopper* forgotten = nullptr;
  runtime rt{{.workers = 1}};
  forgotten = new stopper{rt, {.name = "forgotten"}};
  EXPECT_FALSE(forgotten->is_stopped());
}

class endings : public testing::Test {
 protected:
  endings() { GTEST_FLAG_SET(death_test_style, "threadsafe"); }
};
using endings_DeathTest = endings;

TEST_F(endings_DeathTest, exit_flushes_and_leaves_with_its_code_without_destructors) {
  // Nothing on standard error: no destructor spoke.
  EXPECT_EXIT(exit_with_a_live_task(), testing::ExitedWithCode(4), "^$");
}

TEST_F(endings_DeathTest, a_stopper_that_gave_up_reports_and_leaves_when_destroyed) {
  EXPECT_EXIT(destroy_after_a_stop_that_gave_up(), testing::ExitedWithCode(4),
              "shutdown of 'left': abandoned.*\n(.*\n)*  still runs  'deaf'");
}

TEST_F(endings_DeathTest, a_stopper_with_a_task_that_never_ends_does_not_hang_its_destructor) {
  EXPECT_EXIT(destroy_with_a_task_that_never_ends(), testing::ExitedWithCode(4),
              "asked by    the stopper was destroyed");
}

TEST_F(endings_DeathTest, a_stopper_is_not_destroyed_by_its_own_task) {
  EXPECT_DEATH(destroy_inside_a_task(), "destroyed inside one of its own tasks");
}

TEST_F(endings_DeathTest, a_stopper_with_tasks_is_not_destroyed_on_a_worker) {
  EXPECT_DEATH(destroy_on_a_worker(), "live tasks was destroyed on a worker");
}

TEST_F(endings_DeathTest, a_stopper_left_behind_is_reported_with_its_creation_site) {
  EXPECT_DEATH(leave_a_stopper_behind(), "forgotten(.|\n)*report_test.cpp:[0-9]+");
}

}  // namespace
}  // namespace weir
