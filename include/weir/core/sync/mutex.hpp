#pragma once

#include <cstdint>

#include <weir/core/sync/annotations.hpp>
#include <weir/core/sync/atomic.hpp>

namespace weir::core {

/// Problem: a primitive such as a semaphore holds its lock for some twenty instructions, once or
/// twice per operation. A futex mutex pays a second locked instruction on every unlock in order to
/// learn whether somebody sleeps (24 ns per channel round trip).
///
/// `mutex` is exchange to lock and a plain store to unlock. A contender spins briefly, then yields,
/// then sleeps for growing slices of up to 100 µs, so that a preempted holder gets the processor
/// back whatever the scheduling policy.
///
/// Requires: short critical sections: no allocation of unknown size, no user code, no wake-up, no
/// system call while locked.
/// Guarantees: mutual exclusion; `unlock` is one store and touches the mutex never again, so the
/// next holder may destroy it. No fairness.
/// Blocks: yes, briefly. Not recursive. Thread safety: all members.
/// Memory ordering: unlock synchronizes with the next lock.
/// Cost: 5 ns uncontended; 1 byte.
class WEIR_CAPABILITY("mutex") mutex {
 public:
  constexpr mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  void lock() noexcept WEIR_ACQUIRE() {
    // acquire pairs with the release store in unlock().
    if (locked_.exchange(true, std::memory_order_acquire)) lock_contended();
  }

  bool try_lock() noexcept WEIR_TRY_ACQUIRE(true) {
    return !locked_.exchange(true, std::memory_order_acquire);
  }

  void unlock() noexcept WEIR_RELEASE() { locked_.store(false, std::memory_order_release); }

 private:
  void lock_contended() noexcept;

  atomic<bool> locked_{false};
};

/// Holds a mutex for a scope. Declare the `wake_list` before the guard, and wake-ups happen after
/// the unlock.
class WEIR_SCOPED_CAPABILITY lock_guard {
 public:
  explicit lock_guard(mutex& m) noexcept WEIR_ACQUIRE(m) : mutex_(m) { mutex_.lock(); }
  ~lock_guard() WEIR_RELEASE() { mutex_.unlock(); }
  lock_guard(const lock_guard&) = delete;
  lock_guard& operator=(const lock_guard&) = delete;

 private:
  mutex& mutex_;
};

}  // namespace weir::core
