#include <algorithm>
#include <utility>

#include <weir/pool/core.hpp>

#include "runtime/site_text.hpp"

/// What happens by itself: idle times, lifetimes, further opens, leases that are held too long. One
/// timer per pool, at the next moment at which something may be due. A slot that was lent meanwhile
/// makes it fire for nothing, which is cheaper than moving it at each loan.
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

time_point pool_core::next_look() noexcept {
  if (closed_) return time_point::max();
  return std::min({opening_.look_again(open_figures()), look_for_deadlock_, look_for_leaks_});
}

void pool_core::arm_for(time_point when, wake_list& wakes) noexcept {
  if (when >= armed_for_ || closed_) return;
  if (armed_on_ != nullptr) {
    disarm_maintenance();
    if (armed_on_ != nullptr) return;  // it has just expired, and will look at all of them
  }
  armed_on_ = &home_.where.timers();
  armed_for_ = when;
  armed_alive_ = shared_from_this();
  lock_guard guard{armed_on_->guard()};
  armed_on_->arm(timer_, when, wakes);
}

void pool_core::disarm_maintenance() noexcept {
  if (armed_on_ == nullptr) return;
  lock_guard guard{armed_on_->guard()};
  if (!armed_on_->disarm(timer_)) return;
  armed_on_ = nullptr;
  armed_for_ = time_point::max();
  armed_alive_.reset();  // not the last: whoever called us holds one
}

void pool_core::close_what_is_due(time_point now, wake_list& wakes) noexcept {
  time_point next = time_point::max();
  for (pool_slot* s = idle_.front(); s != nullptr;) {
    pool_slot* following = idle_.next(*s);
    if (const time_point due = due_at(*s); due > now) {
      next = std::min(next, due);
    } else {
      intrusive_list<pool_slot>::unlink(*s);
      --stats_.idle;
      retire(*s, s->retire_at_ <= now ? close_cause::lifetime : close_cause::idle_time, wakes);
    }
    s = following;
  }
  if (next != time_point::max()) arm_for(next, wakes);
}

void pool_core::maintain() noexcept {
  const time_point now = clock_.now();
  std::shared_ptr<pool_core> alive;
  bool leaks_due = false;
  {
    wake_list wakes;
    lock_guard guard{mutex_};
    alive = std::move(armed_alive_);
    armed_on_ = nullptr;
    armed_for_ = time_point::max();
    if (closed_) return;
    while (const open_attempt* stuck = opening_.find_overdue(now)) {
      ++stats_.open_failures;
      if (const auto& why = opening_.last_error()) tell_waiters(*stuck, *why, wakes);
    }
    end_deadlock(now, wakes);
    leaks_due = now >= look_for_leaks_;
    if (leaks_due) {
      look_for_leaks_ = saturating_add(
          now, std::max(options_.leak_after.value_or(duration::max()) / 4, duration{1}));
    }
    if (stamped_) close_what_is_due(now, wakes);
    request_errand(wakes);
  }
  if (leaks_due) report_leaks(now);
}

std::optional<pool_core::loan> pool_core::next_leak(time_point now) noexcept {
  for (roll_entry* e = roll_.front(); e != nullptr; e = roll_.next(*e)) {
    pool_slot& slot = e->slot;
    if (!look_at(slot, now) || slot.reported_) continue;
    if (now - slot.seen_at_ < options_.leak_after.value_or(duration::max())) continue;
    slot.reported_ = true;
    ++stats_.leaks;
    // relaxed: see pool_slot.
    return loan{.site = slot.holder_.load(std::memory_order_relaxed), .held = now - slot.seen_at_};
  }
  return std::nullopt;
}

void pool_core::report_leaks(time_point now) noexcept {
  for (;;) {
    std::optional<loan> found;
    {
      lock_guard guard{mutex_};
      found = next_leak(now);
    }
    if (!found) return;
    if (options_.hooks != nullptr) options_.hooks->on_leak(name_, found->held, found->site);
    log().write(log_level::warning, "pool '" + name_ + "': a lease has been held for " +
                                        to_text(found->held) + ", acquired at " +
                                        text_of(found->site));
  }
}

/// True deadlock as far as the pool can know: nothing is idle or on its way, and whoever holds
/// something waits here. Leases of threads count as neither: `task_` is null there.
void pool_core::end_deadlock(time_point now, wake_list& wakes) noexcept {
  if (now < look_for_deadlock_) return;
  look_for_deadlock_ = time_point::max();
  if (queue_.size() == 0) return;
  // relaxed: see pool_slot.
  constexpr auto relaxed = std::memory_order_relaxed;
  const duration pause =
      std::max(options_.deadlock_after.value_or(duration{}), duration{std::chrono::seconds{1}});
  look_for_deadlock_ = saturating_add(now, pause);
  if (stats_.opening + stats_.closing + preparing_ != 0 || paused_) return;
  if (stats_.in_use < busy_limits()[0]) return;
  acquire_base* told = nullptr;
  for (roll_entry* e = roll_.front(); e != nullptr; e = roll_.next(*e)) {
    if (e->slot.linked()) continue;  // idle
    const task_record* holder = e->slot.task_.load(relaxed);
    acquire_base* waits = nullptr;
    if (holder != nullptr && e->slot.turns_.load(relaxed) % 2 != 0) {
      queue_.for_each([&](acquire_base& op) {
        const bool long_enough = now - op.waiting_since_ >= *options_.deadlock_after;
        if (op.task_ == holder && long_enough) waits = &op;
      });
    }
    if (waits == nullptr) return;  // this one may come home by itself
    if (told == nullptr || waits->ticket_ < told->ticket_) {
      waits->holder_ = e->slot.holder_.load(relaxed);
      told = waits;
    }
  }
  if (told == nullptr) return;
  const error why{errc::would_deadlock,
                  "this task waits for what it holds: every resource of the pool is held by a task "
                  "that waits for another one"};
  if (refuse(*told, acquire_base::refusal::deadlock, &why, wakes)) ++stats_.deadlocks;
}

}  // namespace weir::core
