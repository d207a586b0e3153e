#include <algorithm>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <retry/simulation.hpp>

#include <weir/context/sleep.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/hedge.hpp>
#include <weir/runtime/runtime.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;
using testing::ElementsAre;

static_assert(std::is_trivially_destructible_v<hedge_options>);

constexpr hedge_options after_20_ms{.delay = 20ms, .idempotency = idempotency::yes};

/// What one attempt of a script does: take a time, then succeed or fail.
struct part {
  duration takes;
  std::optional<errc> fails = std::nullopt;
};

/// A server whose calls go as written, and that notes what became of them.
struct script {
  std::vector<part> parts;
  std::vector<int> begun{};
  std::vector<int> cancelled{};
  int running = 0;

  task<result<int>> call(const retry_attempt& attempt) {
    const int number = attempt.number;
    const part mine = parts.at(static_cast<std::size_t>(number));
    begun.push_back(number);
    ++running;
    const auto slept = co_await sleep_for(attempt.context, mine.takes);
    --running;
    if (!slept) {
      cancelled.push_back(number);
      co_return std::unexpected(slept.error());
    }
    if (mine.fails) co_return std::unexpected(error{*mine.fails, "as written"});
    co_return number;
  }
};

result<int> play(simulation& sim, script& server, hedge_options options) {
  auto body = [&](context ctx) -> task<result<int>> {
    auto fn = [&server](const retry_attempt& attempt) { return server.call(attempt); };
    auto done = co_await hedged_call(ctx, options, fn);
    EXPECT_EQ(server.running, 0) << "something still runs after the call has returned";
    co_return done;
  };
  return sim.run(body(sim.ctx()));
}

TEST(hedged_call, a_fast_answer_is_not_hedged) {
  simulation sim;
  script server{{{19ms}}};
  EXPECT_EQ(play(sim, server, after_20_ms).value(), 0);
  EXPECT_THAT(server.begun, ElementsAre(0));
  EXPECT_EQ(sim.passed(), 19ms);
}

TEST(hedged_call, a_slow_attempt_is_overtaken_cancelled_and_awaited) {
  simulation sim;
  script server{{{1h}, {5ms}}};
  EXPECT_EQ(play(sim, server, after_20_ms).value(), 1);
  EXPECT_THAT(server.begun, ElementsAre(0, 1));
  EXPECT_THAT(server.cancelled, ElementsAre(0));
  EXPECT_EQ(sim.passed(), 25ms);
}

TEST(hedged_call, the_first_attempt_may_win_over_its_hedge) {
  simulation sim;
  script server{{{30ms}, {1h}}};
  EXPECT_EQ(play(sim, server, after_20_ms).value(), 0);
  EXPECT_THAT(server.cancelled, ElementsAre(1));
  EXPECT_EQ(sim.passed(), 30ms);
}

TEST(hedged_call, no_more_attempts_than_allowed_run_beside_each_other) {
  simulation sim;
  hedge_options options = after_20_ms;
  options.max_attempts = 4;
  script server{{{1h}, {1h}, {1h}, {1s}}};
  EXPECT_EQ(play(sim, server, options).value(), 3);
  EXPECT_THAT(server.begun, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(server.cancelled, testing::UnorderedElementsAre(0, 1, 2));
  EXPECT_EQ(sim.passed(), 60ms + 1s);
}

TEST(hedged_call, a_failure_that_another_attempt_may_help_starts_it_at_once) {
  simulation sim;
  script server{{{3ms, errc::unavailable}, {4ms}}};
  EXPECT_EQ(play(sim, server, after_20_ms).value(), 1);
  EXPECT_EQ(sim.passed(), 7ms);
}

TEST(hedged_call, a_permanent_error_ends_the_race_and_cancels_the_others) {
  simulation sim;
  script server{{{1h}, {5ms, errc::not_found}}};
  const auto done = play(sim, server, after_20_ms);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::not_found);
  EXPECT_EQ(done.error().text("reason"), "permanent");
  EXPECT_THAT(server.cancelled, ElementsAre(0));
  EXPECT_EQ(sim.passed(), 25ms);
}

TEST(hedged_call, when_all_have_failed_the_last_error_is_returned) {
  simulation sim;
  script server{{{50ms, errc::unavailable}, {5ms, errc::busy}}};
  const auto done = play(sim, server, after_20_ms);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::unavailable) << "it was the last one to fail";
  EXPECT_EQ(done.error().text("reason"), "attempts");
  EXPECT_EQ(done.error().number("attempts"), 2);
  EXPECT_EQ(done.error().number("elapsed"), 50'000'000);
  EXPECT_EQ(sim.passed(), 50ms);
}

TEST(hedged_call, a_hint_of_the_server_holds_the_next_attempt_back) {
  simulation sim;
  auto body = [](context ctx) -> task<result<int>> {
    auto fn = [](const retry_attempt& attempt) -> task<result<int>> {
      if (attempt.number == 1) co_return 1;
      co_return std::unexpected(
          error{errc::throttled, "slow down"}.with(retry_after_number, 300ms));
    };
    co_return co_await hedged_call(ctx, after_20_ms, fn);
  };
  EXPECT_EQ(sim.run(body(sim.ctx())).value(), 1);
  EXPECT_EQ(sim.passed(), 300ms);
}

TEST(hedged_call, the_budget_pays_for_every_attempt_but_the_first) {
  simulation sim;
  retry_budget budget{{.per_try = 0, .initial = 1, .floor_per_second = 0}, sim.time};
  hedge_options options = after_20_ms;
  options.max_attempts = 3;
  options.budget = &budget;
  script slow{{{100ms}, {1h}, {1h}}};
  EXPECT_EQ(play(sim, slow, options).value(), 0);
  EXPECT_THAT(slow.begun, ElementsAre(0, 1)) << "the second token was not there";
  script failing{{{1ms, errc::busy}}};
  const auto done = play(sim, failing, options);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().text("reason"), "budget");
}

TEST(hedged_call, what_may_not_happen_twice_is_refused) {
  simulation sim;
  script server{{}};
  const auto done = play(sim, server, {.delay = 20ms});
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::invalid_argument);
  EXPECT_EQ(done.error().text("field"), "idempotency");
  EXPECT_THAT(server.begun, ElementsAre());
}

TEST(hedged_call, each_field_that_is_out_of_its_range_is_named) {
  const auto field = [](hedge_options options) {
    options.idempotency = idempotency::yes;
    const auto checked = options.check();
    return checked ? std::string{"none"} : std::string{*checked.error().text("field")};
  };
  EXPECT_EQ(field({}), "none");
  EXPECT_EQ(field({.delay = -1ns}), "delay");
  EXPECT_EQ(field({.percentile = 1.01}), "percentile");
  EXPECT_EQ(field({.max_attempts = 0}), "max_attempts");
  EXPECT_EQ(field({.max_attempts = 9}), "max_attempts");
  EXPECT_EQ(field({.attempt_timeout = 0ns}), "attempt_timeout");
  EXPECT_EQ(field({.total_timeout = 0ns}), "total_timeout");
}

TEST(hedged_call, cancellation_ends_all_attempts) {
  simulation sim;
  script server{{{1h}, {1h}}};
  hedge_options options = after_20_ms;
  options.total_timeout = 100ms;
  const auto done = play(sim, server, options);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::deadline_exceeded);
  EXPECT_EQ(done.error().text("reason"), "cancelled");
  EXPECT_THAT(server.cancelled, testing::UnorderedElementsAre(0, 1));
  EXPECT_EQ(sim.passed(), 100ms);
}

TEST(hedged_call, an_attempt_that_hangs_ends_with_its_own_timeout_and_another_starts) {
  simulation sim;
  script server{{{1h}, {1h}, {1ms}}};
  hedge_options options = after_20_ms;
  options.attempt_timeout = 30ms;
  options.max_attempts = 3;
  EXPECT_EQ(play(sim, server, options).value(), 2);
  EXPECT_EQ(sim.passed(), 31ms) << "the first failed at 30 ms, which starts the third";
}

TEST(hedged_call, the_first_attempt_is_made_even_when_cancelled) {
  simulation sim;
  sim.root.cancel();
  script server{{{1h}}};
  const auto done = play(sim, server, after_20_ms);
  ASSERT_FALSE(done);
  EXPECT_THAT(server.begun, ElementsAre(0));
  EXPECT_EQ(done.error().code(), errc::cancelled);
}

TEST(hedged_call, a_context_that_drains_starts_no_further_attempt) {
  simulation sim;
  sim.root.drain();
  script server{{{100ms}}};
  EXPECT_EQ(play(sim, server, after_20_ms).value(), 0);
  EXPECT_THAT(server.begun, ElementsAre(0));
}

TEST(hedged_call, attempts_carry_the_mark_that_stops_inner_loops) {
  simulation sim;
  auto body = [](context ctx) -> task<int> {
    int calls = 0;
    auto fn = [&calls](const context& attempt) -> task<result<int>> {
      auto inner = [&calls]() -> task<result<int>> {
        ++calls;
        co_return fail(errc::busy, "busy");
      };
      co_return co_await retry_call(attempt, {.max_retries = 9}, inner);
    };
    (void)co_await hedged_call(ctx, after_20_ms, fn);
    co_return calls;
  };
  EXPECT_EQ(sim.run(body(sim.ctx())), 2);
}

TEST(hedged_call, what_an_attempt_throws_is_passed_on_after_the_others_have_ended) {
  simulation sim;
  script server{{{1h}, {1ms}}};
  auto body = [&](context ctx) -> task<result<int>> {
    auto fn = [&server](const retry_attempt& attempt) -> task<result<int>> {
      auto done = co_await server.call(attempt);
      if (attempt.number == 1) throw std::runtime_error{"unforeseen"};
      co_return done;
    };
    co_return co_await hedged_call(ctx, after_20_ms, fn);
  };
  EXPECT_THROW((void)sim.run(body(sim.ctx())), std::runtime_error);
  EXPECT_THAT(server.cancelled, ElementsAre(0));
  EXPECT_EQ(server.running, 0);
}

TEST(hedged_call, values_that_cannot_be_copied_are_moved_out) {
  simulation sim;
  auto body = [](context ctx) -> task<int> {
    auto fn = []() -> task<result<std::unique_ptr<int>>> { co_return std::make_unique<int>(7); };
    auto done = co_await hedged_call(ctx, after_20_ms, fn);
    co_return **done;
  };
  EXPECT_EQ(sim.run(body(sim.ctx())), 7);
}

// --- The delay that learns.

TEST(recent_latencies, a_percentile_needs_twenty_and_forgets_what_is_older_than_128) {
  recent_latencies seen;
  for (int i = 1; i <= 19; ++i) seen.record(i * 1ms);
  EXPECT_FALSE(seen.percentile(0.5));
  for (int i = 20; i <= 100; ++i) seen.record(i * 1ms);
  EXPECT_EQ(seen.percentile(0.95), 95ms);
  EXPECT_EQ(seen.percentile(0), 1ms);
  EXPECT_EQ(seen.percentile(1), 100ms);
  for (int i = 0; i < 128; ++i) seen.record(3ms);
  EXPECT_EQ(seen.percentile(1), 3ms);
}

TEST(hedged_call, the_delay_becomes_the_percentile_of_what_attempts_took) {
  simulation sim;
  recent_latencies seen;
  hedge_options options = after_20_ms;
  options.latencies = &seen;
  for (int i = 0; i < 20; ++i) {
    script quick{{{2ms}}};
    EXPECT_EQ(play(sim, quick, options).value(), 0);
  }
  const duration before = sim.passed();
  script slow{{{1h}, {1ms}}};
  EXPECT_EQ(play(sim, slow, options).value(), 1);
  EXPECT_EQ(sim.passed() - before, 3ms) << "2 ms, as learned, and the hedge's own";
}

TEST(hedged_call, attempts_that_lost_are_learned_from_too) {
  simulation sim;
  recent_latencies seen;
  hedge_options options = after_20_ms;
  options.latencies = &seen;
  for (int i = 0; i < 10; ++i) {
    script slow{{{1h}, {1ms}}};
    EXPECT_EQ(play(sim, slow, options).value(), 1);
  }
  EXPECT_EQ(seen.percentile(0.5), 1ms);
  EXPECT_EQ(seen.percentile(0.51), 21ms) << "each loser had been at it for 21 ms";
}

TEST(hedged_call, on_two_workers_losers_are_awaited_too) {
  runtime rt{{.workers = 2}};
  std::atomic<int> running{0};
  auto body = [&running](context ctx) -> task<int> {
    int won = 0;
    auto fn = [&running](const retry_attempt& attempt) -> task<result<int>> {
      running.fetch_add(1);
      const auto slept = co_await sleep_for(attempt.context, attempt.number == 0 ? 1h : 0ns);
      running.fetch_sub(1);
      if (!slept) co_return std::unexpected(slept.error());
      co_return attempt.number;
    };
    for (int i = 0; i < 200; ++i) {
      const auto done =
          co_await hedged_call(ctx, {.delay = 0ns, .idempotency = idempotency::yes}, fn);
      won += done.value_or(0);
      EXPECT_EQ(running.load(), 0);
    }
    co_return won;
  };
  auto root = core::start(rt, {}, {}, body, core::hedge_tail{});
  EXPECT_EQ(wait(root.join({})).value(), 200);
}

}  // namespace
}  // namespace weir
