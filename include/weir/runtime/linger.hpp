#pragma once

#include <algorithm>
#include <chrono>

#include <weir/core/clock.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/clock.hpp>
#include <weir/core/sync/thread.hpp>

namespace weir::core {

/// Problem: two threads that hand work to and fro (a worker and a connection's thread) each sleep
/// for the few microseconds that the other works, and waking a sleeping processor costs more than
/// the work: 35 µs on a virtual machine, twice for a transaction of 25 µs.
///
/// Before it sleeps, a thread looks for a moment longer, if its last sleep turned out to be so
/// short that looking would have been cheaper. One long sleep ends it: an idle thread uses no
/// processor; and one that another process has ended, with an event: while the thread occupies its
/// processor the scheduler moves no database on the same machine there, which is where it should
/// be. Between two looks it gives the processor away, to whoever else wants to run on this one.
///
/// Thread safety: one owner. Cost: two clock readings per sleep.
/// Source: adaptive mutexes (Solaris), which spin by what the last wait cost.
class linger {
 public:
  /// Zero: never looks longer.
  explicit linger(duration longest) noexcept : longest_(longest) {}

  /// Calls `found()` again and again, until it says true or the moment, or `until`, is over.
  template <class F>
  bool look(F found, time_point until = time_point::max()) noexcept {
    if (longest_ == duration::zero()) return false;
    begun_ = monotonic_now();
    if (!short_) return false;
    const time_point end = std::min(until, begun_ + longest_);
    do {
      if (found()) return true;
      yield_thread();
    } while (monotonic_now() < end);
    return false;
  }

  /// The sleep after `look` is over, and another thread has ended it, or not.
  void slept(bool woken = true) noexcept {
    if (longest_ != duration::zero()) short_ = woken && monotonic_now() - begun_ < 2 * longest_;
  }

 private:
  duration longest_;
  time_point begun_{};
  bool short_ = false;
};

}  // namespace weir::core
