#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <weir/core/clock.hpp>

namespace weir {

/// Counts of one moment, taken together, and totals since the pool was made.
struct pool_stats {
  std::size_t max_open = 0;
  std::size_t open = 0;     ///< idle, in use, being reset, checked or closed
  std::size_t opening = 0;  ///< being opened now, not yet counted as open
  std::size_t closing = 0;  ///< of the open ones, being closed now
  std::size_t in_use = 0;   ///< lent, or being reset or checked before the next loan
  std::size_t idle = 0;
  std::size_t waiting = 0;
  std::size_t busy_limit =
      0;              ///< most that may be in use now: max_open, unless it adapts or pauses
  bool down = false;  ///< the last open failed, and none has succeeded since
  bool paused = false;

  std::uint64_t opened = 0;
  std::uint64_t open_failures = 0;
  std::uint64_t waits = 0;      ///< acquires that had to queue
  std::uint64_t refused = 0;    ///< acquires refused because the queue was full
  std::uint64_t hopeless = 0;   ///< acquires refused because the wait would exceed their deadline
  std::uint64_t abandoned = 0;  ///< waits that a deadline or a cancellation ended
  std::uint64_t timeouts = 0;   ///< of those, by a deadline
  std::uint64_t leaks = 0;      ///< leases that were held for longer than leak_after
  std::uint64_t deadlocks = 0;  ///< waits ended because only waiting tasks held everything

  // Closed, by cause. Opened − closed = open, once what is being closed is gone.
  std::uint64_t closed_idle_time = 0;
  std::uint64_t closed_lifetime = 0;
  std::uint64_t closed_surplus = 0;  ///< more idle than max_idle, or more open than max_open
  std::uint64_t closed_bad = 0;      ///< discarded, unusable, or not to be reset
  std::uint64_t closed_flushed = 0;
  std::uint64_t closed_shutdown = 0;
};

/// How often something took how long, by powers of two from a microsecond to half an hour.
struct pool_histogram {
  static constexpr std::size_t buckets = 32;

  std::uint64_t count = 0;
  duration total{};
  duration longest{};
  std::array<std::uint64_t, buckets> below{};  ///< below 2ⁱ µs and not below half of it

  void add(duration took) noexcept {
    ++count;
    total += took;
    if (took > longest) longest = took;
    const auto us = static_cast<std::uint64_t>(took.count() < 0 ? 0 : took.count()) / 1000;
    const auto at = static_cast<std::size_t>(std::bit_width(us));
    ++below[at < buckets ? at : buckets - 1];
  }

  [[nodiscard]] duration mean() const noexcept {
    return count == 0 ? duration{} : total / static_cast<duration::rep>(count);
  }
  /// An upper bound of what at least the share `p` did not exceed. Requires: p from 0 to 1.
  [[nodiscard]] duration percentile(double p) const noexcept {
    const double wanted = p * static_cast<double>(count);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i < buckets; ++i) {
      seen += below[i];
      if (seen != 0 && static_cast<double>(seen) >= wanted) {
        const duration bound = std::chrono::microseconds{std::int64_t{1} << i};
        return bound < longest ? bound : longest;
      }
    }
    return longest;
  }
};

/// What a pool's time goes to.
struct pool_times {
  pool_histogram wait;  ///< of acquires that had to queue and were served
  pool_histogram hold;  ///< of leases that were waited for, and of one in 64 of the others
  pool_histogram open;  ///< of opens that succeeded
};

}  // namespace weir
