#include <algorithm>
#include <cmath>

#include <weir/retry/backoff.hpp>

namespace weir {
namespace {

/// The nth number of splitmix64 (Steele, Lea, Flood 2014): any seed is a good seed, and the state
/// is a counter.
std::uint64_t random_number(std::uint64_t seed, std::uint64_t n) noexcept {
  std::uint64_t z = seed + n * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

}  // namespace

backoff::backoff(const retry_options& options, std::uint64_t seed) noexcept
    : initial_ns_(static_cast<double>(options.initial_backoff.count())),
      multiplier_(options.multiplier),
      randomization_(options.randomization),
      base_ns_(initial_ns_),
      max_(options.max_backoff),
      seed_(seed),
      jitter_(options.jitter) {}

double backoff::uniform(double low, double high) noexcept {
  const double unit = static_cast<double>(random_number(seed_, ++draws_) >> 11U) * 0x1p-53;
  return low + unit * (high - low);
}

duration backoff::next(std::optional<duration> hint) noexcept {
  const double b = base_ns_;
  const auto max_ns = static_cast<double>(max_.count());
  double wait = b;
  switch (jitter_) {
    case jitter::none:
      break;
    case jitter::proportional:
      wait = uniform(b - randomization_ * b, b + randomization_ * b);
      break;
    case jitter::full:
      wait = uniform(0, b);
      break;
    case jitter::equal:
      wait = uniform(b / 2, b);
      break;
    case jitter::decorrelated:
      wait = std::min(uniform(initial_ns_, 3 * b), max_ns);
      break;
  }
  // Doubles do not overflow, and the bound holds for them before they become integers again.
  base_ns_ = jitter_ == jitter::decorrelated ? wait : std::min(b * multiplier_, max_ns);
  duration rounded = max_;
  if (wait < max_ns) {
    rounded =
        std::clamp(duration{static_cast<duration::rep>(std::ceil(wait))}, duration::zero(), max_);
  }
  return hint ? std::max(rounded, std::min(*hint, max_)) : rounded;
}

void backoff::reset() noexcept {
  base_ns_ = initial_ns_;
  draws_ = 0;
}

}  // namespace weir
