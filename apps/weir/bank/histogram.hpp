#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <weir/core/clock.hpp>

namespace weir::bank {

/// Where a latency is counted: 32 buckets for each doubling, so that a bucket is at most 3 % wide,
/// from a quarter of a microsecond to 18 minutes; longer ones count as that.
struct latency_buckets {
  static constexpr int unit_bits = 8;  // 256 ns
  static constexpr int fine_bits = 5;
  static constexpr int most_bits = 32;
  static constexpr std::size_t count = (most_bits - fine_bits + 1) << fine_bits;

  static constexpr std::size_t index_of(duration latency) noexcept {
    const std::int64_t ns = latency.count();
    std::uint64_t units = ns > 0 ? static_cast<std::uint64_t>(ns) >> unit_bits : 0;
    constexpr std::uint64_t most = (std::uint64_t{1} << most_bits) - 1;
    if (units > most) units = most;
    if (units < (std::uint64_t{1} << fine_bits)) return units;
    const int exponent = static_cast<int>(std::bit_width(units)) - 1 - fine_bits;
    return (static_cast<std::size_t>(exponent) << fine_bits) + (units >> exponent);
  }

  /// The upper end of a bucket.
  static constexpr duration upper(std::size_t index) noexcept {
    constexpr std::size_t fine = std::size_t{1} << fine_bits;
    const std::size_t exponent = index < 2 * fine ? 0 : (index >> fine_bits) - 1;
    const std::uint64_t units = index - (exponent << fine_bits) + 1;
    return duration{static_cast<std::int64_t>((units << exponent) << unit_bits)};
  }
};

/// Counts of latencies, merged from recorders.
class histogram {
 public:
  void add(std::size_t bucket, std::uint64_t count) noexcept {
    counts_[bucket] += count;
    total_ += count;
  }

  [[nodiscard]] std::uint64_t total() const noexcept { return total_; }

  /// The latency that `fraction` of the counted ones do not exceed; zero if none was counted.
  [[nodiscard]] duration quantile(double fraction) const noexcept {
    const auto rank = static_cast<std::uint64_t>(fraction * static_cast<double>(total_));
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      seen += counts_[i];
      if (seen > rank || (seen == total_ && seen != 0)) return latency_buckets::upper(i);
    }
    return duration::zero();
  }

  /// What was counted since `earlier`.
  [[nodiscard]] histogram since(const histogram& earlier) const noexcept {
    histogram difference;
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      difference.add(i, counts_[i] - earlier.counts_[i]);
    }
    return difference;
  }

 private:
  std::array<std::uint64_t, latency_buckets::count> counts_{};
  std::uint64_t total_ = 0;
};

/// A number that one task writes and others read.
class tally {
 public:
  // One writer, so nothing is lost between load and store; a reader may be a moment behind, and
  // draws no conclusion about other data from it: relaxed.
  void add(std::uint64_t n) noexcept { store(get() + n); }
  void raise_to(std::uint64_t n) noexcept {
    if (n > get()) store(n);
  }
  [[nodiscard]] std::uint64_t get() const noexcept {
    return value_.load(std::memory_order_relaxed);
  }

 private:
  void store(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }

  std::atomic<std::uint64_t> value_{0};
};

/// One client's latencies. Recording allocates nothing and shares nothing.
class latency_recorder {
 public:
  void record(duration latency) noexcept {
    auto& bucket = counts_[latency_buckets::index_of(latency)];
    // One writer, as in tally.
    bucket.store(bucket.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    longest_.raise_to(static_cast<std::uint64_t>(latency.count()));
  }

  void add_to(histogram& sum) const noexcept {
    for (std::size_t i = 0; i < counts_.size(); ++i) {
      const auto count = counts_[i].load(std::memory_order_relaxed);
      if (count != 0) sum.add(i, count);
    }
  }
  [[nodiscard]] duration longest() const noexcept {
    return duration{static_cast<std::int64_t>(longest_.get())};
  }

 private:
  std::array<std::atomic<std::uint32_t>, latency_buckets::count> counts_{};
  tally longest_;
};

}  // namespace weir::bank
