#include "runtime/share_policy.hpp"

#include <gtest/gtest.h>

namespace weir::core {
namespace {

using namespace std::chrono_literals;

constexpr time_point start{1h};

/// As many wake-ups that took that long as it takes to believe it.
void wake_often(wake_cost& cost, duration each) {
  for (int i = 0; i < 100; ++i) {
    cost.waking(start);
    cost.woken(start + each);
  }
}

/// A policy whose runs have taken `each`, measured often enough.
void run_often(share_policy& policy, duration each) {
  time_point now = start;
  policy.slept(now);
  for (int i = 0; i < 20; ++i) policy.measured(1, now += each);
}

TEST(wake_cost, follows_what_wake_ups_take) {
  wake_cost cost;
  wake_often(cost, 50us);
  EXPECT_NEAR(static_cast<double>(cost.estimate().count()), 50'000, 1'000);
  wake_often(cost, 20us);
  EXPECT_NEAR(static_cast<double>(cost.estimate().count()), 20'000, 1'000);
}

TEST(wake_cost, takes_a_processor_that_others_keep_for_no_measure) {
  wake_cost cost;
  wake_often(cost, 1s);
  EXPECT_LE(cost.estimate(), 200us);
  wake_often(cost, 1ns);
  EXPECT_GE(cost.estimate(), 10us);
}

TEST(wake_cost, knows_nothing_of_wake_ups_that_were_none) {
  wake_cost cost;
  const auto before = cost.estimate();
  cost.woken(start);
  cost.waking(start);
  cost.not_waking();
  cost.woken(start + 100us);
  EXPECT_EQ(cost.estimate(), before);
}

TEST(share_policy, shares_what_takes_twice_as_long_as_waking) {
  wake_cost cost;
  wake_often(cost, 50us);
  share_policy policy{cost};
  run_often(policy, 5us);
  EXPECT_FALSE(policy.worth_sharing(15));
  EXPECT_TRUE(policy.worth_sharing(25));
  wake_often(cost, 10us);
  run_often(policy, 5us);
  EXPECT_FALSE(policy.worth_sharing(3));
  EXPECT_TRUE(policy.worth_sharing(7));
}

TEST(share_policy, never_shares_tiny_runs) {
  const wake_cost cost;
  share_policy policy{cost};
  run_often(policy, 50ns);
  EXPECT_FALSE(policy.worth_sharing(1'000'000));
}

}  // namespace
}  // namespace weir::core
