#pragma once

#include <weir/core/clock.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/timer.hpp>

namespace weir::core {

struct runtime_core;

/// The timers of one worker. Armed there mostly; a timer armed by another thread that is due before
/// all others wakes the worker if it sleeps.
///
/// Memory ordering: `next` is stored before the kick looks whether the worker sleeps, and a worker
/// announces its sleep before it reads `next`; both seq_cst, so one of the two sees the other.
class worker_timers final : public timer_service {
 public:
  worker_timers(runtime_core& owner, std::uint32_t index) noexcept;

  mutex& guard() noexcept override { return mutex_; }
  void arm(timer_node& node, time_point when, wake_list& wakes) noexcept override;
  bool disarm(timer_node& node) noexcept override;

  /// When the first one is due; max() if none is.
  [[nodiscard]] time_point next() const noexcept { return time_point{duration{next_.load()}}; }

  /// Expires what is due, and wakes without the guard. Any thread. Returns how many.
  std::size_t expire(time_point now) noexcept;

  [[nodiscard]] std::size_t armed() const noexcept;

 private:
  /// In one wake list at a time: `pending` is guarded by the lock.
  struct kick final : wakeable {
    explicit kick(worker_timers& owner) noexcept;
    worker_timers& timers;
    bool pending = false;
  };

  void store_next() noexcept WEIR_REQUIRES(mutex_);

  runtime_core& core_;
  const std::uint32_t index_;
  mutable mutex mutex_;
  timer_heap heap_ WEIR_GUARDED_BY(mutex_);
  std::size_t armed_ WEIR_GUARDED_BY(mutex_) = 0;
  atomic<duration::rep> next_{duration::max().count()};
  kick kick_{*this};
};

}  // namespace weir::core
