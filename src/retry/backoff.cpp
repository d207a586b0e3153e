#include <algorithm>
#include <cmath>

#include <weir/retry/backoff.hpp>

namespace weir {
namespace {

/// splitmix64 (Steele, Lea, Flood 2014): any seed is a good seed, and the state is one word.
std::uint64_t next_random(std::uint64_t& state) noexcept {
  std::uint64_t z = (state += 0x9e3779b97f4a7c15U);
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31U);
}

}  // namespace

backoff::backoff(const retry_options& options, std::uint64_t seed) noexcept
    : initial_ns_(static_cast<double>(options.initial_backoff.count())),
      max_ns_(static_cast<double>(options.max_backoff.count())),
      multiplier_(options.multiplier),
      randomization_(options.randomization),
      base_ns_(initial_ns_),
      seed_(seed),
      random_(seed),
      max_(options.max_backoff),
      jitter_(options.jitter) {}

double backoff::uniform(double low, double high) noexcept {
  const double unit = static_cast<double>(next_random(random_) >> 11U) * 0x1p-53;
  return low + unit * (high - low);
}

duration backoff::next(std::optional<duration> hint) noexcept {
  const double b = base_ns_;
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
      wait = std::min(uniform(initial_ns_, 3 * b), max_ns_);
      break;
  }
  // Doubles do not overflow, and the bound holds for them before they become integers again.
  base_ns_ = jitter_ == jitter::decorrelated ? wait : std::min(b * multiplier_, max_ns_);
  duration rounded = max_;
  if (wait < max_ns_) {
    rounded =
        std::clamp(duration{static_cast<duration::rep>(std::ceil(wait))}, duration::zero(), max_);
  }
  return hint ? std::max(rounded, std::min(*hint, max_)) : rounded;
}

void backoff::reset() noexcept {
  base_ns_ = initial_ns_;
  random_ = seed_;
}

}  // namespace weir
