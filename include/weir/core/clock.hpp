#pragma once

#include <weir/core/sync/clock.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/timer.hpp>

namespace weir {

using time_point = core::time_point;
using duration = core::duration;

/// `start + length`, saturating: a timeout of hours::max() means never, not the distant past.
time_point saturating_add(time_point start, duration length) noexcept;

/// Where time comes from. Contexts and executors carry one, so that a test replaces time for all
/// that hangs on it. Always monotonic.
class clock {
 public:
  [[nodiscard]] virtual time_point now() const noexcept = 0;

  /// As `now`, but may lag behind it by a few milliseconds: for the ages that reports tell, where
  /// reading the exact time would cost more than what is measured.
  [[nodiscard]] virtual time_point coarse_now() const noexcept { return now(); }

  /// The timers of a clock that moves by itself only (a manual clock). Null for real time, in which
  /// threads sleep with a deadline and executors have timers of their own.
  virtual core::timer_service* timers() noexcept { return nullptr; }

 protected:
  ~clock() = default;
};

/// The machine's steady clock. Stateless; lives as long as the program.
clock& steady_clock() noexcept;

/// Time that moves when a test says so: nothing sleeps, hours pass in microseconds.
///
/// Guarantees: `advance` expires timers in order of time (equal times: in order of arming), with
/// `now()` reading each timer's own time while it expires, and wakes outside the guard.
/// Thread safety: all members. Destroy it after everything that waits on it.
///
///     weir::manual_clock time;
///     time.advance(50ms);
class manual_clock final : public clock, private core::timer_service {
 public:
  /// Starts one hour after the epoch, so that subtracting a little stays positive.
  manual_clock() noexcept = default;
  ~manual_clock();

  [[nodiscard]] time_point now() const noexcept override;
  core::timer_service* timers() noexcept override { return this; }

  /// Moves time forward. Returns how many timers expired.
  std::size_t advance(duration by) noexcept;

  /// When the next timer is due; time_point::max() if none is armed.
  [[nodiscard]] time_point next_timer() const noexcept;

  /// Moves to the next timer and expires it. False if none is armed.
  bool advance_to_next() noexcept;

 private:
  core::mutex& guard() noexcept override { return mutex_; }
  void arm(core::timer_node& node, time_point when, core::wake_list& wakes) noexcept override;
  bool disarm(core::timer_node& node) noexcept override;
  std::size_t advance_to(time_point target) noexcept;

  mutable core::mutex mutex_;
  time_point now_ WEIR_GUARDED_BY(mutex_){std::chrono::hours{1}};
  core::timer_heap timers_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir
