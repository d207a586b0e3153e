#include <algorithm>

#include <weir/core/assert.hpp>
#include <weir/core/clock.hpp>

namespace weir {
namespace {

class steady final : public clock {
 public:
  [[nodiscard]] time_point now() const noexcept override { return core::monotonic_now(); }
  [[nodiscard]] time_point coarse_now() const noexcept override { return core::coarse_now(); }
};

}  // namespace

time_point saturating_add(time_point start, duration length) noexcept {
  if (length > duration::zero() && start > time_point::max() - length) return time_point::max();
  if (length < duration::zero() && start < time_point::min() - length) return time_point::min();
  return start + length;
}

clock& steady_clock() noexcept {
  static constinit steady instance;
  return instance;
}

manual_clock::~manual_clock() {
  core::lock_guard guard{mutex_};
  WEIR_ASSERT(timers_.empty(), "a manual clock was destroyed while something waits on it");
}

time_point manual_clock::now() const noexcept {
  core::lock_guard guard{mutex_};
  return now_;
}

time_point manual_clock::next_timer() const noexcept {
  core::lock_guard guard{mutex_};
  return timers_.next();
}

void manual_clock::arm(core::timer_node& node, time_point when,
                       core::wake_list& wakes) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  // Due already: expire it at once, or nobody would before the next advance.
  timers_.arm(node, when);
  timers_.expire(now_, wakes);
}

bool manual_clock::disarm(core::timer_node& node) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  return timers_.disarm(node);
}

std::size_t manual_clock::advance_to(time_point target) noexcept {
  std::size_t expired = 0;
  for (;;) {
    // One point in time after the other: what a wake-up arms on the way is due in its turn.
    core::wake_list wakes;
    core::lock_guard guard{mutex_};
    const time_point next = timers_.next();
    if (timers_.empty() || next > target) {
      now_ = std::max(now_, target);
      return expired;
    }
    now_ = std::max(now_, next);
    expired += timers_.expire(now_, wakes);
  }
}

std::size_t manual_clock::advance(duration by) noexcept {
  WEIR_ASSERT(by >= duration::zero(), "a monotonic clock was moved backwards");
  return advance_to(saturating_add(now(), by));
}

bool manual_clock::advance_to_next() noexcept {
  const time_point next = next_timer();
  if (next == time_point::max()) return false;
  return advance_to(next) != 0;
}

}  // namespace weir
