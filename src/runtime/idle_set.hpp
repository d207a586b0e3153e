#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include <weir/core/clock.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>

namespace weir::core {

/// How a worker sleeps: on its park, there but for a tick at a time, or as the one that watches
/// file descriptors for all.
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
/// Both roles have a token for that. A park has its own; the poller's is
///
///              signal                     signal: kicks
///   nothing ─────────► token    in_poll ───────────────► token
///   nothing ─────────► in_poll  any ───────────► nothing
///           begin_poll              take_poll, begin_poll, end_poll
///
/// The poller is one of the sleepers, and keeps the role until it has retired: two threads in one
/// epoll_wait would take each other's kicks. Whoever retires while nobody polls and others are
/// parked calls `hand_over`, so that while any worker sleeps, one polls or is about to.
///
/// If events come more often than once in a tick, that would wake a worker for each, mostly to
/// find nothing. Then one of the parked stands by: it wakes once in a tick and takes the role if
/// nobody has it. Who goes to work for a short time leaves it at that.
///
/// Thread safety: the worker's functions from worker `w` only, the others from any thread.
class idle_set {
 public:
  /// For so long may the poller's role be free while others sleep.
  static constexpr duration tick = std::chrono::milliseconds{1};

  /// `kick` ends the poller's sleep. It is called between begin_poll and end_poll; it may come
  /// late, when that worker is awake again.
  idle_set(std::uint32_t workers, void (*kick)(void*) noexcept, void* argument);

  // The worker's side.

  /// It is out of work, and looks elsewhere.
  void search() noexcept { searching_.fetch_add(1); }
  /// Ends a search with work. True for the last searcher, which calls wake_one: there may be more.
  [[nodiscard]] bool found() noexcept { return searching_.fetch_sub(1) == 1; }
  /// Ends a search without. Requires: the caller looks once more before it sleeps, and as the
  /// standby sleeps until `relief` at most.
  sleep_role announce(std::uint32_t w, bool searching, time_point now) noexcept;
  /// Sleeps on the park of `w`, which is not for the poller.
  void park(std::uint32_t w, time_point deadline) noexcept;
  /// When the standby has to look again; `now`: it has to end its sleep, since the poller has been
  /// away for a tick, or has stayed in its place for one.
  [[nodiscard]] time_point relief(time_point now) noexcept;
  /// True if a waker has ended the sleep already, maybe an earlier one. Never sleeps.
  [[nodiscard]] bool roused(std::uint32_t w, sleep_role role) noexcept {
    return role == sleep_role::poller ? take_poll() : places_[w].park.try_wait();
  }
  /// The poller is about to sleep where only `kick` reaches it. False: it was signalled before.
  [[nodiscard]] bool begin_poll() noexcept;
  void end_poll() noexcept { poll_word_.store(nothing); }
  /// Ends the sleep. True if a waker has ended it: then the worker is searching.
  [[nodiscard]] bool retire(std::uint32_t w, time_point now) noexcept;
  /// False once a waker has ended the sleep of `w`.
  [[nodiscard]] bool asleep(std::uint32_t w) noexcept;
  /// Passes the poller's role on, if it is free and others sleep. `brief`: the caller will be back
  /// soon, so that one who stands by is enough.
  void hand_over(bool brief) noexcept;

  // The waker's side.

  /// Wakes one worker, unless all are awake or one is searching already. True if it did.
  bool wake_one() noexcept {
    return sleepers_.load() != 0 && searching_.load() == 0 && wake_some();
  }
  /// Wakes this worker if it sleeps.
  void wake(std::uint32_t w) noexcept;
  /// Wakes all.
  void wake_all() noexcept;

  // What others ask.

  [[nodiscard]] std::uint32_t sleepers() const noexcept { return sleepers_.load(); }
  [[nodiscard]] bool has_poller() const noexcept { return poller_seen_.load(); }

 private:
  enum : std::uint32_t { none = ~0U };
  struct place {
    core::park park;
    bool asleep = false;  // guarded by mutex_
  };

  enum poll_state : std::uint8_t { nothing, token, in_poll };

  [[nodiscard]] bool take_poll() noexcept;
  bool wake_some() noexcept;
  void remove(std::uint32_t w) noexcept WEIR_REQUIRES(mutex_);
  void signal(std::uint32_t w, sleep_role role) noexcept;

  const std::uint32_t workers_;
  void (*kick_)(void*) noexcept;
  void* const argument_;
  atomic<std::uint32_t> sleepers_{0};  // written under the mutex
  atomic<std::uint32_t> searching_{0};
  atomic<bool> poller_seen_{false};  // poller_ != none
  atomic<poll_state> poll_word_{nothing};
  mutex mutex_;
  std::uint32_t poller_ WEIR_GUARDED_BY(mutex_) = none;
  std::uint32_t standby_ WEIR_GUARDED_BY(mutex_) = none;
  time_point left_ WEIR_GUARDED_BY(mutex_) = time_point::min();  // when a poller last went to work
  bool often_ WEIR_GUARDED_BY(mutex_) = false;  // and the one before it was less than a tick ago
  std::uint32_t parked_count_ WEIR_GUARDED_BY(mutex_) = 0;
  const std::unique_ptr<std::uint32_t[]> parked_;  // guarded by mutex_; a stack: warm ones first
  const std::unique_ptr<place[]> places_;
};

}  // namespace weir::core
