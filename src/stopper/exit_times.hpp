#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <weir/core/sync/atomic.hpp>
#include <weir/runtime/snapshot.hpp>

namespace weir::core {

/// How long tasks took from their cancellation to their end. Touched once a stop has begun only.
///
/// relaxed, all of it: figures for people, each right on its own, that order nothing. The two
/// moments are written before the contexts are cancelled, so what ends because of that has them.
class exit_times {
 public:
  void cancelled_early(time_point when) noexcept { early_.store(ticks(when), relaxed); }
  void cancelled_all(time_point when) noexcept { all_.store(ticks(when), relaxed); }

  /// A task ends now.
  void ended(bool early, time_point now) noexcept {
    const duration::rep since = (early ? early_ : all_).load(relaxed);
    if (since == never) return;  // by itself
    const duration took = std::max(now.time_since_epoch() - duration{since}, duration::zero());
    total_.fetch_add(took.count(), relaxed);
    duration::rep longest = longest_.load(relaxed);
    while (longest < took.count() &&
           !longest_.compare_exchange_weak(longest, took.count(), relaxed)) {
    }
    std::size_t at = 0;
    while (at < time_histogram::limits.size() && took >= time_histogram::limits[at]) ++at;
    below_[at].fetch_add(1, relaxed);
  }

  [[nodiscard]] time_histogram read() const noexcept {
    time_histogram seen;
    seen.total = duration{total_.load(relaxed)};
    seen.longest = duration{longest_.load(relaxed)};
    for (std::size_t i = 0; i < below_.size(); ++i) {
      seen.below[i] = below_[i].load(relaxed);
      seen.count += seen.below[i];
    }
    return seen;
  }

 private:
  static constexpr auto relaxed = std::memory_order_relaxed;
  static constexpr duration::rep never = std::numeric_limits<duration::rep>::min();
  static duration::rep ticks(time_point when) noexcept { return when.time_since_epoch().count(); }

  atomic<duration::rep> early_{never};
  atomic<duration::rep> all_{never};
  atomic<duration::rep> total_{0};
  atomic<duration::rep> longest_{0};
  std::array<atomic<std::uint64_t>, time_histogram::limits.size() + 1> below_{};
};

}  // namespace weir::core
