#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <weir/core/biased_mutex.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/fence.hpp>
#include <weir/core/sync/thread_local.hpp>
#include <weir/pool/slot.hpp>

namespace weir::core {

/// Problem: a pool that nobody waits for is one lock that all processors fight for.
///
/// Idle resources beside the pool's own list, at most one for each of a few groups of threads, each
/// under a lock of its own, which becomes that of the thread that uses it most: a thread gets back
/// what it returned last, without meeting others and without a locked instruction.
///
/// Requires: `open` and `empty` are called with the pool's lock held; that is taken before a
/// cell's. Guarantees: when `empty` with `close` has returned nothing is in a cell and nothing gets
/// into one, so whoever queues up under the pool's lock after it is overtaken by nobody. `put` and
/// `take` touch the cells never again once the resource is somebody else's: the pool may be gone
/// then. Thread safety: all members. Cost: 1 ns each way, or 6 ns while threads share a group;
/// `open` and `empty` up to 10 µs, for a system call, if a thread has used its cell a thousand
/// times since the last one; 512 bytes.
class pool_cells {
 public:
  /// A cell's lock becomes its thread's after so many uses in a row.
  static constexpr std::uint32_t uses_before_bias = 1000;

  explicit pool_cells(std::uint32_t uses = uses_before_bias) noexcept
      : cells_{cell{uses}, cell{uses}, cell{uses}, cell{uses},
               cell{uses}, cell{uses}, cell{uses}, cell{uses}} {
    prepare_fences();
  }
  pool_cells(const pool_cells&) = delete;
  pool_cells& operator=(const pool_cells&) = delete;

  /// Lets resources of this epoch in.
  void open(std::uint64_t epoch) noexcept {
    with_all([epoch](cell& c) WEIR_REQUIRES(c.lock) {
      c.accepts = true;
      c.epoch = epoch;
    });
  }

  enum class then : std::uint8_t { stay_open, close };
  /// Moves what is in to the front of a list, and says how many that were.
  std::size_t empty(intrusive_list<pool_slot>& into, then next) noexcept {
    std::size_t moved = 0;
    with_all([&](cell& c) WEIR_REQUIRES(c.lock) {
      if (pool_slot* const slot = c.swap(nullptr)) {
        into.push_front(*slot);
        ++moved;
      }
      if (next == then::close) c.accepts = false;
    });
    return moved;
  }

  /// How many there are. Of those that move meanwhile some may be counted twice, or not at all.
  [[nodiscard]] std::size_t count() const noexcept {
    std::size_t full = 0;
    for (const cell& c : cells_) {
      // relaxed: it is a number that may have changed when it is told.
      if (c.slot.load(std::memory_order_relaxed) != nullptr) ++full;
    }
    return full;
  }

  /// One that is idle, or null.
  [[nodiscard]] pool_slot* take() noexcept {
    const std::size_t me = this_thread();
    cell& mine = cells_[me % groups];
    const biased_guard guard{mine.lock, me};
    return mine.swap(nullptr);
  }

  /// Puts one in. What has no place is given back: this one if the cells are closed to it, or the
  /// one that was there before, which is older. Null if there was room.
  [[nodiscard]] pool_slot* put(pool_slot& slot) noexcept {
    const std::size_t me = this_thread();
    cell& mine = cells_[me % groups];
    const biased_guard guard{mine.lock, me};
    if (!mine.accepts || mine.epoch != slot.epoch()) return &slot;
    return mine.swap(&slot);
  }

 private:
  static constexpr std::size_t groups = 8;

  struct alignas(64) cell {
    explicit cell(std::uint32_t uses) noexcept : lock(uses) {}

    pool_slot* swap(pool_slot* other) noexcept WEIR_REQUIRES(lock) {
      // relaxed: under the lock, but for `count`.
      pool_slot* const before = slot.load(std::memory_order_relaxed);
      slot.store(other, std::memory_order_relaxed);
      return before;
    }

    biased_mutex lock;
    bool accepts WEIR_GUARDED_BY(lock) = false;
    atomic<pool_slot*> slot{nullptr};  // written under the lock
    std::uint64_t epoch WEIR_GUARDED_BY(lock) = 0;
  };
  struct place_tag {};
  /// The thread's place, from 1; 0: it has none yet.
  using place = thread_slot<std::size_t, place_tag>;

  static std::size_t this_thread() noexcept {
    const std::size_t mine = place::get();
    return mine != 0 ? mine : find_place();
  }
  [[gnu::noinline]] static std::size_t find_place() noexcept;

  /// Does it to all cells at one moment: all are locked, by one fence.
  template <class F>
  void with_all(F fn) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
    const std::size_t me = this_thread();
    bool fence = false;
    for (cell& c : cells_) fence = c.lock.begin_lock(me) || fence;
    if (fence) heavy_fence();
    for (cell& c : cells_) {
      c.lock.end_lock();
      fn(c);
      c.lock.unlock(false);
    }
  }

  std::array<cell, groups> cells_;
};

}  // namespace weir::core
