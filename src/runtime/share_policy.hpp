#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/clock.hpp>

namespace weir::core {

/// What waking a worker takes on this machine, from the decision until it looks for work: 5 µs on
/// bare metal, 50 in a virtual machine, more while other programs keep the processors busy.
///
/// Thread safety: all members (relaxed: they order nothing, and an estimate may miss a sample).
class wake_cost {
 public:
  void waking(time_point now) noexcept {
    since_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  }
  /// Nobody had to be woken.
  void not_waking() noexcept { since_.store(0, std::memory_order_relaxed); }
  void woken(time_point now) noexcept {
    const std::int64_t since = since_.load(std::memory_order_relaxed);
    if (since == 0) return;
    since_.store(0, std::memory_order_relaxed);
    const std::int64_t took =
        std::clamp(now.time_since_epoch().count() - since, least.count(), most.count());
    const std::int64_t known = estimate_.load(std::memory_order_relaxed);
    estimate_.store(known + (took - known) / 8, std::memory_order_relaxed);
  }

  [[nodiscard]] duration estimate() const noexcept {
    return duration{estimate_.load(std::memory_order_relaxed)};
  }

 private:
  static constexpr duration least = std::chrono::microseconds{10};
  static constexpr duration most = std::chrono::microseconds{200};

  atomic<std::int64_t> since_{0};  // a worker is being woken; 0: none
  atomic<std::int64_t> estimate_{least.count()};
};

/// Problem: waking a second worker for a thousand tasks of 15 ns makes all of them slower (another
/// core's cache lines cost more than the tasks), and not waking it for ten of 1 ms wastes a core.
///
/// A worker measures how long its runs take, and from that says how many queued items are worth
/// another worker: those that would keep it busy for twice as long as waking one takes.
/// It reads the clock rarely when runs are short and after each run when they are long.
///
/// Thread safety: `measured` by the owner, the others by anybody: an old answer costs time, not
/// correctness (relaxed).
class share_policy {
 public:
  explicit share_policy(const wake_cost& waking) noexcept : waking_(waking) {}

  /// `runs` items took until `now`. Returns after how many runs to measure again.
  std::uint32_t measured(std::uint32_t runs, time_point now) noexcept {
    const auto elapsed = static_cast<std::uint64_t>((now - last_).count());
    last_ = now;
    if (runs != 0) average_ns_ = (3 * average_ns_ + elapsed / runs) / 4;
    if (average_ns_ == 0) average_ns_ = 1;
    worth_.store(average_ns_ < tiny_ns
                     ? never
                     : 1 + 2 * static_cast<std::uint64_t>(waking_.estimate().count()) / average_ns_,
                 std::memory_order_relaxed);
    const std::uint64_t period = look_ns / average_ns_;
    return static_cast<std::uint32_t>(period < 1                ? 1
                                      : period > longest_period ? longest_period
                                                                : period);
  }

  /// The owner's; long until measured.
  [[nodiscard]] duration typical_run() const noexcept {
    return duration{static_cast<duration::rep>(average_ns_)};
  }

  /// Time passed that no run took: the worker slept.
  void slept(time_point now) noexcept { last_ = now; }

  [[nodiscard]] bool worth_sharing(std::size_t queued) const noexcept {
    return queued >= worth_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::uint64_t never = std::numeric_limits<std::uint64_t>::max();
  static constexpr std::uint64_t look_ns = 20'000;
  static constexpr std::uint64_t tiny_ns = 200;  // moving one task costs as much
  static constexpr std::uint64_t longest_period = 64;

  const wake_cost& waking_;
  time_point last_{};
  std::uint64_t average_ns_ = look_ns;  // long until measured: share rather too early
  atomic<std::uint64_t> worth_{1};
};

}  // namespace weir::core
