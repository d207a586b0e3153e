// The seam's own algorithms: the shipped park and mutex, on the model's atomics and a model of the
// kernel's futex, whose waits may end for no reason. They are compiled here under other names,
// because the seam that everything else is compiled against is the model's.

#include <chrono>
#include <cstdint>

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <weir/core/sync/annotations.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/clock.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>
#include <weir/core/sync/thread.hpp>

#include "explorer/model.hpp"

namespace {

long model_futex(long call, std::uint32_t* word, int what, std::uint32_t value,
                 const timespec* until, void*, std::uint32_t) {
  static_cast<void>(call);
  if ((what & FUTEX_CMD_MASK) == FUTEX_WAKE) {
    weir::model::futex_wake(word, value);
    return 0;
  }
  auto deadline = weir::model::time_point::max();
  if (until != nullptr) {
    deadline = weir::model::time_point{std::chrono::seconds(until->tv_sec) +
                                       std::chrono::nanoseconds(until->tv_nsec)};
  }
  if (weir::model::futex_wait(word, value, deadline)) return 0;
  errno = ETIMEDOUT;
  return -1;
}

}  // namespace

#define park shipped_park
#define mutex shipped_mutex
#define lock_guard shipped_lock_guard
#define syscall model_futex
#include "../../include/weir/core/sync/mutex.hpp"
#include "../../include/weir/core/sync/park.hpp"
#include "../../src/core/sync/mutex.cpp"
#include "../../src/core/sync/park.cpp"
#undef park
#undef mutex
#undef lock_guard
#undef syscall

namespace {

using namespace weir;
using namespace std::chrono_literals;

WEIR_MODEL(a_park_loses_no_wake_and_survives_spurious_ones, .spurious = 2) {
  core::shipped_park bed;
  core::shipped_park other;
  model::threads(
      [&] {
        bed.wait();
        other.wake();
        bed.wait();
      },
      [&] {
        bed.wake();
        other.wait();
        bed.wake();
      });
  model::check(!bed.try_wait(), "each wait took one token");
}

WEIR_MODEL(two_wakes_before_a_wait_are_one) {
  core::shipped_park bed;
  model::threads([&] { bed.wake(); }, [&] { bed.wake(); }, [&] { bed.wait(); });
  static_cast<void>(bed.try_wait());
  model::check(!bed.try_wait(), "at most one token is left");
}

WEIR_MODEL(a_park_that_times_out_takes_the_token_or_leaves_it) {
  core::shipped_park bed;
  bool taken = false;
  model::threads([&] { taken = bed.wait_until(model::execution::current.now() + 1ms); },
                 [&] { bed.wake(); });
  model::check(taken != bed.try_wait(), "the token was taken or is there");
  model::sometimes(taken, "the wake came first");
  model::sometimes(!taken, "the deadline came first");
}

WEIR_MODEL(a_park_may_be_destroyed_as_soon_as_its_wait_returned) {
  auto* bed = new core::shipped_park;
  model::threads(
      [&] {
        bed->wait();
        delete bed;
      },
      [&] { bed->wake(); });
}

WEIR_MODEL(a_mutex_excludes, .bound = 2) {
  core::shipped_mutex lock;
  core::atomic<int> inside{0};
  const auto enter = [&] {
    for (int i = 0; i < 2; ++i) {
      const core::shipped_lock_guard guard(lock);
      model::check(inside.fetch_add(1) == 0, "two threads are inside");
      inside.fetch_sub(1);
    }
  };
  model::threads(enter, enter);
}

WEIR_MODEL(the_next_holder_of_a_mutex_may_destroy_it) {
  struct latch {
    core::shipped_mutex lock;
    bool done = false;
  };
  auto* shared = new latch;
  model::threads(
      [&] {
        const core::shipped_lock_guard guard(shared->lock);
        shared->done = true;
      },
      [&] {
        for (;;) {
          {
            const core::shipped_lock_guard guard(shared->lock);
            if (shared->done) break;
          }
          core::cpu_relax();
        }
        delete shared;
      });
}

}  // namespace
