// Planted bugs of waiting and waking. Each body has the bug or, with planted == false, the cure.

#include <utility>

#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

/// The waiter publishes that it sleeps after it looked at the flag, and never looks again.
WEIR_PLANTED(lost_wake_up, "deadlock") {
  core::atomic<bool> ready{false};
  core::atomic<bool> sleeping{false};
  core::park bed;
  model::threads(
      [&] {
        if (ready.load()) return;
        sleeping.store(true);
        if (!planted && ready.load()) return;
        bed.wait();
      },
      [&] {
        ready.store(true);
        if (sleeping.load()) bed.wake();
      });
}

struct queued_semaphore {
  core::mutex lock;
  core::atomic<int> units{0};
  core::park* waiter = nullptr;

  bool try_acquire() {
    int seen = units.load();
    while (seen > 0) {
      if (units.compare_exchange_strong(seen, seen - 1)) return true;
    }
    return false;
  }

  void release() {
    core::park* woken = nullptr;
    units.fetch_add(1);
    {
      const core::lock_guard guard(lock);
      woken = std::exchange(waiter, nullptr);
    }
    if (woken != nullptr) woken->wake();
  }
};

/// try, enqueue, sleep: a unit that arrives between the first two meets an empty queue.
WEIR_PLANTED(missing_recheck_after_enqueue, "deadlock") {
  queued_semaphore s;
  core::park bed;
  model::threads(
      [&] {
        while (!s.try_acquire()) {
          {
            const core::lock_guard guard(s.lock);
            s.waiter = &bed;
          }
          if (!planted && s.try_acquire()) {
            const core::lock_guard guard(s.lock);
            s.waiter = nullptr;
            return;
          }
          bed.wait();
        }
      },
      [&] { s.release(); });
}

struct small_event {
  core::mutex lock;
  bool set = false;
  core::park bed;

  bool is_set() {
    const core::lock_guard guard(lock);
    return set;
  }
};

/// The waiter sees the flag, returns and frees the event before the setter wakes through it.
WEIR_PLANTED(notify_after_unlock_onto_freed, "was freed") {
  auto* event = new small_event;
  model::threads(
      [&] {
        while (!event->is_set()) event->bed.wait();
        delete event;
      },
      [&] {
        if (planted) {
          {
            const core::lock_guard guard(event->lock);
            event->set = true;
          }
          event->bed.wake();
        } else {
          const core::lock_guard guard(event->lock);
          event->set = true;
          event->bed.wake();
        }
      });
}

/// The same on a stack: nothing is freed, the frame just ends.
WEIR_PLANTED(wake_of_a_stack_frame_that_ended, "wake touched park") {
  core::atomic<core::park*> waiter{nullptr};
  core::atomic<bool> ready{false};
  model::threads(
      [&] {
        core::park bed;
        waiter.store(&bed);
        if (planted && ready.load()) return;
        bed.wait();
      },
      [&] {
        while (waiter.load() == nullptr) core::cpu_relax();
        ready.store(true);
        waiter.load()->wake();
      });
}

/// A wait that times out although it was granted drops the grant instead of passing it on.
WEIR_PLANTED(grant_lost_by_a_timeout, "deadlock", .timeouts = 1) {
  enum : int { waiting, granted, gone };
  struct ticket {
    core::atomic<int> state{waiting};
    core::park bed;
  };
  ticket first;
  ticket second;
  const auto grant = [](ticket& to) {
    int expected = waiting;
    if (!to.state.compare_exchange_strong(expected, granted)) return false;
    to.bed.wake();
    return true;
  };
  const auto deadline = core::monotonic_now() + 5ms;
  model::threads(
      [&] {
        if (first.bed.wait_until(deadline)) {
          grant(second);  // our turn is over: the next one's begins
          return;
        }
        if (first.state.exchange(gone) == waiting) return;
        if (planted) return;
        first.bed.wait();  // the waker is about to leave its token
        grant(second);
      },
      [&] { second.bed.wait(); },
      [&] {
        if (!grant(first)) grant(second);
      });
}

/// Cancel and grant both believe that they have completed the wait.
WEIR_PLANTED(cancel_against_grant, "a unit was lost") {
  enum : int { waiting, granted, cancelled };
  core::atomic<int> state{waiting};
  core::atomic<int> units{1};
  model::threads(
      [&] {  // the releaser hands its unit over
        if (planted) {
          if (state.load() != waiting) return;
          units.fetch_sub(1);
          state.store(granted);
        } else {
          int expected = waiting;
          if (state.compare_exchange_strong(expected, granted)) units.fetch_sub(1);
        }
      },
      [&] {
        if (planted) {
          if (state.load() == waiting) state.store(cancelled);
        } else {
          int expected = waiting;
          state.compare_exchange_strong(expected, cancelled);
        }
      });
  const int held = state.load() == granted ? 1 : 0;
  model::check(units.load() + held == 1, "a unit was lost");
}

/// `if` around a wait that may return for no reason.
WEIR_PLANTED(spurious_wake_up_taken_for_a_wake, "woke before it was told to") {
  core::atomic<std::uint32_t> word{0};
  model::threads(
      [&] {
        if (planted) {
          if (word.load() == 0) model::futex_wait(&word, 0, model::time_point::max());
        } else {
          while (word.load() == 0) model::futex_wait(&word, 0, model::time_point::max());
        }
        model::check(word.load() == 1, "a thread woke before it was told to");
      },
      [&] {
        word.store(1);
        model::futex_wake(&word, 1);
      });
}

/// One wake for two kinds of waiters: it may reach the one that cannot use it.
WEIR_PLANTED(wake_one_reaches_the_wrong_waiter, "deadlock", .spurious = 0) {
  core::atomic<std::uint32_t> word{0};
  core::atomic<std::uint32_t> turn{0};  // who may go on
  const auto wait_for = [&](std::uint32_t mine) {
    while (turn.load() != mine) {
      const std::uint32_t seen = word.load();
      if (turn.load() == mine) break;
      model::futex_wait(&word, seen, model::time_point::max());
    }
  };
  const auto give_to = [&](std::uint32_t next) {
    turn.store(next);
    word.fetch_add(1);
    model::futex_wake(&word, planted ? 1 : 8);
  };
  model::threads([&] { wait_for(1); },
                 [&] {
                   wait_for(2);
                   give_to(1);
                 },
                 [&] { give_to(2); });
}

/// Two timers, and code that takes for granted that the earlier one is handled first.
WEIR_PLANTED(timers_in_the_order_of_their_deadlines, "the later timer came first") {
  core::atomic<int> handled{0};
  const auto begun = core::monotonic_now();
  const auto timer = [&](core::duration after, int place) {
    core::park bed;
    bed.wait_until(begun + after);
    if (planted) model::check(handled.load() == place, "the later timer came first");
    handled.fetch_add(1);
  };
  model::threads([&] { timer(1ms, 0); }, [&] { timer(2ms, 1); });
  model::check(handled.load() == 2, "both timers were handled");
}

/// A spinner whose condition nobody will ever fulfil.
WEIR_PLANTED(spin_without_end, "livelock", .steps = 2'000) {
  core::atomic<int> turn{0};
  model::threads(
      [&] {
        while (turn.load() != 1) core::cpu_relax();
      },
      [&] {
        int seen = turn.load();
        if (planted) {
          if (seen == 0) turn.store(2);
        } else {
          turn.store(1);
        }
      });
}

}  // namespace
