#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>

#include <weir/core/clock.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/fence.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/thread_local.hpp>
#include <weir/stopper/thread_tasks.hpp>

namespace weir::core {

struct debug_tasks;
struct live_task_info;

/// The calls of one thread that a stopper counts: begun and ended by this thread, the last begun
/// first, so that they are a stack and need neither a list nor a lock.
///
/// Only the owner writes, and it writes plainly. A stop looks at it through an asymmetric fence: it
/// marks everything closed, makes every thread pass a fence, and from then on an owner either has
/// done what it was at, or sees that it is closed and takes the lock.
///
///   open ──close()──► closed ──collect()──► collected           (owner of both arrows: the closer)
///
/// Requires: enter, leave, retract and leave_late by the thread that owns it.
/// Guarantees: after `leave` has said true, and after the unlock in `leave_late`, nothing of it is
/// touched. What is counted by `collect` is told once, by leave_late or retract.
/// Thread safety: everything else from any thread.
/// Memory ordering: a leave happens before the `collect` that no longer counts it.
/// Cost: enter and leave 1.8 ns together, without a locked instruction.
class alignas(64) thread_calls {
 public:
  static constexpr std::uint32_t depth = 8;
  // What `enter` gives instead of a place.
  static constexpr std::uint32_t full = depth;
  static constexpr std::uint32_t closed = depth + 1;

  explicit thread_calls(std::uintptr_t owner) noexcept : owner_(owner) {}
  thread_calls(const thread_calls&) = delete;
  thread_calls& operator=(const thread_calls&) = delete;

  /// The call's place, below `depth`. `closed`: `retract` has to follow. `full`: nothing has
  /// happened.
  std::uint32_t enter(const char* name, std::source_location site, time_point since) noexcept {
    // relaxed: ours alone to write.
    const std::uint32_t at = live_.load(std::memory_order_relaxed);
    if (at == depth) return full;
    call& made = calls_[at];
    const std::uint64_t id = begun_.load(std::memory_order_relaxed) + 1;
    begun_.store(id, std::memory_order_relaxed);
    // relaxed: the release stores of id and live publish them to `read`.
    made.name.store(name, std::memory_order_relaxed);
    made.site.store(std::bit_cast<const void*>(site), std::memory_order_relaxed);
    made.since.store(since.time_since_epoch().count(), std::memory_order_relaxed);
    made.id.store(id, std::memory_order_release);
    live_.store(at + 1, std::memory_order_release);
    light_fence();  // pairs with the heavy one between `close` and `collect`
    return closed_.load(std::memory_order_relaxed) ? closed : at;
  }

  /// Ends the call at `place`, the last begun. False: it is closed, and `leave_late` has to follow.
  /// (To read the place back from memory would double the cost of it all.)
  [[nodiscard]] bool leave(std::uint32_t place) noexcept {
    // relaxed: as in enter. The mark keeps `collect` waiting until this is decided.
    live_.store((place + 1) | leaving, std::memory_order_relaxed);
    light_fence();  // pairs with the heavy one between `close` and `collect`
    if (closed_.load(std::memory_order_relaxed)) return false;
    live_.store(place, std::memory_order_release);  // pairs with the acquire in collect
    return true;
  }

  /// True: it was collected as live.
  [[nodiscard]] bool retract() noexcept;
  [[nodiscard]] bool leave_late() noexcept;

  void close() noexcept {
    closed_.store(true);
    tasks_.close();
  }
  /// How many are live. Requires: close, then heavy_fence. Waits for an owner that is in `leave`.
  [[nodiscard]] std::size_t collect() noexcept;

  /// The tasks that this thread enters and leaves.
  [[nodiscard]] thread_tasks& tasks() noexcept { return tasks_; }
  [[nodiscard]] const thread_tasks& tasks() const noexcept { return tasks_; }

  /// For call_clock, by the owner: each 256th call or task; the 33rd within one tick of the coarse
  /// clock.
  [[nodiscard]] bool should_look_at_the_clock() const noexcept {
    // relaxed: ours alone to write.
    return (begun_.load(std::memory_order_relaxed) + tasks_.begun()) % 256 == 0;
  }
  [[nodiscard]] bool calls_often(time_point now) noexcept {
    if (now != looked_at_) {
      looked_at_ = now;
      looks_ = 0;
    }
    return ++looks_ > 32;
  }

  [[nodiscard]] std::uintptr_t owner() const noexcept { return owner_; }
  [[nodiscard]] std::size_t count() const noexcept;
  [[nodiscard]] std::uint64_t begun() const noexcept { return begun_.load(); }
  [[nodiscard]] std::uint64_t refused() const noexcept;
  /// A copy of the call number `index` from below, if there is one that does not end meanwhile.
  [[nodiscard]] std::optional<live_task_info> read(std::size_t index) const noexcept;

  static void shape_for_debugger(debug_tasks& into) noexcept;

 private:
  struct call {
    atomic<const char*> name{nullptr};
    atomic<const void*> site{nullptr};  // a std::source_location is one pointer
    atomic<duration::rep> since{0};
    atomic<std::uint64_t> id{0};  // unique within its thread_calls
  };

  static constexpr std::uint32_t leaving = 0x80;  // in live_: the owner is in `leave`
  static constexpr std::uint32_t depth_mask = 0x7f;

  atomic<std::uint64_t> begun_{0};
  atomic<std::uint32_t> live_{0};
  atomic<bool> closed_{false};
  mutable mutex lock_;
  bool collected_ WEIR_GUARDED_BY(lock_) = false;
  std::size_t counted_ WEIR_GUARDED_BY(lock_) = 0;  // of those collected, how many are left
  std::uint64_t refused_ WEIR_GUARDED_BY(lock_) = 0;
  const std::uintptr_t owner_;
  time_point looked_at_{};  // the owner's
  std::uint32_t looks_ = 0;
  std::array<call, depth> calls_;
  thread_tasks tasks_;
};

/// The thread_calls of all threads that call into one stopper, or enter its tasks.
///
/// A thread finds its own through a small cache in thread-local storage, whose entries are named by
/// numbers that are never used again: one that is left over from a stopper that is gone is never
/// looked at. What a thread leaves behind goes to the next one with the same id.
/// Requires: no thread is within enter or leave when it is destroyed.
/// Cost: 512 bytes per thread, for at most `most` threads; others get null.
class call_set {
 public:
  static constexpr std::size_t most = 64;

  call_set() noexcept;
  ~call_set();
  call_set(const call_set&) = delete;
  call_set& operator=(const call_set&) = delete;

  /// Null: there is no room for one more, or it is closed.
  [[nodiscard]] thread_calls* of_this_thread() noexcept {
    const cached& known = slot::get().entries[number_ % cache_size];
    return known.set == number_ ? known.calls : find();
  }

  /// Closes all, and those to come.
  void close() noexcept;
  /// How many calls are live, and how many more tasks have entered than left on these threads.
  /// Requires: closed.
  [[nodiscard]] std::int64_t collect() noexcept;

  /// Calls `visit(calls)` for each.
  template <class Visit>
  void each(Visit visit) const {
    for (const auto& place : all_) {
      thread_calls* const one = place.load();
      if (one == nullptr) return;  // they are added in this order
      visit(*one);
    }
  }

  [[nodiscard]] const void* array_for_debugger() const noexcept { return all_.data(); }

 private:
  static constexpr std::size_t cache_size = 16;
  struct cached {
    std::uint64_t set;  // 0: none
    thread_calls* calls;
  };
  struct cache {
    std::array<cached, cache_size> entries;
  };
  using slot = thread_slot<cache, call_set>;

  [[nodiscard]] thread_calls* find() noexcept;
  [[nodiscard]] thread_calls* find_locked(std::uintptr_t thread) WEIR_REQUIRES(lock_);

  const std::uint64_t number_;
  mutex lock_;
  bool closed_ WEIR_GUARDED_BY(lock_) = false;
  std::array<atomic<thread_calls*>, most> all_{};
};

}  // namespace weir::core
