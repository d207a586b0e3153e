#pragma once

#include <cstdint>

#include <weir/core/sync/clock.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/wake_list.hpp>

namespace weir::core {

/// One point in time at which something becomes due. Embedded in whatever waits for it; arming
/// allocates nothing. Guarded by its service's guard.
class timer_node {
 public:
  /// `expired` is called once, with the service's guard held: it may claim waiters and push
  /// wake-ups, nothing else.
  explicit timer_node(void (*expired)(timer_node&, wake_list&) noexcept) noexcept
      : expired_(expired) {}
  timer_node(const timer_node& other) noexcept : expired_(other.expired_) {}
  timer_node& operator=(const timer_node&) = delete;

  [[nodiscard]] bool armed() const noexcept { return armed_; }
  [[nodiscard]] time_point when() const noexcept { return when_; }

 private:
  friend class timer_heap;

  void (*expired_)(timer_node&, wake_list&) noexcept;
  time_point when_{};
  std::uint64_t order_ = 0;  // first armed first, among equal times
  timer_node* child_ = nullptr;
  timer_node* sibling_ = nullptr;
  timer_node* previous_ = nullptr;  // parent or left sibling
  bool armed_ = false;
};

/// Intrusive pairing heap of timers (Fredman et al. 1986): arm O(1), expire and disarm amortised
/// O(log n), no allocation. Not synchronized: its owner's guard does that.
class timer_heap {
 public:
  timer_heap() noexcept = default;
  timer_heap(const timer_heap&) = delete;
  timer_heap& operator=(const timer_heap&) = delete;

  [[nodiscard]] bool empty() const noexcept { return root_ == nullptr; }

  /// When the first timer is due; time_point::max() if there is none.
  [[nodiscard]] time_point next() const noexcept {
    return root_ != nullptr ? root_->when_ : time_point::max();
  }

  /// True if `node` is now the first to be due.
  bool arm(timer_node& node, time_point when) noexcept;

  /// True if `node` was armed: it will not expire.
  bool disarm(timer_node& node) noexcept;

  /// Expires everything due at `now`, in order. Returns how many.
  std::size_t expire(time_point now, wake_list& wakes) noexcept;

 private:
  static timer_node* meld(timer_node* a, timer_node* b) noexcept;
  static timer_node* meld_siblings(timer_node* first) noexcept;
  timer_node* pop() noexcept;

  timer_node* root_ = nullptr;
  std::uint64_t armed_so_far_ = 0;
};

/// Who keeps timers: a worker of a runtime, a run loop, a manual clock. A node is armed and
/// disarmed on the same service, which outlives it.
class timer_service {
 public:
  /// Guards the service's nodes. An operation that waits for time uses it as its own guard.
  virtual mutex& guard() noexcept = 0;

  /// Makes `node` expire at `when`. What must be woken for that goes into `wakes`.
  /// Requires: guard() is held; the node is not armed.
  virtual void arm(timer_node& node, time_point when, wake_list& wakes) noexcept = 0;

  /// True if the node was still armed; false if it has expired.
  /// Requires: guard() is held.
  virtual bool disarm(timer_node& node) noexcept = 0;

 protected:
  ~timer_service() = default;
};

}  // namespace weir::core
