#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <weir/core/executor.hpp>
#include <weir/core/sync/atomic.hpp>

namespace weir::core {

/// Whether anybody but the owner takes from a ring.
enum class sharing : std::uint8_t { alone, shared };

/// A worker's own queue: bounded, first in first out. The owner pushes and pops, thieves take from
/// the same end as the owner.
///
///   head ──► [ taken next … pushed last ] ◄── tail
///
/// Indices only grow; an item is in slot `index % capacity`. An item belongs to whoever moves the
/// head past it, so a thief copies slots first and owns them once its compare-and-swap succeeds.
/// The owner reuses a slot only after it has seen the head beyond it.
///
/// Memory ordering: `push` releases the tail to the acquire in `steal`; whoever moves the head
/// releases it to the acquire in `push`, so that a thief's reads of slots come before their reuse.
/// A push alone does not order the pusher's next look at who sleeps: `publish` does.
/// Cost: a push is two plain stores; a pop one compare-and-swap, or plain too if there are no
/// thieves. Source: Go's runqueue; Tokio's local queue.
template <std::size_t Capacity = 2048>
class work_ring {
 public:
  explicit work_ring(sharing who) noexcept : shared_(who == sharing::shared) {}

  /// Owner. False if it is full.
  bool push(work& item) noexcept {
    // relaxed: only the owner writes the tail.
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load(std::memory_order_acquire) == Capacity) return false;
    slot(tail).store(&item, std::memory_order_relaxed);  // released by the tail
    tail_.store(tail + 1, std::memory_order_release);
    return true;
  }

  /// Owner. Puts all pushes so far before the caller's next seq_cst load in the single total order.
  /// With idle_set::announce and the thief's look afterwards this is the store-buffering handshake:
  ///
  ///     pusher:  tail = t (here)     sleeper:  sleepers += 1 (announce)
  ///              read sleepers                 read tail (size)
  ///
  /// In that order one of the two reads comes after the other's write, so the push is seen by the
  /// one who goes to sleep, or the sleeper by the one who pushed.
  void publish() noexcept { tail_.exchange(tail_.load(std::memory_order_relaxed)); }

  /// Owner. The item pushed first, or null.
  work* pop() noexcept {
    const std::uint64_t tail = tail_.load(std::memory_order_relaxed);  // only the owner writes it
    std::uint64_t head = head_.load(std::memory_order_relaxed);        // the swap below checks it
    while (head != tail) {
      // relaxed: the owner wrote the slot itself.
      work* item = slot(head).load(std::memory_order_relaxed);
      if (!shared_) {
        head_.store(head + 1, std::memory_order_relaxed);  // no partner: there is no thief
        return item;
      }
      if (head_.compare_exchange_strong(head, head + 1)) return item;
    }
    return nullptr;
  }

  /// Thief. Takes half, at most `Most`, rounded up; returns how many are in `into`.
  template <std::size_t Most>
  std::size_t steal(std::array<work*, Most>& into) noexcept {
    std::uint64_t head = head_.load();
    for (;;) {
      const std::uint64_t tail = tail_.load();  // acquires what push released
      if (tail <= head) return 0;
      std::uint64_t count = (tail - head + 1) / 2;
      if (count > Most) count = Most;
      // relaxed: may be overtaken by the owner's reuse; then the swap fails and this is forgotten.
      for (std::uint64_t i = 0; i < count; ++i) {
        into[i] = slot(head + i).load(std::memory_order_relaxed);
      }
      if (head_.compare_exchange_strong(head, head + count)) return count;
    }
  }

  /// How many are queued, as seen now. Exact for the owner of a ring without thieves.
  [[nodiscard]] std::size_t size() const noexcept {
    const std::uint64_t head = head_.load();
    const std::uint64_t tail = tail_.load();
    return tail > head ? tail - head : 0;
  }

  static constexpr std::size_t capacity = Capacity;

 private:
  static_assert((Capacity & (Capacity - 1)) == 0);
  static constexpr std::size_t line_bytes = 64;

  atomic<work*>& slot(std::uint64_t index) noexcept { return slots_[index % Capacity]; }

  alignas(line_bytes) atomic<std::uint64_t> head_{0};
  alignas(line_bytes) atomic<std::uint64_t> tail_{0};
  const bool shared_;
  alignas(line_bytes) std::array<atomic<work*>, Capacity> slots_{};
};

}  // namespace weir::core
