#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>

#include <weir/stopper/shutdown_plan.hpp>
#include <weir/stopper/signal_shutdown.hpp>

#include "stopper/child.hpp"
#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using state = plan_report::stage_state;
using test::simulation;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<state> states(const plan_report& report) {
  std::vector<state> all;
  for (const auto& one : report.stages) all.push_back(one.state);
  return all;
}

TEST(shutdown_plan, runs_its_stages_in_order_then_stops_and_says_where_the_time_went) {
  simulation sim;
  stopper s{sim.rt, sim.options("service")};
  std::vector<std::string> order;
  s.defer("db", [&] { order.emplace_back("db"); }).keep();
  shutdown_plan plan{s, {.drain = 10s, .cancel = 5s, .close = 5s}, nullptr};
  plan.stage("unready", 2s, [&] {
    EXPECT_FALSE(s.is_quiescing());
    sim.time.advance(1s);
    order.emplace_back("unready");
  });
  plan.stage("stop accepting", 1s, [&](const context& ctx) -> result<void> {
    EXPECT_EQ(*ctx.deadline() - sim.time.now(), 1s);
    order.emplace_back("stop accepting");
    return {};
  });
  const auto report = sim.run(plan.run());
  EXPECT_THAT(order, ElementsAre("unready", "stop accepting", "db"));
  EXPECT_THAT(states(report), ElementsAre(state::done, state::done, state::done, state::done));
  EXPECT_EQ(report.exit_code(), 0);
  EXPECT_EQ(report.stages[0].took, 1s);
  EXPECT_THAT(report.to_string(), HasSubstr("shutdown plan, 1s in all\n"
                                            "  unready           1s of 2s: done\n"
                                            "  stop accepting    0ns of 1s: done\n"
                                            "  drain             0ns of 15s: done\n"
                                            "  close             0ns of 5s: done\n"
                                            "shutdown of 'service': clean, exit code 0\n"));
}

TEST(shutdown_plan, a_stage_that_throws_or_fails_is_told_and_the_rest_still_runs) {
  struct sink final : log_sink {
    std::vector<std::string> lines;
    void write(log_level, std::string_view line) noexcept override { lines.emplace_back(line); }
  };
  simulation sim;
  sink heard;
  stopper s{sim.rt, sim.options()};
  shutdown_plan plan{s, {}, &heard};
  plan.stage("throws", 1s, [] { throw std::runtime_error{std::string(90, 'x')}; });
  plan.stage("fails", 1s, []() -> result<void> { return fail(errc::io, "no file"); });
  const auto report = sim.run(plan.run());
  EXPECT_THAT(states(report), ElementsAre(state::failed, state::failed, state::done, state::done));
  EXPECT_THAT(report.stages[0].failure, HasSubstr("threw: xxx"));
  EXPECT_THAT(report.stages[1].failure, HasSubstr("no file"));
  EXPECT_EQ(report.exit_code(), 1);
  ASSERT_GT(heard.lines.size(), 5U);
  for (const std::string& line : heard.lines) EXPECT_LE(line.size(), 80U) << line;
  EXPECT_THAT(heard.lines[1], HasSubstr("throws"));
}

TEST(shutdown_plan, a_stage_that_overruns_its_budget_is_cancelled_and_left_behind) {
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  event release;
  core::atomic<bool> cancelled{false};
  shutdown_plan plan{s, {.drain = 1h}, nullptr};
  plan.stage("slow", 1ms, [&](const context& ctx) {
    (void)weir::wait(until_cancelled(ctx));
    cancelled.store(true);
    (void)weir::wait(release.wait({}));
  });
  plan.stage("next", 1h, [&] { release.set(); });
  const auto report = weir::wait(plan.run());
  EXPECT_TRUE(cancelled.load());
  EXPECT_THAT(states(report), ElementsAre(state::overran, state::done, state::done, state::done));
  EXPECT_EQ(report.exit_code(), 1);
  EXPECT_GE(report.stages[0].took, 1ms);
}

TEST(shutdown_plan, hurry_skips_what_is_left_and_the_drain_budget) {
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  s.spawn("patient", [](context ctx) -> task<void> { (void)co_await until_cancelled(ctx); })
      .value()
      .detach();
  shutdown_plan plan{s, {.drain = 1h, .cancel = 1h}, nullptr};
  plan.stage("long", 1h, [&](const context& ctx) {
    plan.hurry();
    (void)weir::wait(until_cancelled(ctx));
  });
  plan.stage("never", 1h, [] { ADD_FAILURE() << "it was skipped"; });
  plan.begin("an operator");
  const auto stopped = weir::wait(s.stopped());
  EXPECT_EQ(stopped->reason, "an operator");
  test::until([&] { return plan.report().shutdown.has_value(); });
  const auto report = plan.report();
  EXPECT_EQ(report.stages[0].state, state::overran);
  EXPECT_EQ(report.stages[1].state, state::skipped);
}

TEST(shutdown_plan, after_a_stop_that_has_begun_otherwise_its_stages_are_skipped) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  s.request_stop();
  shutdown_plan plan{s, {}, nullptr};
  plan.stage("late", 1s, [] { ADD_FAILURE() << "it was refused"; });
  const auto report = sim.run(plan.run());
  EXPECT_EQ(report.stages[0].state, state::skipped);
  EXPECT_EQ(report.exit_code(), 0);
}

int serve_by_plan() {
  const test::blocked_signals blocked;
  runtime rt{{.workers = 1}};
  stopper s{rt, {.name = "planned", .heartbeat = {}}};
  shutdown_plan plan{s, {.drain = 1h, .cancel = 1h}};
  plan.stage("unready", 1h, [](const context& ctx) {
    test::say("unready now\n");
    (void)weir::wait(until_cancelled(ctx));
  });
  const signal_shutdown signals{s, {.plan = &plan}};
  test::say("ready\n");
  return weir::wait(s.stopped())->exit_code();
}

TEST(shutdown_plan, the_first_signal_begins_it_and_the_second_hurries_it) {
  test::child c{serve_by_plan};
  ASSERT_TRUE(c.says("ready"));
  c.send(SIGTERM);
  ASSERT_TRUE(c.says("unready now"));
  c.send(SIGTERM);
  EXPECT_EQ(c.exit_code(), 0) << c.heard();
  EXPECT_THAT(c.heard(), HasSubstr("of 1h 0m: overran"));
  EXPECT_THAT(c.heard(), HasSubstr("asked by    SIGTERM"));
}

void run_twice() {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  shutdown_plan plan{s, {}, nullptr};
  (void)sim.run(plan.run());
  (void)sim.run(plan.run());
}

TEST(shutdown_plan_DeathTest, runs_once) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(run_twice(), "a shutdown_plan runs once");
}

}  // namespace
}  // namespace weir
