#pragma once

#include <cstddef>
#include <cstdint>

#include <weir/core/sync/annotations.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/fence.hpp>
#include <weir/core/sync/mutex.hpp>

namespace weir::core {

/// Problem: a lock that one thread takes a thousand times for each time that another one does costs
/// that thread a locked instruction each time (5 ns), to keep out somebody who does not come.
///
/// A mutex that becomes one thread's: that thread then locks by two plain stores, and whoever else
/// comes takes the bias away first, through an asymmetric fence.
///
///            so many uses in a row by its owner
///   plain ────────────────────────────────────────► biased
///     ▲                                                │
///     └────────────────────────────────────────────────┘
///              another thread locks: it says so, makes every thread pass a fence, and waits
///              for an owner that is inside
///
/// The first thread that uses it so often is its owner for good: a bias that went from one to
/// another could be used by both, since the first may have looked a moment ago.
///
/// Requires: what a mutex requires, and that each thread always locks by the same number, which is
/// not 0 and never another one's. `prepare_fences()` once before; without it, or where light fences
/// cost something, it stays plain.
/// Guarantees: what a mutex guarantees; `unlock` touches it never again once it is unlocked.
/// Blocks: yes, briefly; to take a bias away is a system call of 1 to 10 µs. Not recursive. Thread
/// safety: all members.
/// Memory ordering: unlock synchronizes with the next lock.
/// Cost: 1 ns by bias, otherwise a mutex's; 40 bytes.
/// Source: biased locking (Kawachiya, Koseki, Onodera 2002; Java until 15), here without the bulk
/// that made it a burden: one number per lock says whether a bias was worth it.
class WEIR_CAPABILITY("mutex") biased_mutex {
 public:
  /// Biased after so many uses in a row.
  explicit constexpr biased_mutex(std::uint32_t uses) noexcept : enough_(uses) {}
  biased_mutex(const biased_mutex&) = delete;
  biased_mutex& operator=(const biased_mutex&) = delete;

  /// True: by its bias, which is to be told to `unlock`.
  bool lock(std::size_t me) noexcept WEIR_ACQUIRE() {
    // relaxed: only I write this number there, and what others wrote under the lock I have seen
    // when I did. Both loads: one that is too old is put right by the fence, which pairs with the
    // heavy one of whoever takes the bias away.
    if (bias_.load(std::memory_order_relaxed) == me) [[likely]] {
      busy_.store(true, std::memory_order_relaxed);
      light_fence();
      if (bias_.load(std::memory_order_relaxed) == me) [[likely]]
        return true;
      leave();
    }
    lock_plainly(me);
    return false;
  }
  void unlock(bool by_bias) noexcept WEIR_RELEASE() {
    if (by_bias) [[likely]] {
      leave();
    } else {
      lock_.unlock();
    }
  }

  /// A lock in two parts, so that one fence does for several of these. True: `heavy_fence()` has to
  /// come before `end_lock`. Unlock with false.
  [[nodiscard]] bool begin_lock(std::size_t me) noexcept WEIR_ACQUIRE();
  void end_lock() noexcept;

 private:
  // release: also of an attempt, which hides what was released before it from who waits for it.
  void leave() noexcept { busy_.store(false, std::memory_order_release); }
  [[gnu::noinline]] void lock_plainly(std::size_t me) noexcept;
  void count(std::size_t me) noexcept WEIR_REQUIRES(lock_);

  atomic<std::size_t> bias_{0};  // its owner's number, or 0; written under the lock
  atomic<bool> busy_{false};     // its owner is inside, or looks; written by the owner alone
  mutex lock_;
  const std::uint32_t enough_;
  std::uint32_t uses_ WEIR_GUARDED_BY(lock_) = 0;  // in a row, without a bias
  std::size_t last_ WEIR_GUARDED_BY(lock_) = 0;    // whose
  std::size_t owner_ WEIR_GUARDED_BY(lock_) = 0;   // 0: nobody yet
};

/// Holds a biased_mutex for a scope.
class WEIR_SCOPED_CAPABILITY biased_guard {
 public:
  biased_guard(biased_mutex& m, std::size_t me) noexcept WEIR_ACQUIRE(m)
      : mutex_(m), by_bias_(m.lock(me)) {}
  ~biased_guard() WEIR_RELEASE() { mutex_.unlock(by_bias_); }
  biased_guard(const biased_guard&) = delete;
  biased_guard& operator=(const biased_guard&) = delete;

 private:
  biased_mutex& mutex_;
  const bool by_bias_;
};

}  // namespace weir::core
