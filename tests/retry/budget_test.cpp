#include <array>
#include <limits>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <retry/simulation.hpp>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/call.hpp>
#include <weir/retry/policy.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::course;
using test::fixed;
using test::simulation;
using testing::SizeIs;

static_assert(!std::is_copy_constructible_v<retry_budget>);
static_assert(std::is_trivially_destructible_v<budget_options>);

/// Only what was earned.
constexpr budget_options earned{.floor_per_second = 0};

int withdrawals(retry_budget& budget, int most = 100'000) {
  int granted = 0;
  while (granted < most && budget.try_withdraw()) ++granted;
  return granted;
}

TEST(retry_budget, ten_first_tries_earn_one_retry_exactly) {
  retry_budget budget{earned};
  for (int i = 0; i < 9; ++i) budget.tried();
  EXPECT_FALSE(budget.try_withdraw());
  budget.tried();
  EXPECT_EQ(withdrawals(budget), 1);
  for (int i = 0; i < 990; ++i) budget.tried();
  EXPECT_EQ(budget.available(), 99);
  EXPECT_EQ(withdrawals(budget), 99);
}

TEST(retry_budget, successes_earn_where_they_are_to) {
  retry_budget budget{{.per_try = 0, .per_success = 0.5, .floor_per_second = 0}};
  budget.tried();
  budget.succeeded();
  EXPECT_EQ(withdrawals(budget), 0);
  budget.succeeded();
  EXPECT_EQ(withdrawals(budget), 1);
}

TEST(retry_budget, no_more_than_the_capacity_is_saved_up) {
  retry_budget budget{{.per_try = 3, .capacity = 10, .initial = 10, .floor_per_second = 0}};
  for (int i = 0; i < 1'000; ++i) budget.tried();
  EXPECT_EQ(budget.available(), 10);
  EXPECT_EQ(withdrawals(budget), 10);
  for (int i = 0; i < 1'000; ++i) budget.tried();
  EXPECT_EQ(withdrawals(budget), 10);
}

TEST(retry_budget, a_refund_is_worth_one_retry) {
  retry_budget budget{{.initial = 1, .floor_per_second = 0}};
  ASSERT_TRUE(budget.try_withdraw());
  budget.refund();
  EXPECT_EQ(withdrawals(budget), 1);
}

TEST(retry_budget, the_floor_grants_its_rate_and_saves_up_one_second) {
  manual_clock time;
  retry_budget budget{{.per_try = 0, .floor_per_second = 5}, time};
  EXPECT_EQ(withdrawals(budget), 5);
  time.advance(199ms);
  EXPECT_EQ(withdrawals(budget), 0);
  time.advance(1ms);
  EXPECT_EQ(withdrawals(budget), 1);
  time.advance(1h);
  EXPECT_EQ(withdrawals(budget), 5);
}

TEST(retry_budget, a_floor_of_less_than_one_per_second_grants_one_at_a_time) {
  manual_clock time;
  retry_budget budget{{.per_try = 0, .floor_per_second = 0.1}, time};
  EXPECT_EQ(withdrawals(budget), 1);
  time.advance(9'999ms);
  EXPECT_EQ(withdrawals(budget), 0);
  time.advance(1ms);
  EXPECT_EQ(withdrawals(budget), 1);
  time.advance(24h);
  EXPECT_EQ(withdrawals(budget), 1);
}

TEST(retry_budget, each_field_that_is_out_of_its_range_is_named) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  const auto field = [](const budget_options& options) {
    const auto checked = options.check();
    return checked ? std::string{"none"} : std::string{*checked.error().text("field")};
  };
  EXPECT_EQ(field({}), "none");
  EXPECT_EQ(field({.per_try = -0.1}), "per_try");
  EXPECT_EQ(field({.per_try = nan}), "per_try");
  EXPECT_EQ(field({.per_success = 1e10}), "per_success");
  EXPECT_EQ(field({.capacity = 0.5}), "capacity");
  EXPECT_EQ(field({.initial = 101}), "initial");
  EXPECT_EQ(field({.floor_per_second = nan}), "floor_per_second");
}

TEST(retry_budget, two_threads_that_earn_and_spend_never_get_more_than_was_earned) {
  constexpr int rounds = 50'000;
  retry_budget budget{{.per_try = 0.1, .capacity = 1e6, .floor_per_second = 0}};
  std::array<int, 2> granted{};
  const auto use = [&](int& mine) {
    for (int i = 0; i < rounds; ++i) {
      budget.tried();
      if (i % 2 == 0 && budget.try_withdraw()) ++mine;
    }
  };
  std::thread other{[&] { use(granted[1]); }};
  use(granted[0]);
  other.join();
  EXPECT_EQ(granted[0] + granted[1] + withdrawals(budget), 2 * rounds / 10);
}

// --- In loops.

retry_options paid(retry_budget& budget) {
  retry_options options = fixed(1ms);
  options.budget = &budget;
  return options;
}

TEST(retry_budget, a_loop_ends_when_it_is_empty_but_its_first_try_never_does) {
  simulation sim;
  retry_budget budget{{.initial = 3, .floor_per_second = 0}, sim.time};
  const course first = sim.fail_always(paid(budget));
  EXPECT_THAT(first.granted, SizeIs(4));
  EXPECT_EQ(first.reason, retry_reason::budget);
  EXPECT_EQ(first.ended, 3ms) << "an end for want of tokens comes before the wait";
  const course second = sim.fail_always(paid(budget));
  EXPECT_THAT(second.granted, SizeIs(1));
  EXPECT_EQ(second.reason, retry_reason::budget);
}

TEST(retry_budget, the_failure_says_budget_and_keeps_the_code_of_the_last_error) {
  simulation sim;
  retry_budget budget{earned, sim.time};
  const auto done = retry_call(sim.ctx(), paid(budget),
                               []() -> result<int> { return fail(errc::throttled, "slow down"); });
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::throttled);
  EXPECT_EQ(done.error().text("reason"), "budget");
}

TEST(retry_budget, other_stop_reasons_cost_nothing) {
  simulation sim;
  retry_budget budget{{.per_try = 0, .initial = 3, .floor_per_second = 0}, sim.time};
  retry_options limited = paid(budget);
  limited.max_retries = 0;
  EXPECT_EQ(sim.fail_always(limited).reason, retry_reason::attempts);
  retry_options doomed = paid(budget);
  doomed.max_duration = 1ms;
  EXPECT_EQ(sim.fail_always(doomed).reason, retry_reason::duration);
  EXPECT_EQ(budget.available(), 3);
}

TEST(retry_budget, a_retry_that_was_paid_for_and_not_made_is_paid_back) {
  simulation sim;
  retry_budget budget{{.per_try = 0, .initial = 1, .floor_per_second = 0}, sim.time};
  auto body = [](context ctx, retry_options options) -> task<void> {
    context_scope soon{ctx, {.timeout = 5ms}};
    options.initial_backoff = options.max_backoff = 10ms;
    options.doomed_wait = doomed_wait::wait_out_deadline;
    retry attempts{soon.get(), options};
    while (co_await attempts.next()) attempts.failed(error{errc::busy, "busy"});
    EXPECT_EQ(attempts.reason(), retry_reason::cancelled);
  };
  sim.run(body(sim.ctx(), paid(budget)));
  EXPECT_EQ(sim.passed(), 5ms);
  EXPECT_EQ(budget.available(), 1);
}

TEST(retry_budget, a_wait_that_lost_a_select_is_paid_for_once) {
  simulation sim;
  retry_budget budget{{.per_try = 0, .initial = 5, .floor_per_second = 0}, sim.time};
  auto body = [](context ctx, retry_options options) -> task<void> {
    options.initial_backoff = options.max_backoff = 10ms;
    retry attempts{ctx, options};
    EXPECT_TRUE(co_await attempts.next());
    attempts.failed(error{errc::busy, "busy"});
    for (;;) {
      const auto first = co_await select(attempts.next(), after(3ms));
      if (first.index() == 0) break;
    }
  };
  sim.run(body(sim.ctx(), paid(budget)));
  EXPECT_EQ(budget.available(), 4);
}

TEST(retry_budget, a_reset_after_a_success_is_a_first_try_and_one_after_a_failure_is_not) {
  simulation sim;
  retry_budget budget{{.per_try = 1, .floor_per_second = 0}, sim.time};
  retry attempts{sim.ctx(), paid(budget)};
  ASSERT_TRUE(wait(attempts.next()));
  attempts.reset();
  ASSERT_TRUE(wait(attempts.next()));
  EXPECT_EQ(budget.available(), 2);
  attempts.failed(error{errc::busy, "busy"});
  attempts.reset();
  ASSERT_TRUE(wait(attempts.next()));
  EXPECT_EQ(budget.available(), 1);
}

TEST(retry_budget, a_strategy_that_resets_after_a_failure_pays_for_it_too) {
  simulation sim;
  retry_budget budget{{.per_try = 0, .initial = 2, .floor_per_second = 0}, sim.time};
  const retry_policy policies[] = {{"only", paid(budget)}};
  int calls = 0;
  const auto done = retry_with_policies(
      sim.ctx(), {.policies = policies},
      [&]() -> result<void> {
        ++calls;
        return fail(errc::busy, "busy");
      },
      [](const retry_event&) { return retry_decision::reset(); });
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(done.error().text("reason"), "budget");
}

// Tables B and C of the list: what a budget of 10 % is for.
TEST(retry_budget, ten_percent_hold_the_load_at_1_1_when_everything_fails) {
  simulation sim;
  retry_budget budget{earned, sim.time};
  retry_options options = paid(budget);
  options.initial_backoff = options.max_backoff = 0ns;
  options.max_retries = 3;
  int calls = 0;
  for (int i = 0; i < 10'000; ++i) {
    (void)retry_call(sim.ctx(), options, [&]() -> result<int> {
      ++calls;
      return fail(errc::busy, "busy");
    });
  }
  EXPECT_EQ(calls, 11'000);
}

}  // namespace
}  // namespace weir
