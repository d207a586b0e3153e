// The simulator behind docs/guide/retry-simulation.md, with few runs: that it is deterministic, and
// that its models are what the page says.

#include <cmath>

#include <gtest/gtest.h>

#include "amplification.hpp"
#include "contention.hpp"
#include "plot.hpp"

namespace weir::simulate {
namespace {

TEST(simulation, the_same_seed_gives_the_same_run) {
  for (std::size_t at = 0; at < strategies; ++at) {
    const contention once = contend(30, strategy_at(at), 7);
    const contention again = contend(30, strategy_at(at), 7);
    EXPECT_EQ(once.writes, again.writes) << strategy_at(at).name;
    EXPECT_EQ(once.makespan_ms, again.makespan_ms) << strategy_at(at).name;
  }
  EXPECT_NE(contend(30, strategy_at(3), 7).makespan_ms, contend(30, strategy_at(3), 8).makespan_ms);
}

TEST(simulation, one_client_writes_once_and_waits_for_four_messages) {
  const auto seen = contend(1, strategy_at(0), 1, 2'000);
  EXPECT_EQ(seen.writes.mean(), 1);
  EXPECT_NEAR(seen.makespan_ms.mean(), 40, 1);
}

TEST(simulation, every_client_writes_once_and_whoever_lost_again) {
  // Two that collide: one of them writes twice.
  const contention two = contend(2, strategy_at(0), 1);
  EXPECT_GE(two.writes, 2);
  EXPECT_LE(two.writes, 3);
}

TEST(simulation, few_runs_already_agree_with_the_listed_writes) {
  constexpr double listed[strategies] = {689, 625, 346, 332, 374};
  for (std::size_t at = 0; at < strategies; ++at) {
    const auto seen = contend(50, strategy_at(at), 1, 30);
    EXPECT_NEAR(seen.writes.mean() / listed[at], 1, 0.03) << strategy_at(at).name;
  }
}

TEST(simulation, a_budget_holds_the_load_whatever_the_failure_rate) {
  for (const double x : {0.2, 0.5, 1.0}) {
    EXPECT_NEAR(amplify(x, paid_by::nobody, 1).load.mean(), 1 + x + x * x + x * x * x, 0.01) << x;
    EXPECT_NEAR(amplify(x, paid_by::budget, 1).load.mean(), 1.1, 0.001) << x;
  }
  EXPECT_NEAR(amplify(0.5, paid_by::nobody, 1).success.mean(), 1 - std::pow(0.5, 4), 0.01);
}

TEST(simulation, three_layers_multiply_to_64_calls_and_with_budgets_to_a_third_more) {
  EXPECT_EQ(layered_load(3, layered::every_layer_retries), 64);
  EXPECT_EQ(layered_load(3, layered::outermost_retries), 4);
  EXPECT_NEAR(layered_load(3, layered::with_budgets), 1.33, 0.01);
}

TEST(simulation, a_plot_is_the_same_each_time_and_small) {
  const plot shown{.title = "t",
                   .x = {"x", 0, 1, {0, 1}},
                   .y = {"y", 1, 100, {1, 10, 100}, true},
                   .lines = {{"l", {{0, 1}, {1, 100}}}}};
  EXPECT_EQ(shown.svg(), shown.svg());
  EXPECT_NE(shown.svg().find("points=\"76,344 548,44\""), std::string::npos) << shown.svg();
}

}  // namespace
}  // namespace weir::simulate
