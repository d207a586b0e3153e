#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <retry/simulation.hpp>

#include <weir/retry/policy.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;
using step = retry_decision;

retry_options quick(int retries) {
  return {.initial_backoff = 1ms, .max_backoff = 1ms, .max_retries = retries};
}

const retry_policy policies[] = {{"three", quick(3)}, {"five", quick(5)}, {"seven", quick(7)}};
const retry_plan plan{.policies = policies};

/// Calls something that succeeds at call `succeed_at` (0: never), and counts the calls.
template <class S>
int calls_of(int succeed_at, S decide) {
  simulation sim;
  auto body = [&](context ctx) -> task<int> {
    int calls = 0;
    auto fn = [&]() -> task<result<void>> {
      if (++calls != succeed_at) co_return fail(errc::busy, "busy");
      co_return result<void>{};
    };
    const auto done = co_await retry_with_policies(ctx, plan, fn, decide);
    EXPECT_EQ(done.has_value(), succeed_at != 0);
    co_return calls;
  };
  return sim.run(body(sim.ctx()));
}

step always_on(const retry_event&) {
  return step::go_on();
}

/// Each policy's last attempt switches to the next one.
step switch_when_used_up(const retry_event& event) {
  if (event.policy == "three" && event.attempt == 3) return step::switch_to("five");
  if (event.policy == "five" && event.attempt == 5) return step::switch_to("seven");
  return step::go_on();
}

TEST(retry_policies, acceptance_10_success_makes_one_call) {
  EXPECT_EQ(calls_of(1, always_on), 1);
}

TEST(retry_policies, acceptance_10_the_initial_policy_alone_makes_four) {
  EXPECT_EQ(calls_of(0, always_on), 4);
}

TEST(retry_policies, acceptance_10_a_switch_at_the_fourth_makes_ten) {
  EXPECT_EQ(calls_of(0,
                     [](const retry_event& event) {
                       return event.total == 3 ? step::switch_to("five") : step::go_on();
                     }),
            10);
}

TEST(retry_policies, acceptance_10_two_switches_and_then_success_make_eleven) {
  EXPECT_EQ(calls_of(11, switch_when_used_up), 11);
}

TEST(retry_policies, acceptance_10_failing_fast_at_the_second_makes_two) {
  EXPECT_EQ(calls_of(0,
                     [](const retry_event& event) {
                       return event.total == 1 ? step::fail_fast() : step::go_on();
                     }),
            2);
}

TEST(retry_policies, acceptance_10_a_reset_at_the_fourth_makes_eight) {
  EXPECT_EQ(calls_of(0,
                     [](const retry_event& event) {
                       return event.total == 3 ? step::reset() : step::go_on();
                     }),
            8);
}

TEST(retry_policies, acceptance_10_all_strategies_together_make_seventeen) {
  EXPECT_EQ(calls_of(0,
                     [](const retry_event& event) {
                       if (event.total == 3) return step::reset();
                       if (event.total == 7) return step::switch_to("five");
                       if (event.policy == "five") return switch_when_used_up(event);
                       return event.total == 16 ? step::fail_fast() : step::go_on();
                     }),
            17);
}

TEST(retry_policies, switching_to_and_fro_ends_at_the_cap) {
  int calls = 0;
  const retry_plan capped{.policies = policies, .max_attempts = 20};
  const auto done = retry_with_policies(
      {}, capped,
      [&]() -> result<void> {
        ++calls;
        return fail(errc::busy, "busy");
      },
      [](const retry_event& event) {
        return step::switch_to(event.policy == "three" ? "five" : "three");
      });
  EXPECT_EQ(calls, 20);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().text("reason"), "attempts");
  EXPECT_EQ(done.error().number("total attempts"), 20);
}

TEST(retry_policies, an_error_of_the_hook_ends_the_loop) {
  std::vector<int> seen;
  const auto done = retry_with_policies(
      {}, plan, []() -> result<void> { return fail(errc::busy, "busy"); }, always_on,
      [&](const retry_event& event) -> result<void> {
        seen.push_back(event.attempt);
        if (event.attempt == 1) return fail(errc::denied, "the budget of this tenant is spent");
        return {};
      });
  EXPECT_THAT(seen, testing::ElementsAre(0, 1));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::denied);
}

TEST(retry_policies, a_plan_that_cannot_run_is_refused) {
  const auto fn = []() -> result<void> {
    ADD_FAILURE();
    return {};
  };
  EXPECT_EQ(retry_with_policies({}, {}, fn, always_on).error().code(), errc::invalid_argument);
  const retry_plan none{.policies = policies, .max_attempts = 0};
  EXPECT_EQ(retry_with_policies({}, none, fn, always_on).error().code(), errc::invalid_argument);
}

TEST(retry_policies, a_policy_that_does_not_exist_is_named_in_the_error) {
  int calls = 0;
  const auto done = retry_with_policies(
      {}, plan,
      [&]() -> result<void> {
        ++calls;
        return fail(errc::busy, "busy");
      },
      [](const retry_event&) { return step::switch_to("eleven"); });
  EXPECT_EQ(calls, 1);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::invalid_argument);
  EXPECT_EQ(done.error().cause()->text("asked for"), "eleven");
}

}  // namespace
}  // namespace weir
