#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include <weir/core/clock.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>

namespace weir::core {

/// How a worker sleeps: on its park, or in a set of descriptors, as the one who also looks after
/// those that are awake, or as the one who stands by for that.
enum class sleep_role : std::uint8_t { parked, standby, poller };

/// Problem: a worker that goes to sleep while somebody schedules work must not sleep through it,
/// and scheduling must not pay for a lock or a system call while all are awake.
///
/// Which workers sleep, who of them polls, and whom to wake.
///
///            announce (worker)                  wake_one, wake, hand_over (a waker)
///   awake ─────────────────────► asleep ─────────────────────► awake, and searching
///     ▲                            │                                 │
///     └────────────────────────────┘                                 │ found / announce
///        retire (worker: found work,                                 ▼
///        a deadline or an event)                                   awake
///
/// The protocol, and why no wake-up is lost:
///
///   waker:    1. make the work visible (seq_cst)    sleeper:  1. announce
///             2. wake_one()                                   2. look for work everywhere
///                                                             3. sleep; then retire
///
/// Both begin with a seq_cst write and go on with a seq_cst read of what the other has written, so
/// one of them sees the other. If the waker sees nobody asleep, the sleeper sees the work in
/// step 2. If the waker sees a *searching* worker it leaves it at that: the searcher either finds
/// the work, and then wakes the next one (`found` says whether it is its turn), or announces before
/// it stops searching, and looks after that.
///
/// Step 3 begins awake (linger): whoever is woken soon needs no system call, nor does the waker.
/// A park has a token for that; the word of who polls is
///
///              signal                     signal: kicks
///   nothing ─────────► token    in_poll ───────────────► token
///   nothing ─────────► in_poll  any ───────────► nothing
///           begin_poll              take_poll, begin_poll, end_poll
///
/// Two poll, each in a set of its own (reactor.hpp), so that nobody has to be woken to replace one
/// that goes to work. If events come more often than once in a tick, the standby wakes once in a
/// tick, and becomes the poller when there has been none for as long. Otherwise, and if both have
/// gone, whoever retires calls `hand_over`: while any worker sleeps, one polls or is about to.
///
/// Thread safety: the worker's functions from worker `w` only, the others from any thread.
class idle_set {
 public:
  /// For so long may the poller's role be free while others sleep.
  static constexpr duration tick = std::chrono::milliseconds{1};

  /// `kick` ends the sleep in a set. It is called between begin_poll and end_poll; it may come
  /// late, when that worker is awake again.
  using kick_function = void (*)(void* argument, std::uint32_t set) noexcept;
  idle_set(std::uint32_t workers, kick_function kick, void* argument);

  // The worker's side.

  /// It is out of work, and looks elsewhere.
  void search() noexcept { searching_.fetch_add(1); }
  /// Ends a search with work. True for the last searcher, which calls wake_one: there may be more.
  [[nodiscard]] bool found() noexcept { return searching_.fetch_sub(1) == 1; }
  /// Where to sleep; parked means on no set.
  struct berth {
    sleep_role role = sleep_role::parked;
    std::uint32_t set = 0;
  };
  /// Ends a search without; in the set `wanted` if it is free. Requires: the caller looks once more
  /// before it sleeps, and as the standby sleeps until `relief` at most.
  berth announce(std::uint32_t w, bool searching, std::uint32_t wanted) noexcept;
  /// Sleeps on the park of `w`, which is for the role parked.
  void park(std::uint32_t w, time_point deadline) noexcept;
  /// When the standby has to look again; `now`: it has to end its sleep, since there has been no
  /// poller for a tick.
  [[nodiscard]] time_point relief(time_point now) noexcept;
  /// True if a waker has ended the sleep already, maybe an earlier one. Never sleeps.
  [[nodiscard]] bool roused(std::uint32_t w, sleep_role role) noexcept {
    return role == sleep_role::parked ? places_[w].park.try_wait() : take_poll(w);
  }
  /// It is about to sleep where only `kick` reaches it. False: it was signalled before.
  [[nodiscard]] bool begin_poll(std::uint32_t w) noexcept;
  void end_poll(std::uint32_t w) noexcept { places_[w].poll_word.store(nothing); }
  /// Ends the sleep. True if a waker has ended it: then the worker is searching.
  [[nodiscard]] bool retire(std::uint32_t w, time_point now) noexcept;
  /// False once a waker has ended the sleep of `w`.
  [[nodiscard]] bool asleep(std::uint32_t w) noexcept;
  /// Wakes somebody to be the poller, if there is none and nobody will see to that soon.
  void hand_over() noexcept;

  // The waker's side.

  /// Wakes one worker, unless all are awake or one is searching already. True if it did.
  bool wake_one() noexcept {
    return sleepers_.load() != 0 && searching_.load() == 0 && wake_some();
  }
  /// Wakes this worker if it sleeps.
  void wake(std::uint32_t w) noexcept;
  /// Wakes the poller, if there is one.
  void wake_poller() noexcept;
  /// Wakes all.
  void wake_all() noexcept;
  /// Kicks the sleeper of that set again, for somebody who has seen its kick. Nobody, if none
  /// sleeps there: whoever was meant is awake, and each kick of a set that is lent ends another
  /// sleep.
  void pass_on(std::uint32_t set) noexcept {
    if (held(set)) kick_(argument_, set);
  }

  // What others ask.

  [[nodiscard]] std::uint32_t sleepers() const noexcept { return sleepers_.load(); }
  /// Somebody sees the events of one set at least.
  [[nodiscard]] bool polled() const noexcept { return in_place_.load() != 0; }
  /// Somebody sleeps in that set, or has been woken there just now.
  [[nodiscard]] bool held(std::uint32_t set) const noexcept {
    return (in_place_.load() & (first_set << set)) != 0;
  }
  /// There is a poller.
  [[nodiscard]] bool watched() const noexcept { return (in_place_.load() & 1U) != 0; }

 private:
  enum : std::uint32_t { none = ~0U, first_set = 4 };
  enum poll_state : std::uint8_t { nothing, token, in_poll };
  struct place {
    core::park park;
    atomic<poll_state> poll_word{nothing};
    bool asleep = false;  // guarded by mutex_
  };
  struct called {
    std::uint32_t w;
    berth at;
  };

  [[nodiscard]] bool take_poll(std::uint32_t w) noexcept;
  bool wake_some() noexcept;
  /// It polls, and has been signalled.
  [[nodiscard]] bool leaving(std::uint32_t w) const noexcept WEIR_REQUIRES(mutex_) {
    return w != none && !places_[w].asleep;
  }
  [[nodiscard]] berth berth_of(std::uint32_t w) const noexcept WEIR_REQUIRES(mutex_);
  [[nodiscard]] std::uint32_t polling_sleeper() const noexcept WEIR_REQUIRES(mutex_);
  called call(std::uint32_t w) noexcept WEIR_REQUIRES(mutex_);
  void note_places() noexcept WEIR_REQUIRES(mutex_);
  void remove(std::uint32_t w) noexcept WEIR_REQUIRES(mutex_);
  void signal(const called& one) noexcept;

  const std::uint32_t workers_;
  const kick_function kick_;
  void* const argument_;
  atomic<std::uint32_t> sleepers_{0};  // written under the mutex
  atomic<std::uint32_t> searching_{0};
  atomic<std::uint32_t> in_place_{0};  // a poller: 1, a standby: 2, somebody in a set: from 4 on
  mutex mutex_;
  std::uint32_t poller_ WEIR_GUARDED_BY(mutex_) = none;
  std::uint32_t standby_ WEIR_GUARDED_BY(mutex_) = none;
  std::uint32_t holders_[2] WEIR_GUARDED_BY(mutex_) = {none, none};  // of the sets
  time_point left_ WEIR_GUARDED_BY(mutex_) = time_point::min();  // when a poller last went to work
  bool often_ WEIR_GUARDED_BY(mutex_) = false;  // and the one before it was less than a tick ago
  bool looks_ WEIR_GUARDED_BY(mutex_) = false;  // the standby does, within a tick
  std::uint32_t parked_count_ WEIR_GUARDED_BY(mutex_) = 0;
  const std::unique_ptr<std::uint32_t[]> parked_;  // guarded by mutex_; a stack: warm ones first
  const std::unique_ptr<place[]> places_;
};

}  // namespace weir::core
