#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <retry/waits.hpp>

#include <weir/retry/backoff.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::every_jitter;
using test::first_waits;
using testing::Each;
using testing::ElementsAre;

static_assert(std::is_trivially_destructible_v<retry_options>);

TEST(backoff, the_defaults_are_50_ms_to_2_s_doubling_with_15_percent_of_jitter) {
  const retry_options defaults;
  EXPECT_EQ(defaults.initial_backoff, 50ms);
  EXPECT_EQ(defaults.max_backoff, 2s);
  EXPECT_EQ(defaults.multiplier, 2);
  EXPECT_EQ(defaults.randomization, 0.15);
  EXPECT_EQ(defaults.jitter, jitter::proportional);
  EXPECT_FALSE(defaults.max_retries);
  EXPECT_FALSE(defaults.max_duration);
  EXPECT_TRUE(defaults.check());
}

TEST(backoff, without_jitter_the_waits_double_up_to_the_maximum) {
  backoff waits{{.initial_backoff = 10us, .max_backoff = 100us, .jitter = jitter::none}, 1};
  EXPECT_THAT(first_waits(waits, 7), ElementsAre(10us, 20us, 40us, 80us, 100us, 100us, 100us));
}

TEST(backoff, ten_thousand_waits_stay_within_zero_and_the_maximum_whatever_the_jitter) {
  for (const jitter kind : every_jitter) {
    backoff waits{{.jitter = kind, .randomization = 1}, 7};
    for (int i = 0; i < 10'000; ++i) {
      const duration wait = waits.next();
      ASSERT_GE(wait, 0ns) << static_cast<int>(kind) << " at " << i;
      ASSERT_LE(wait, 2s) << static_cast<int>(kind) << " at " << i;
    }
  }
}

TEST(backoff, the_maximum_holds_after_jitter_and_not_before) {
  backoff waits{{.initial_backoff = 100ms, .max_backoff = 100ms}, 5};
  bool below = false;
  for (int i = 0; i < 1'000; ++i) {
    const duration wait = waits.next();
    ASSERT_LE(wait, 100ms);
    below = below || wait < 100ms;
  }
  EXPECT_TRUE(below);
}

TEST(backoff, each_jitter_keeps_to_its_own_range) {
  struct range {
    jitter kind;
    duration low;
    duration high;
  };
  for (const range& r : {range{jitter::none, 1s, 1s}, range{jitter::proportional, 850ms, 1150ms},
                         range{jitter::full, 0s, 1s}, range{jitter::equal, 500ms, 1s}}) {
    duration least = duration::max();
    duration most{};
    for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
      backoff one{{.initial_backoff = 1s, .max_backoff = 10s, .jitter = r.kind}, seed};
      const duration wait = one.next();
      least = std::min(least, wait);
      most = std::max(most, wait);
    }
    EXPECT_GE(least, r.low);
    EXPECT_LE(most, r.high);
    EXPECT_LE(least - r.low, (r.high - r.low) / 100);
    EXPECT_LE(r.high - most, (r.high - r.low) / 100);
  }
}

TEST(backoff, decorrelated_waits_lie_between_the_first_and_three_times_the_one_before) {
  backoff waits{{.initial_backoff = 10ms, .max_backoff = 10s, .jitter = jitter::decorrelated}, 9};
  duration before = 10ms;
  for (int i = 0; i < 200; ++i) {
    const duration wait = waits.next();
    ASSERT_GE(wait, 10ms);
    ASSERT_LE(wait, 3 * before + 1ns);
    before = wait;
  }
}

TEST(backoff, the_same_seed_gives_the_same_waits_and_another_seed_others) {
  for (const jitter kind :
       {jitter::proportional, jitter::full, jitter::equal, jitter::decorrelated}) {
    backoff a{{.jitter = kind}, 42};
    backoff b{{.jitter = kind}, 42};
    backoff c{{.jitter = kind}, 43};
    const auto waits = first_waits(a, 20);
    EXPECT_EQ(waits, first_waits(b, 20));
    EXPECT_NE(waits, first_waits(c, 20));
  }
}

TEST(backoff, a_wait_is_rounded_up_to_the_next_nanosecond) {
  backoff waits{
      {.initial_backoff = 1ns, .max_backoff = 1s, .multiplier = 1.5, .jitter = jitter::none}, 1};
  EXPECT_THAT(first_waits(waits, 4), ElementsAre(1ns, 2ns, 3ns, 4ns));  // 1, 1.5, 2.25, 3.375
}

TEST(retry_options, each_field_that_is_out_of_its_range_is_named) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double infinite = std::numeric_limits<double>::infinity();
  const auto field = [](const retry_options& options) {
    const auto checked = options.check();
    if (checked) return std::string{"none"};
    EXPECT_EQ(checked.error().code(), errc::invalid_argument);
    return std::string{checked.error().text("field").value_or("unnamed")};
  };
  EXPECT_EQ(field({.initial_backoff = -1ns}), "initial_backoff");
  EXPECT_EQ(field({.max_backoff = 49ms}), "max_backoff");
  EXPECT_EQ(field({.multiplier = 0.5}), "multiplier");
  EXPECT_EQ(field({.multiplier = nan}), "multiplier");
  EXPECT_EQ(field({.multiplier = infinite}), "multiplier");
  EXPECT_EQ(field({.randomization = 1.01}), "randomization");
  EXPECT_EQ(field({.randomization = nan}), "randomization");
  EXPECT_EQ(field({.max_retries = -1}), "max_retries");
  EXPECT_EQ(field({.max_duration = -1ns}), "max_duration");
  EXPECT_EQ(field({.attempt_timeout = 0ns}), "attempt_timeout");
  EXPECT_EQ(field({.reset_after = 0ns}), "reset_after");
  EXPECT_EQ(field({.max_retries = 0, .max_duration = 0ns}), "none");
}

TEST(retry_options, max_attempts_counts_the_first_try_and_refuses_none) {
  EXPECT_EQ(retry_options{}.with_max_attempts(1).max_retries, 0);
  EXPECT_EQ(retry_options{}.with_max_attempts(3).max_retries, 2);
  EXPECT_FALSE(retry_options{}.with_max_attempts(0).check());
  EXPECT_FALSE(retry_options{}.with_max_attempts(std::numeric_limits<int>::min()).check());
}

}  // namespace
}  // namespace weir
