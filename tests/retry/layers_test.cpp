#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <retry/simulation.hpp>

#include <weir/context/sleep.hpp>
#include <weir/retry/batch.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/call.hpp>
#include <weir/retry/hooks.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::fixed;
using test::simulation;
using testing::ElementsAre;

constexpr retry_options at_once{.initial_backoff = 0ns, .max_backoff = 0ns};

result<int> busy() {
  return fail(errc::busy, "busy");
}

// --- A loop inside an attempt of another loop.

/// How many calls `layers` loops of four attempts make of something that always fails.
int calls_through(int layers, const context& ctx, const retry_options& options) {
  int calls = 0;
  const auto layer = [&](auto& self, int left, const context& at) -> result<int> {
    if (left == 0) {
      ++calls;
      return busy();
    }
    return retry_call(at, options, [&](const context& attempt) -> result<int> {
      return self(self, left - 1, attempt);
    });
  };
  EXPECT_FALSE(layer(layer, layers, ctx));
  return calls;
}

TEST(nested_retry, three_layers_of_four_attempts_make_four_calls) {
  simulation sim;
  EXPECT_EQ(calls_through(3, sim.ctx(), at_once.with_max_attempts(4)), 4);
}

TEST(nested_retry, three_layers_that_are_told_to_go_on_make_64_calls) {
  simulation sim;
  retry_options options = at_once.with_max_attempts(4);
  options.nested = nested_retry::go_on;
  EXPECT_EQ(calls_through(3, sim.ctx(), options), 64);
}

TEST(nested_retry, an_inner_loop_says_that_an_outer_one_is_retrying) {
  simulation sim;
  std::vector<std::string> reasons;
  (void)retry_call(sim.ctx(), at_once.with_max_attempts(2), [&](const context& attempt) {
    auto inner = retry_call(attempt, at_once, busy);
    reasons.emplace_back(inner.error().text("reason").value_or("none"));
    EXPECT_EQ(inner.error().code(), errc::busy);
    return inner;
  });
  EXPECT_THAT(reasons, ElementsAre("nested", "nested"));
}

TEST(nested_retry, what_succeeds_goes_on_inside_an_outer_loop) {
  simulation sim;
  std::vector<int> items(1'000);
  int batches = 0;
  const auto done = retry_call(sim.ctx(), at_once, [&](const context& attempt) -> result<void> {
    return for_each_batch(attempt, at_once, std::span{items}, 100,
                          [&](std::span<int>) -> result<void> {
                            ++batches;
                            return {};
                          });
  });
  EXPECT_TRUE(done);
  EXPECT_EQ(batches, 10);
}

// --- What may not happen twice.

TEST(idempotency, an_unknown_outcome_ends_the_loop_unless_it_may_happen_twice) {
  for (const bool may : {false, true}) {
    int calls = 0;
    retry_options options = at_once.with_max_attempts(3);
    if (may) options.idempotency = idempotency::yes;
    const auto done = retry_call({}, options, [&]() -> result<void> {
      ++calls;
      return fail(errc::commit_unknown, "the connection broke during the commit");
    });
    ASSERT_FALSE(done);
    EXPECT_EQ(calls, may ? 3 : 1);
    EXPECT_EQ(done.error().code(), errc::commit_unknown);
    EXPECT_EQ(done.error().text("reason"), may ? "attempts" : "outcome_unknown");
  }
}

TEST(idempotency, a_loop_that_reports_an_unknown_outcome_without_a_verdict_ends) {
  simulation sim;
  retry attempts{sim.ctx(), at_once};
  ASSERT_TRUE(wait(attempts.next()));
  attempts.failed(error{errc::commit_unknown, "the answer was lost"});
  EXPECT_EQ(attempts.reason(), retry_reason::outcome_unknown);
  EXPECT_FALSE(wait(attempts.next()));
}

TEST(idempotency, a_classifier_for_what_must_not_happen_twice_holds_timeouts_back) {
  const auto calls_after = [](errc code, idempotency may) {
    int calls = 0;
    retry_options options = at_once.with_max_attempts(3);
    options.idempotency = may;
    (void)retry_call(
        {}, options,
        [&]() -> result<void> {
          ++calls;
          return std::unexpected(error{code, "it failed"});
        },
        retry_if_refused);
    return calls;
  };
  for (const errc open : {errc::deadline_exceeded, errc::io, errc::failed, errc::cancelled}) {
    EXPECT_EQ(calls_after(open, idempotency::no), 1) << name_of(open);
    EXPECT_EQ(calls_after(open, idempotency::yes), 3) << name_of(open);
  }
  for (const errc refused : {errc::unavailable, errc::throttled, errc::busy, errc::conflict}) {
    EXPECT_EQ(calls_after(refused, idempotency::no), 3) << name_of(refused);
  }
  EXPECT_EQ(calls_after(errc::constraint, idempotency::yes), 1);
}

// --- Hints.

TEST(hint, an_error_may_carry_how_long_to_wait) {
  simulation sim;
  auto body = [](context ctx) -> task<duration> {
    retry attempts{ctx, {.initial_backoff = 1ms, .jitter = jitter::none, .max_retries = 1}};
    while (co_await attempts.next()) {
      attempts.failed(error{errc::throttled, "slow down"}.with(retry_after_number, 700ms));
    }
    co_return attempts.elapsed();
  };
  EXPECT_EQ(sim.run(body(sim.ctx())), 700ms);
}

TEST(hint, retry_call_honours_what_an_error_carries_and_never_comes_earlier) {
  simulation sim;
  auto body = [](context ctx) -> task<duration> {
    int calls = 0;
    auto fetch = [&calls]() -> task<result<int>> {
      if (++calls == 2) co_return calls;
      co_return std::unexpected(
          error{errc::unavailable, "restarting"}.with(retry_after_number, 999'999'999ns));
    };
    const time_point start = ctx.time().now();
    EXPECT_TRUE(co_await retry_call(ctx, {.jitter = jitter::full}, fetch));
    co_return ctx.time().now() - start;
  };
  EXPECT_GE(sim.run(body(sim.ctx())), 999'999'999ns);
}

TEST(hint, a_negative_one_in_an_error_ends_the_loop_as_permanent) {
  int calls = 0;
  const auto done = retry_call({}, at_once, [&]() -> result<int> {
    ++calls;
    return std::unexpected(error{errc::unavailable, "go away"}.with(retry_after_number, -1ns));
  });
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(done.error().text("reason"), "permanent");
}

// --- Timeouts.

TEST(timeouts, an_attempt_gets_the_less_of_its_own_timeout_and_what_is_left_of_the_total) {
  simulation sim;
  auto body = [](context ctx) -> task<std::vector<duration>> {
    retry_options options = fixed(10ms);
    options.total_timeout = 100ms;
    options.attempt_timeout = 40ms;
    retry attempts{ctx, options};
    std::vector<duration> left;
    while (auto attempt = co_await attempts.next()) {
      left.push_back(attempt->context.remaining());
      (void)co_await sleep_for(attempt->context, 1h);
      attempts.failed(error{errc::deadline_exceeded, "hung"});
    }
    EXPECT_EQ(attempts.reason(), retry_reason::duration);
    EXPECT_EQ(attempts.elapsed(), 90ms);
    co_return left;
  };
  EXPECT_THAT(sim.run(body(sim.ctx())), ElementsAre(40ms, 40ms));
}

TEST(timeouts, the_total_cuts_the_last_attempt_short) {
  simulation sim;
  auto body = [](context ctx) -> task<std::vector<duration>> {
    retry_options options = fixed(10ms);
    options.total_timeout = 75ms;
    options.attempt_timeout = 50ms;
    retry attempts{ctx, options};
    std::vector<duration> left;
    while (auto attempt = co_await attempts.next()) {
      left.push_back(attempt->context.remaining());
      (void)co_await sleep_for(attempt->context, 1h);
      attempts.failed(error{errc::deadline_exceeded, "hung"});
    }
    EXPECT_EQ(attempts.elapsed(), 75ms);
    co_return left;
  };
  EXPECT_THAT(sim.run(body(sim.ctx())), ElementsAre(50ms, 15ms));
}

TEST(timeouts, the_total_counts_anew_from_a_reset) {
  simulation sim;
  auto body = [](context ctx, manual_clock& time) -> task<void> {
    retry attempts{ctx, {.total_timeout = 1s}};
    for (int i = 0; i < 3; ++i) {
      auto attempt = co_await attempts.next();
      if (!attempt) {
        ADD_FAILURE() << "the total was not counted anew";
        co_return;
      }
      EXPECT_EQ(attempt->context.remaining(), 1s);
      time.advance(900ms);
      attempts.reset();
    }
  };
  sim.run(body(sim.ctx(), sim.time));
}

// --- Hooks.

class journal final : public retry_hooks {
 public:
  std::vector<std::string> lines;

  void attempt_begins(const retry_step& step) noexcept override {
    lines.push_back("attempt " + std::to_string(step.attempt) + " at " + to_text(step.elapsed));
  }
  void wait_begins(const retry_step& step) noexcept override {
    lines.push_back(std::string{name_of(step.why->code())} + ", waits " + to_text(step.wait));
  }
  void loop_ended(retry_reason why, const retry_step& step) noexcept override {
    lines.push_back(std::string{name_of(why)} + " after " + std::to_string(step.attempt + 1));
  }
};

TEST(hooks, they_hear_of_every_attempt_wait_and_end) {
  simulation sim;
  journal told;
  retry_options options{.initial_backoff = 10ms, .jitter = jitter::none, .max_retries = 2};
  options.hooks = &told;
  sim.fail_always(options, 1ms);
  EXPECT_THAT(told.lines, ElementsAre("attempt 0 at 0ns", "busy, waits 10ms", "attempt 1 at 11ms",
                                      "busy, waits 20ms", "attempt 2 at 32ms", "attempts after 3"));
}

TEST(hooks, a_call_that_succeeds_says_so) {
  journal told;
  retry_options options;
  options.hooks = &told;
  EXPECT_TRUE(retry_call({}, options, []() -> result<int> { return 1; }));
  EXPECT_EQ(told.lines.back(), "succeeded after 1");
}

TEST(hooks, counters_add_up_over_loops) {
  simulation sim;
  retry_counters counters;
  retry_budget budget{{.initial = 1, .floor_per_second = 0}, sim.time};
  retry_options options = fixed(10ms);
  options.max_retries = 3;
  options.hooks = &counters;
  sim.fail_always(options);
  options.budget = &budget;
  sim.fail_always(options);
  const auto seen = counters.read();
  EXPECT_EQ(seen.first_tries, 2U);
  EXPECT_EQ(seen.retries, 4U);
  EXPECT_EQ(seen.waited, 40ms);
  EXPECT_EQ(seen.ended_by(retry_reason::attempts), 1U);
  EXPECT_EQ(seen.ended_by(retry_reason::budget), 1U);
}

}  // namespace
}  // namespace weir
