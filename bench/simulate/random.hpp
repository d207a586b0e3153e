#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace weir::simulate {

/// Chance that is the same with every compiler and library: splitmix64 (Steele, Lea, Flood 2014)
/// and the transform of Box and Muller.
class random {
 public:
  explicit random(std::uint64_t seed) noexcept : state_(seed) {}

  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }

  /// From 0, included, to 1, excluded.
  double unit() noexcept { return static_cast<double>(next() >> 11U) * 0x1p-53; }

  double normal(double mean, double deviation) noexcept {
    if (has_spare_) {
      has_spare_ = false;
      return mean + deviation * spare_;
    }
    const double radius = std::sqrt(-2 * std::log(1 - unit()));
    const double angle = 2 * std::numbers::pi * unit();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return mean + deviation * radius * std::cos(angle);
  }

 private:
  std::uint64_t state_;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace weir::simulate
