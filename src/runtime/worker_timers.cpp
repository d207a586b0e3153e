#include "runtime/worker_timers.hpp"

#include <algorithm>

#include "runtime/runtime_core.hpp"

namespace weir::core {

worker_timers::worker_timers(runtime_core& owner, std::uint32_t index) noexcept
    : core_(owner), index_(index) {}

worker_timers::kick::kick(worker_timers& owner) noexcept
    : wakeable([](wakeable& self) noexcept {
        worker_timers& timers = static_cast<kick&>(self).timers;
        {
          lock_guard guard{timers.mutex_};
          timers.kick_.pending = false;
        }
        timers.core_.idle.wake(timers.index_);
        timers.core_.visitors.fetch_sub(1);  // last: the runtime may be gone after this
      }),
      timers(owner) {}

void worker_timers::store_next() noexcept {
  next_.store(heap_.next().time_since_epoch().count());
}

void worker_timers::arm(timer_node& node, time_point when,
                        wake_list& wakes) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  ++armed_;
  if (!heap_.arm(node, when)) return;
  store_next();
  // The worker itself looks at its timers before it sleeps.
  if (core_.here() == core_.workers[index_].get() || kick_.pending) return;
  kick_.pending = true;
  core_.visitors.fetch_add(1);
  wakes.push(kick_);
}

bool worker_timers::disarm(timer_node& node) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  if (!heap_.disarm(node)) return false;
  --armed_;
  store_next();
  return true;
}

std::size_t worker_timers::expire(time_point now) noexcept {
  // In slices of time, so that a million timers that are due do not keep the guard for long.
  constexpr duration slice = std::chrono::microseconds{20};
  std::size_t expired = 0;
  while (next() <= now) {
    wake_list wakes;
    lock_guard guard{mutex_};
    if (heap_.empty()) return expired;
    const std::size_t some =
        heap_.expire(std::min(now, saturating_add(heap_.next(), slice)), wakes);
    armed_ -= some;
    expired += some;
    store_next();
  }
  return expired;
}

std::size_t worker_timers::armed() const noexcept {
  lock_guard guard{mutex_};
  return armed_;
}

}  // namespace weir::core
