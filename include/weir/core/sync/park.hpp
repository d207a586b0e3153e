#pragma once

#include <cstdint>

#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/clock.hpp>

namespace weir::core {

/// Problem: a thread must sleep until another one says so, or until a point in time, with one
/// system call on each side at most and none when the word comes first.
///
/// A token of at most one. `wake` leaves the token, `wait` takes it, sleeping until it is there.
///
///            wake                       wake (owner: waker)
///   empty ─────────► token      parked ─────────► token
///   empty ─────────► parked     token  ─────────► empty     (owner: the waiting thread)
///            wait                       wait
///
/// Requires: one thread waits at a time. Any thread may wake.
/// Guarantees: a wake is never lost; two wakes before a wait are one.
/// Memory ordering: what happened before `wake` is visible after the `wait` that took its token.
/// Lifetime: after its exchange, `wake` uses the address alone, so the waiting thread may destroy
/// the park as soon as `wait` has returned: a late futex call meets a dead address, harmlessly.
/// Cost: 4 bytes; a wake-up of a sleeping thread costs about 5 µs, futex-bound.
class park {
 public:
  park() noexcept = default;
  park(const park&) = delete;
  park& operator=(const park&) = delete;

  /// Sleeps until there is a token, and takes it.
  void wait() noexcept;

  /// As wait(), but no longer than until `deadline`. True if the token was taken.
  bool wait_until(time_point deadline) noexcept;

  /// Takes the token if there is one. Never sleeps.
  bool try_wait() noexcept;

  /// Leaves the token and wakes the thread that sleeps here, if one does.
  void wake() noexcept;

 private:
  enum : std::uint32_t { empty = 0, token = 1, parked = 2 };

  atomic<std::uint32_t> word_{empty};
};

}  // namespace weir::core
