#include <algorithm>

#include <sched.h>
#include <time.h>

#include <weir/core/sync/mutex.hpp>

namespace weir::core {

void mutex::lock_contended() noexcept {
  constexpr int spins = 40;   // a critical section is some twenty instructions
  constexpr int yields = 20;  // the holder was preempted: let it run
  constexpr long longest_sleep_ns = 100'000;
  long sleep_ns = 5'000;
  for (int round = 0;; ++round) {
    // Reading before exchanging keeps the line shared while somebody else holds the lock. relaxed:
    // the exchange below is what acquires.
    if (!locked_.load(std::memory_order_relaxed) &&
        !locked_.exchange(true, std::memory_order_acquire)) {
      return;
    }
    if (round < spins) {
      cpu_relax();
    } else if (round < spins + yields) {
      sched_yield();
    } else {
      // Under SCHED_FIFO a yielding waiter of higher priority would starve the holder for ever.
      const timespec slice{.tv_sec = 0, .tv_nsec = sleep_ns};
      clock_nanosleep(CLOCK_MONOTONIC, 0, &slice, nullptr);
      sleep_ns = std::min(sleep_ns * 2, longest_sleep_ns);
    }
  }
}

}  // namespace weir::core
