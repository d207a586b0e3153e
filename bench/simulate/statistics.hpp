#pragma once

#include <cmath>
#include <cstdint>

namespace weir::simulate {

/// Mean and standard error of what is added one by one (Welford 1962).
class statistics {
 public:
  void add(double value) noexcept {
    ++count_;
    const double before = value - mean_;
    mean_ += before / static_cast<double>(count_);
    squares_ += before * (value - mean_);
  }

  [[nodiscard]] double mean() const noexcept { return mean_; }
  [[nodiscard]] double standard_error() const noexcept {
    if (count_ < 2) return 0;
    const auto n = static_cast<double>(count_);
    return std::sqrt(squares_ / (n - 1) / n);
  }

 private:
  std::uint64_t count_ = 0;
  double mean_ = 0;
  double squares_ = 0;
};

}  // namespace weir::simulate
