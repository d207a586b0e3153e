// What other libraries had to fix, one test for each, named after the report.

#include <algorithm>
#include <array>
#include <limits>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <retry/simulation.hpp>
#include <retry/waits.hpp>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/retry/batch.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/call.hpp>
#include <weir/retry/policy.hpp>
#include <weir/sync/event.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::course;
using test::every_jitter;
using test::first_waits;
using test::fixed;
using test::simulation;
using test::waits_of;
using testing::SizeIs;

// 2³² milliseconds: the shift that doubled the wait overflowed.
TEST(retry_regressions, envoy_10417_the_32nd_retry_waits_no_less_than_the_31st) {
  backoff waits{{.initial_backoff = 1ms, .max_backoff = 24h, .jitter = jitter::none}, 1};
  const auto seen = first_waits(waits, 70);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
  EXPECT_EQ(seen[31], 24h);
}

TEST(retry_regressions, aws_sdk_java_874_the_38th_retry_and_ten_thousand_more_are_capped) {
  for (const jitter kind : every_jitter) {
    backoff waits{{.initial_backoff = 100ms, .max_backoff = 20s, .jitter = kind}, 1};
    for (int i = 0; i < 10'000; ++i) {
      const duration wait = waits.next();
      ASSERT_GE(wait, 0ns) << "retry " << i;
      ASSERT_LE(wait, 20s) << "retry " << i;
    }
  }
}

TEST(retry_regressions, polly_1866_an_overflow_does_not_bypass_the_cap) {
  for (const jitter kind : every_jitter) {
    backoff waits{{.initial_backoff = duration::max(),
                   .max_backoff = duration::max(),
                   .multiplier = std::numeric_limits<double>::max(),
                   .jitter = kind,
                   .randomization = 1},
                  3};
    for (int i = 0; i < 2'000; ++i) ASSERT_GE(waits.next(), 0ns);
    backoff capped{{.initial_backoff = 1s, .max_backoff = 5s, .multiplier = 1e300, .jitter = kind},
                   3};
    for (int i = 0; i < 2'000; ++i) ASSERT_LE(capped.next(), 5s);
  }
  backoff far{{.initial_backoff = 1ns, .max_backoff = duration::max(), .jitter = jitter::none}, 1};
  for (int i = 0; i < 200; ++i) (void)far.next();
  EXPECT_EQ(far.next(), duration::max());
}

TEST(retry_regressions, failsafe_115_jitter_as_large_as_the_wait_never_makes_it_negative) {
  backoff waits{{.initial_backoff = 1ns, .max_backoff = 3ns, .randomization = 1}, 11};
  for (int i = 0; i < 1'000; ++i) ASSERT_GE(waits.next(), 0ns);
}

// The deadline was a point of the wall clock, and a step of that ended or prolonged the loop.
TEST(retry_regressions, google_cloud_cpp_no_wait_depends_on_what_time_it_is) {
  static_assert(time_point::clock::is_steady);
  simulation now;
  simulation in_thirty_years;
  in_thirty_years.time.advance(24h * 365 * 30);
  const retry_options options{.max_duration = 1min, .seed = 5};
  const course seen = now.fail_always(options);
  EXPECT_EQ(seen, in_thirty_years.fail_always(options));
  EXPECT_GT(seen.granted.size(), 20U);
}

TEST(retry_regressions, vault_14814_no_timer_outlives_the_loop) {
  simulation sim;
  event closed;
  auto body = [](context ctx, event& e) -> task<void> {
    auto until = e.wait({});
    retry attempts{ctx, {.initial_backoff = 1h, .max_backoff = 1h, .until = until}};
    EXPECT_TRUE(co_await attempts.next());
    const auto first = co_await select(attempts.next(), after(1ms));
    EXPECT_EQ(first.index(), 1U);
  };
  sim.run(body(sim.ctx(), closed));
  EXPECT_EQ(sim.time.next_timer(), time_point::max());
  closed.set();
  sim.root.cancel();
}

// A function returned nil, success, because its retry loop had not run at all.
TEST(retry_regressions, cockroach_25612_a_loop_that_was_stopped_does_not_read_as_success) {
  simulation sim;
  sim.root.cancel();
  auto body = [](context ctx) -> task<result<int>> {
    retry attempts{ctx};
    while (auto attempt = co_await attempts.next()) {
      if (attempt->context.check()) co_return 1;
    }
    co_return attempts.failure();
  };
  const auto ended = sim.run(body(sim.ctx()));
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), errc::cancelled);
  EXPECT_EQ(ended.error().text("reason"), "cancelled");
}

TEST(retry_regressions, cockroach_47063_zero_runs_do_not_read_as_success) {
  simulation sim;
  const retry never_asked{sim.ctx()};
  EXPECT_EQ(never_asked.failure().error().code(), errc::failed);
  EXPECT_EQ(never_asked.failure().error().number("attempts"), 0);
  EXPECT_FALSE(never_asked.reason());
  EXPECT_FALSE(retry_call(sim.ctx(), retry_options{}.with_max_attempts(0),
                          []() -> result<void> { return {}; }));
}

TEST(retry_regressions, cockroach_51310_a_call_that_is_cancelled_before_it_began_runs_once) {
  context_source root;
  root.cancel();
  int calls = 0;
  const auto done = retry_call(root.get(), {}, [&](const context& ctx) -> result<void> {
    ++calls;
    return ctx.check();
  });
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(done);
}

// "No more retries" was the delay −1, and somebody slept for it.
TEST(retry_regressions, istio_45092_none_is_a_word_and_not_a_number) {
  EXPECT_FALSE(retry_options{.max_retries = -1}.check());
  EXPECT_FALSE(retry_options{.initial_backoff = -1ns}.check());
  EXPECT_FALSE(retry_options{.attempt_timeout = 0ns}.check());
  EXPECT_FALSE(retry_options{.total_timeout = -1ns}.check());
  EXPECT_FALSE(retry_verdict::retry_after(-1ns).again());
  EXPECT_FALSE(retry_verdict::retry_after(-1ns).hint());
  simulation sim;
  retry_options once = fixed(10ms);
  once.max_retries = 0;
  EXPECT_THAT(sim.fail_always(once).granted, SizeIs(1)) << "zero retries are none, not no limit";
  EXPECT_EQ(sim.passed(), 0ms);
}

TEST(retry_regressions, cenkalti_159_a_hint_beyond_the_total_ends_the_loop_and_says_why) {
  for (const bool interrupts : {false, true}) {
    simulation sim;
    retry_options options{.max_backoff = 1h};
    (interrupts ? options.total_timeout : options.max_duration) = 1s;
    auto body = [](context ctx, retry_options limited) -> task<result<void>> {
      retry attempts{ctx, limited};
      while (auto attempt = co_await attempts.next()) {
        attempts.failed(error{errc::throttled, "slow down"}, retry_verdict::retry_after(1min));
      }
      EXPECT_EQ(attempts.reason(), retry_reason::duration);
      EXPECT_EQ(attempts.attempts(), 1);
      co_return attempts.failure();
    };
    const auto ended = sim.run(body(sim.ctx(), options));
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code(), errc::throttled);
    EXPECT_EQ(ended.error().text("reason"), "duration");
    EXPECT_EQ(ended.error().message(), "gave up: the next wait is longer than the time left");
    EXPECT_EQ(ended.error().number("wait"), 60'000'000'000) << "what was asked for, and too long";
    EXPECT_EQ(sim.passed(), 0ms);
  }
}

TEST(retry_regressions, dotnet_extensions_7001_no_rounding_comes_before_the_hint) {
  backoff waits{{.initial_backoff = 10ms, .max_backoff = 1s, .jitter = jitter::full}, 1};
  for (int i = 0; i < 100; ++i) ASSERT_GE(waits.next(999'999'999ns), 999'999'999ns);
  EXPECT_EQ(waits.next(1h), 1s);
}

TEST(retry_regressions, elastic_agent_9342_a_reset_forgets_what_jitter_remembered) {
  for (const jitter kind : every_jitter) {
    backoff waits{{.jitter = kind}, 42};
    const auto before = first_waits(waits, 12);
    waits.reset();
    EXPECT_EQ(first_waits(waits, 12), before);
  }
}

// Read, compare, write: two threads both took the last token.
TEST(retry_regressions, tower_resilience_370_two_threads_never_take_the_same_token) {
  for (int round = 0; round < 50; ++round) {
    retry_budget budget{{.capacity = 1'000, .initial = 1'000, .floor_per_second = 0}};
    std::array<int, 2> taken{};
    const auto take_all = [&](int& mine) {
      while (budget.try_withdraw()) ++mine;
    };
    std::thread other{[&] { take_all(taken[1]); }};
    take_all(taken[0]);
    other.join();
    ASSERT_EQ(taken[0] + taken[1], 1'000);
  }
}

TEST(retry_regressions, pulsar_25669_the_first_wait_is_jittered_too) {
  for (const jitter kind :
       {jitter::proportional, jitter::full, jitter::equal, jitter::decorrelated}) {
    backoff a{{.jitter = kind}, 1};
    backoff b{{.jitter = kind}, 2};
    EXPECT_NE(a.next(), b.next());
  }
}

TEST(retry_regressions, venice_1496_a_budget_grants_a_retry_at_one_call_an_hour) {
  simulation sim;
  retry_budget budget{{}, sim.time};
  retry_options options = fixed(10ms);
  options.max_retries = 1;
  options.budget = &budget;
  for (int hour = 0; hour < 24; ++hour) {
    EXPECT_THAT(sim.fail_always(options).granted, SizeIs(2)) << "in hour " << hour;
    sim.time.advance(1h);
  }
}

// ScyllaDB lost 25 s of each shutdown to a backoff that nobody interrupted.
TEST(retry_regressions, scylladb_a_shutdown_does_not_wait_out_a_backoff) {
  simulation sim;
  auto body = [](simulation& s) -> task<std::optional<retry_reason>> {
    retry attempts{s.ctx(), fixed(25s)};
    EXPECT_TRUE(co_await attempts.next());
    auto next = attempts.next();
    const auto first = co_await select(next, after(1ms));
    EXPECT_EQ(first.index(), 1U);
    s.root.drain();
    EXPECT_FALSE(co_await attempts.next());
    co_return attempts.reason();
  };
  EXPECT_EQ(sim.run(body(sim)), retry_reason::shutdown);
  EXPECT_EQ(sim.passed(), 1ms);
}

}  // namespace
}  // namespace weir
