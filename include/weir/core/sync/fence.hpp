#pragma once

#include <weir/core/sync/atomic.hpp>

namespace weir::core {

/// Problem: two threads that each write one word and then read the other's must not both miss the
/// write. A full fence on both sides says so, and costs 5 to 20 ns. Where one side runs a thousand
/// million times and the other once, the rare side can pay for both.
///
/// `light_fence()` on the frequent side and `heavy_fence()` on the rare one order a store before it
/// against a load after it, as two full fences would. Two light ones order nothing.
///
///     frequent:  mine.store(1, relaxed);  light_fence();  if (closed.load(relaxed)) …
///     rare:      closed.store(true);      heavy_fence();  if (mine.load() == 1) …
///
/// Cost: light: no instruction, for the compiler alone; heavy: 1 to 10 µs, a system call that makes
/// every running thread of the process pass a fence. Where the system has no such call (before
/// Linux 4.14, or under a filter), both are full fences.
/// Requires: `prepare_fences()` once before; the first call may take milliseconds in a process that
/// has many threads already, and nothing in one that has a single thread.
/// Source: membarrier(2); "asymmetric thread fences", P1202.
void prepare_fences() noexcept;
void heavy_fence() noexcept;

/// True: threads are made to pass a fence from outside. Written once, before anybody relies on it.
extern constinit atomic<bool> fences_are_asymmetric;

/// False: they are full ones, and a locked instruction is as cheap.
[[nodiscard]] inline bool light_fences_are_free() noexcept {
  // relaxed: whoever reads `false` too late pays a fence that it could have saved.
  return fences_are_asymmetric.load(std::memory_order_relaxed);
}

inline void light_fence() noexcept {
  if (light_fences_are_free()) [[likely]] {
    std::atomic_signal_fence(std::memory_order_seq_cst);
  } else {
    std::atomic_thread_fence(std::memory_order_seq_cst);
  }
}

}  // namespace weir::core
