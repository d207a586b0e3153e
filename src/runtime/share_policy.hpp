#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/clock.hpp>

namespace weir::core {

/// Problem: waking a second worker for a thousand tasks of 15 ns makes all of them slower (another
/// core's cache lines cost more than the tasks), and not waking it for ten of 1 ms wastes a core.
///
/// A worker measures how long its runs take, and from that says how many queued items are worth
/// another worker: those that would keep it busy for longer than a wake-up and a migration cost.
/// It reads the clock rarely when runs are short and after each run when they are long.
///
/// Thread safety: `measured` by the owner, the others by anybody: an old answer costs time, not
/// correctness (relaxed).
class share_policy {
 public:
  /// `runs` items took until `now`. Returns after how many runs to measure again.
  std::uint32_t measured(std::uint32_t runs, time_point now) noexcept {
    const auto elapsed = static_cast<std::uint64_t>((now - last_).count());
    last_ = now;
    if (runs != 0) average_ns_ = (3 * average_ns_ + elapsed / runs) / 4;
    if (average_ns_ == 0) average_ns_ = 1;
    worth_.store(average_ns_ < tiny_ns ? never : 1 + backlog_ns / average_ns_,
                 std::memory_order_relaxed);
    const std::uint64_t period = backlog_ns / average_ns_;
    return static_cast<std::uint32_t>(period < 1                ? 1
                                      : period > longest_period ? longest_period
                                                                : period);
  }

  /// Time passed that no run took: the worker slept.
  void slept(time_point now) noexcept { last_ = now; }

  [[nodiscard]] bool worth_sharing(std::size_t queued) const noexcept {
    return queued >= worth_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint64_t backlog_ns = 20'000;  // a futex wake-up, and as much again
  static constexpr std::uint64_t tiny_ns = 200;        // moving one task costs as much
  static constexpr std::uint64_t longest_period = 64;

  time_point last_{};
  std::uint64_t average_ns_ = backlog_ns;  // long until measured: share rather too early
  atomic<std::uint64_t> worth_{1};
};

}  // namespace weir::core
