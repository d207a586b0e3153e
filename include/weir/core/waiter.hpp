#pragma once

#include <cstdint>

#include <weir/core/list.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/park.hpp>
#include <weir/core/wake_list.hpp>

namespace weir::core {

class executor;

/// Problem: a grant, a cancellation and a timeout race for one thread or coroutine that waits,
/// maybe on several things at once. Exactly one may win, and the losers must not touch it.
///
/// One who waits: a thread or a coroutine. Armed under the lock of everything it waits for, claimed
/// by one compare-and-swap, then woken.
///
///           arm (who waits)           claim(i) (grant, cancel or timeout)
///   idle ───────────────────► queued ───────────────────► claimed(i)
///     ▲                                                      │
///     └──────────────────────────────────────────────────────┘
///                 disarm (who waits, after its wake-up)
///
/// Guarantees: of any number of concurrent `claim`s of an armed waiter one succeeds. Only its
/// winner may wake the waiter, once, after releasing every lock; it touches the waiter never again.
/// Memory ordering: seq_cst. `arm` followed by a look at a flag, and a set flag followed by
/// `claim`, never miss each other (this is how cancellation is seen by a wait that is just
/// beginning).
class waiter : public wakeable {
 public:
  using wakeable::wakeable;

  void arm() noexcept { state_.store(queued); }
  void disarm() noexcept { state_.store(idle); }

  /// True if this call won the waiter for case `index`.
  bool claim(std::uint32_t index) noexcept {
    std::uint32_t expected = queued;
    return state_.compare_exchange_strong(expected, claimed | (index << index_shift));
  }

  [[nodiscard]] bool armed() const noexcept { return state_.load() == queued; }

  /// Where the one who waits is resumed; null for a thread. Set while it is in no queue.
  void resume_on(executor& where) noexcept { resumes_on_ = &where; }
  [[nodiscard]] executor* resumes_on() const noexcept { return resumes_on_; }

  /// Which case won. Requires: claimed.
  [[nodiscard]] std::uint32_t claimed_index() const noexcept {
    return state_.load() >> index_shift;
  }

 private:
  enum : std::uint32_t { idle = 0, queued = 1, claimed = 2, index_shift = 2 };

  atomic<std::uint32_t> state_{idle};
  executor* resumes_on_ = nullptr;
};

/// A place in a primitive's queue: who waits, and as which of its cases. Guarded by the primitive's
/// lock. The operation *is* this node, so queueing allocates nothing.
class wait_node : public list_hook {
 public:
  wait_node() noexcept = default;

  [[nodiscard]] waiter* who() const noexcept { return who_; }

  void set(waiter& who, std::uint32_t index) noexcept {
    who_ = &who;
    index_ = index;
  }

  /// Wins this node's waiter and schedules its wake-up. False if something else was faster.
  bool grant(wake_list& wakes) noexcept {
    waiter* who = who_;
    if (!who->claim(index_)) return false;
    wakes.push(*who);
    return true;
  }

 private:
  waiter* who_ = nullptr;
  std::uint32_t index_ = 0;
};

/// A waiter that is a thread. Lives on its stack for one wait.
class thread_waiter : public waiter {
 public:
  thread_waiter() noexcept
      : waiter([](wakeable& self) noexcept { static_cast<thread_waiter&>(self).park_.wake(); }) {}

  /// Sleeps until woken.
  void wait() noexcept { park_.wait(); }

  /// Sleeps until woken, or until `deadline`; false if that passed first. Then the caller claims
  /// its own waiter, and if somebody else was faster, waits for the wake-up that is on its way.
  bool wait_until(time_point deadline) noexcept { return park_.wait_until(deadline); }

 private:
  park park_;
};

}  // namespace weir::core
