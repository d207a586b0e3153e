#include <algorithm>
#include <utility>

#include <weir/pool/core.hpp>

/// Idle times and lifetimes: one timer per pool, at the next moment that something may be due. A
/// slot that was lent meanwhile makes it fire for nothing, which is cheaper than moving it at each
/// loan.
namespace weir::core {

pool_core::maintenance_timer::maintenance_timer(pool_core& owner) noexcept
    : timer_node([](timer_node& node, wake_list& wakes) noexcept {
        wakes.push(static_cast<maintenance_timer&>(node));
      }),
      wakeable(
          [](wakeable& self) noexcept { static_cast<maintenance_timer&>(self).pool.maintain(); }),
      pool(owner) {}

time_point pool_core::due_at(const pool_slot& slot) const noexcept {
  time_point due = slot.retire_at_;
  if (options_.max_idle_time) {
    due = std::min(due, saturating_add(slot.idle_since_, *options_.max_idle_time));
  }
  return due;
}

void pool_core::arm_maintenance(wake_list& wakes) noexcept {
  time_point next = time_point::max();
  if (armed_on_ == nullptr) {
    for (pool_slot* s = idle_.front(); s != nullptr; s = idle_.next(*s)) {
      next = std::min(next, due_at(*s));
    }
  } else if (pool_slot* newest = idle_.front()) {
    // Armed for all the others. Only the newest can be due before: by its lifetime.
    next = due_at(*newest);
    if (next >= armed_for_) return;
    disarm_maintenance();
    if (armed_on_ != nullptr) return;  // it has just expired, and will look at all of them
  }
  if (next == time_point::max()) return;
  armed_on_ = &home_.where.timers();
  armed_for_ = next;
  armed_alive_ = shared_from_this();
  lock_guard guard{armed_on_->guard()};
  armed_on_->arm(timer_, next, wakes);
}

void pool_core::disarm_maintenance() noexcept {
  if (armed_on_ == nullptr) return;
  lock_guard guard{armed_on_->guard()};
  if (!armed_on_->disarm(timer_)) return;
  armed_on_ = nullptr;
  armed_alive_.reset();  // not the last: whoever called us holds one
}

void pool_core::maintain() noexcept {
  std::shared_ptr<pool_core> alive;
  const time_point now = clock_.now();
  wake_list wakes;
  lock_guard guard{mutex_};
  alive = std::move(armed_alive_);
  armed_on_ = nullptr;
  if (closed_) return;
  for (pool_slot* s = idle_.front(); s != nullptr;) {
    pool_slot* next = idle_.next(*s);
    if (due_at(*s) <= now) {
      intrusive_list<pool_slot>::unlink(*s);
      --stats_.idle;
      retire(*s, s->retire_at_ <= now ? close_cause::lifetime : close_cause::idle_time, wakes);
    }
    s = next;
  }
  arm_maintenance(wakes);
}

}  // namespace weir::core
