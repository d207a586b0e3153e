// What holds for all inputs, not for chosen ones: RapidCheck draws them, from a fixed seed, and
// shrinks what fails. RC_PARAMS="seed=… max_success=…" in the environment overrides.

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <vector>

#include <gtest/gtest.h>
#include <rapidcheck.h>
#include <rapidcheck/gtest.h>
#include <retry/simulation.hpp>
#include <retry/waits.hpp>

#include <weir/retry/breaker.hpp>
#include <weir/retry/budget.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::course;
using test::first_waits;
using test::simulation;

// A test that draws other inputs in each run is no test. Read by RapidCheck at its first property.
[[maybe_unused]] const int seeded = setenv("RC_PARAMS", "seed=4 max_success=500", 0);

constexpr duration::rep longest = std::numeric_limits<duration::rep>::max();

/// From `least` to `most`, each order of magnitude as likely as another.
rc::Gen<duration::rep> magnitudes(duration::rep least, duration::rep most) {
  return rc::gen::map(rc::gen::pair(rc::gen::inRange(0, 63), rc::gen::arbitrary<std::uint64_t>()),
                      [=](const std::pair<int, std::uint64_t>& drawn) {
                        const std::uint64_t value =
                            drawn.second >> static_cast<unsigned>(drawn.first);
                        const std::uint64_t range =
                            static_cast<std::uint64_t>(most) - static_cast<std::uint64_t>(least);
                        return range == ~std::uint64_t{0}
                                   ? static_cast<duration::rep>(value)
                                   : static_cast<duration::rep>(static_cast<std::uint64_t>(least) +
                                                                value % (range + 1));
                      });
}

/// From 0 to 1, both ends included and likely.
rc::Gen<double> shares() {
  return rc::gen::oneOf(rc::gen::element(0.0, 1.0, 0.15),
                        rc::gen::map(rc::gen::inRange(0, 1'000'001),
                                     [](int millionths) { return millionths / 1e6; }));
}

rc::Gen<double> multipliers() {
  return rc::gen::oneOf(
      rc::gen::element(1.0, 2.0, 10.0, 1e300, std::numeric_limits<double>::max()),
      rc::gen::map(shares(), [](double share) { return 1 + share; }),
      rc::gen::map(rc::gen::inRange(0, 300), [](int power) { return std::pow(10.0, power); }));
}

/// Every double there is: NaN, infinities and denormals too.
rc::Gen<double> all_doubles() {
  return rc::gen::map(rc::gen::arbitrary<std::uint64_t>(),
                      [](std::uint64_t bits) { return std::bit_cast<double>(bits); });
}

jitter any_jitter() {
  return static_cast<jitter>(*rc::gen::inRange(0, 5));
}

/// Options of every size that check() accepts.
retry_options valid_options() {
  retry_options options;
  options.initial_backoff = duration{*magnitudes(0, longest)};
  options.max_backoff = duration{*magnitudes(options.initial_backoff.count(), longest)};
  options.multiplier = *multipliers();
  options.jitter = any_jitter();
  options.randomization = *shares();
  return options;
}

RC_GTEST_PROP(backoff_property, every_wait_is_within_zero_and_the_maximum, ()) {
  const retry_options options = valid_options();
  RC_ASSERT(options.check().has_value());
  backoff waits{options, *rc::gen::arbitrary<std::uint64_t>()};
  for (int i = 0; i < 200; ++i) {
    const duration wait = waits.next();
    RC_ASSERT(wait >= 0ns);
    RC_ASSERT(wait <= options.max_backoff);
  }
}

RC_GTEST_PROP(backoff_property, without_jitter_a_wait_is_the_product_rounded_up_and_capped, ()) {
  retry_options options = valid_options();
  options.jitter = jitter::none;
  backoff waits{options, 1};
  const auto most = static_cast<long double>(options.max_backoff.count());
  auto exact = static_cast<long double>(options.initial_backoff.count());
  for (int n = 0; n < 70; ++n) {
    const auto wait = static_cast<long double>(waits.next().count());
    // The doubles of n products lose at most n half units of the last place; then one nanosecond.
    RC_ASSERT(std::abs(wait - exact) <= 1 + exact * (n + 2) * 0x1p-52L);
    RC_ASSERT(wait <= most);
    exact = std::min(exact * static_cast<long double>(options.multiplier), most);
  }
}

RC_GTEST_PROP(backoff_property, without_jitter_waits_never_shrink, ()) {
  retry_options options = valid_options();
  options.jitter = jitter::none;
  backoff waits{options, 1};
  const auto seen = first_waits(waits, 100);
  RC_ASSERT(std::is_sorted(seen.begin(), seen.end()));
}

RC_GTEST_PROP(backoff_property, jitter_stays_within_its_share_of_the_wait_without, ()) {
  retry_options options = valid_options();
  options.jitter = *rc::gen::element(jitter::proportional, jitter::full, jitter::equal);
  retry_options plain = options;
  plain.jitter = jitter::none;
  backoff with{options, *rc::gen::arbitrary<std::uint64_t>()};
  backoff without{plain, 1};
  for (int n = 0; n < 60; ++n) {
    const auto b = static_cast<long double>(without.next().count());
    const auto wait = static_cast<long double>(with.next().count());
    long double low = 0;
    long double high = b;
    if (options.jitter == jitter::equal) low = b / 2;
    if (options.jitter == jitter::proportional) {
      low = b - options.randomization * b;
      high = std::min(b + options.randomization * b,
                      static_cast<long double>(options.max_backoff.count()));
    }
    const long double slack = 2 + b * 0x1p-50L;
    RC_ASSERT(wait >= low - slack);
    RC_ASSERT(wait <= high + slack);
  }
}

RC_GTEST_PROP(backoff_property, decorrelated_waits_lie_between_the_first_and_thrice_the_last, ()) {
  retry_options options = valid_options();
  options.jitter = jitter::decorrelated;
  backoff waits{options, *rc::gen::arbitrary<std::uint64_t>()};
  auto before = static_cast<long double>(options.initial_backoff.count());
  const long double least = before;
  for (int n = 0; n < 60; ++n) {
    const auto wait = static_cast<long double>(waits.next().count());
    const long double slack = 4 + wait * 0x1p-50L;
    RC_ASSERT(wait >=
              std::min(least, static_cast<long double>(options.max_backoff.count())) - slack);
    RC_ASSERT(wait <= 3 * before + slack);
    before = wait;
  }
}

RC_GTEST_PROP(backoff_property, no_wait_is_earlier_than_a_hint_or_later_than_the_maximum, ()) {
  const retry_options options = valid_options();
  backoff waits{options, *rc::gen::arbitrary<std::uint64_t>()};
  for (int i = 0; i < 40; ++i) {
    const duration hint{*magnitudes(0, longest)};
    const duration wait = waits.next(hint);
    RC_ASSERT(wait >= std::min(hint, options.max_backoff));
    RC_ASSERT(wait <= options.max_backoff);
  }
}

RC_GTEST_PROP(backoff_property, a_seed_and_a_reset_repeat_the_waits, ()) {
  const retry_options options = valid_options();
  const auto seed = *rc::gen::arbitrary<std::uint64_t>();
  backoff a{options, seed};
  backoff b{options, seed};
  const auto waits = first_waits(a, 50);
  RC_ASSERT(first_waits(b, 50) == waits);
  a.reset();
  RC_ASSERT(first_waits(a, 50) == waits);
}

RC_GTEST_PROP(options_property, a_loop_runs_if_and_only_if_the_options_are_accepted, ()) {
  retry_options options = valid_options();
  switch (*rc::gen::inRange(0, 10)) {
    case 0:
      options.initial_backoff = duration{*rc::gen::arbitrary<duration::rep>()};
      break;
    case 1:
      options.max_backoff = duration{*rc::gen::arbitrary<duration::rep>()};
      break;
    case 2:
      options.multiplier = *all_doubles();
      break;
    case 3:
      options.randomization = *all_doubles();
      break;
    case 4:
      options.jitter = static_cast<jitter>(*rc::gen::arbitrary<std::uint8_t>());
      break;
    case 5:
      options.max_retries = *rc::gen::arbitrary<int>();
      break;
    case 6:
      options.max_duration = duration{*rc::gen::arbitrary<duration::rep>()};
      break;
    case 7:
      options.attempt_timeout = duration{*rc::gen::arbitrary<duration::rep>()};
      break;
    case 8:
      options.total_timeout = duration{*rc::gen::arbitrary<duration::rep>()};
      break;
    default:
      options.nested = static_cast<nested_retry>(*rc::gen::inRange(0, 3));
      break;
  }
  const auto accepted = options.check();
  RC_CLASSIFY(accepted.has_value());
  retry attempts{{}, options};
  auto first = wait(attempts.next());
  RC_ASSERT(first.has_value() == accepted.has_value());
  if (accepted) {
    backoff waits{options, 1};
    for (const duration wait : first_waits(waits, 40)) {
      RC_ASSERT(wait >= 0ns);
      RC_ASSERT(wait <= options.max_backoff);
    }
  } else {
    RC_ASSERT(first.error().text("field").has_value());
    RC_ASSERT(attempts.reason() == retry_reason::invalid);
  }
}

RC_GTEST_PROP(loop_property, no_limit_is_exceeded_and_the_reason_is_the_one_reached, ()) {
  simulation sim;
  retry_options options;
  options.initial_backoff = duration{*rc::gen::inRange<duration::rep>(0, 1'000'000'000)};
  options.max_backoff =
      options.initial_backoff + duration{*rc::gen::inRange<duration::rep>(0, 1'000'000'000)};
  options.multiplier = *multipliers();
  options.jitter = any_jitter();
  options.randomization = *shares();
  options.max_retries = *rc::gen::inRange(0, 50);
  options.max_duration = duration{*magnitudes(0, duration::rep{100'000'000'000})};
  options.seed = *rc::gen::arbitrary<std::uint64_t>();
  options.doomed_wait = *rc::gen::element(doomed_wait::skip, doomed_wait::wait_out_deadline);
  const duration length{*rc::gen::inRange<duration::rep>(0, 100'000'000)};

  const course seen = sim.fail_always(options, length);
  RC_ASSERT(!seen.granted.empty());
  RC_ASSERT(seen.granted.front() == 0ns);
  RC_ASSERT(std::is_sorted(seen.granted.begin(), seen.granted.end()));
  RC_ASSERT(seen.granted.size() <= static_cast<std::size_t>(*options.max_retries) + 1);
  for (std::size_t i = 1; i < seen.granted.size(); ++i) {
    RC_ASSERT(seen.granted[i] < *options.max_duration);
    RC_ASSERT(seen.granted[i] - seen.granted[i - 1] >= length);
    RC_ASSERT(seen.granted[i] - seen.granted[i - 1] <= length + options.max_backoff);
  }
  const bool all_used = seen.granted.size() == static_cast<std::size_t>(*options.max_retries) + 1;
  RC_ASSERT(seen.reason == (all_used ? retry_reason::attempts : retry_reason::duration));
  RC_CLASSIFY(all_used);
}

// --- The budget beside one that counts without races or tricks.

/// The same in plain arithmetic, for options whose numbers are whole millionths.
struct plain_budget {
  explicit plain_budget(const budget_options& o, time_point now)
      : options(o), micro(std::llround(o.initial * 1e6)), floor_at(now) {
    floor = options.floor_per_second > 0 ? std::max(1.0, std::floor(options.floor_per_second)) : 0;
  }
  void earn(double tokens) {
    const auto most = std::llround(options.capacity * 1e6);
    if (micro < most) micro += std::llround(tokens * 1e6);
  }
  bool withdraw(time_point now) {
    micro = std::min<long long>(micro, std::llround(options.capacity * 1e6));
    if (micro >= 1'000'000) {
      micro -= 1'000'000;
      return true;
    }
    if (options.floor_per_second == 0) return false;
    const double passed = std::chrono::duration<double>(now - floor_at).count();
    floor_at = now;
    floor = std::min(std::max(1.0, options.floor_per_second),
                     floor + passed * options.floor_per_second);
    if (floor < 1 - 1e-6) return false;
    floor -= 1;
    return true;
  }

  budget_options options;
  long long micro;
  double floor;
  time_point floor_at;
};

RC_GTEST_PROP(budget_property, it_grants_what_plain_arithmetic_grants, ()) {
  manual_clock time;
  budget_options options;
  options.per_try = *rc::gen::inRange(0, 3'000'000) / 1e6;
  options.per_success = *rc::gen::inRange(0, 3'000'000) / 1e6;
  options.capacity = 1 + *rc::gen::inRange(0, 20'000'000) / 1e6;
  options.initial = options.capacity * *shares();
  options.initial = std::min(options.capacity, std::floor(options.initial * 1e6) / 1e6);
  // Powers of two, so that neither side rounds an interval.
  options.floor_per_second = *rc::gen::element(0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0);
  retry_budget budget{options, time};
  plain_budget plain{options, time.now()};
  for (int i = 0; i < 200; ++i) {
    switch (*rc::gen::inRange(0, 5)) {
      case 0:
        budget.tried();
        plain.earn(options.per_try);
        break;
      case 1:
        budget.succeeded();
        plain.earn(options.per_success);
        break;
      case 2:
        budget.refund();
        plain.earn(1);
        break;
      case 3:
        time.advance(125ms * *rc::gen::inRange(0, 40));
        break;
      default:
        RC_ASSERT(budget.try_withdraw() == plain.withdraw(time.now()));
    }
  }
}

// --- The breaker on walks of every kind.

bool is_an_arrow(breaker_state from, breaker_state to) {
  using enum breaker_state;
  switch (from) {
    case closed:
      return to == open;
    case open:
      return to == half_open;
    case half_open:
      return to == open || to == recovering || to == closed;
    case recovering:
      return to == open || to == closed;
  }
  return false;
}

RC_GTEST_PROP(breaker_property, it_takes_only_the_arrows_that_are_drawn_and_probes_one_by_one, ()) {
  manual_clock time;
  breaker_options options;
  options.window = *rc::gen::inRange(1, 65);
  options.failures = *rc::gen::inRange(1, options.window + 1);
  options.probes = *rc::gen::inRange(1, 4);
  options.slow_start = *rc::gen::element(duration{0s}, duration{1s}, duration{10s});
  options.seed = 1;
  circuit_breaker breaker{options, time};
  std::vector<breaker_permit> out;
  breaker_state before = breaker.state();
  const int most_failures = *rc::gen::inRange(1, 10);
  for (int i = 0; i < 300; ++i) {
    if (*rc::gen::inRange(0, 4) == 0) time.advance(1ms * *magnitudes(0, 10'000));
    auto permit = breaker.try_enter();
    const breaker_state entered = breaker.state();
    RC_ASSERT(entered == before || is_an_arrow(before, entered));
    if (permit) {
      RC_ASSERT(entered != breaker_state::open);
      if (entered == breaker_state::half_open) {
        out.clear();  // calls of the time before: they say nothing any more
        RC_ASSERT(breaker.state() == breaker_state::half_open);
        RC_ASSERT(!breaker.try_enter().has_value());
      }
      out.push_back(std::move(*permit));
    }
    if (out.empty()) {
      before = breaker.state();
      continue;
    }
    before = breaker.state();
    const int kind = *rc::gen::inRange(0, 10);
    if (kind < most_failures) {
      out.back().failed();
    } else if (kind < 9) {
      out.back().succeeded();
    }
    out.pop_back();
    const breaker_state settled = breaker.state();
    RC_ASSERT(settled == before || is_an_arrow(before, settled));
    before = settled;
  }
}

}  // namespace
}  // namespace weir
