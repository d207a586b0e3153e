#include <algorithm>
#include <utility>

#include <weir/core/assert.hpp>
#include <weir/pool/core.hpp>

/// Who gets a resource, and what becomes of one that comes home.
namespace weir::core {

namespace {

// Opening and closing the cells costs more than a few locks.
constexpr int calm_before_cells = 16;

}  // namespace

// ---- acquiring ----------------------------------------------------------------------------------

pool_queue::limits pool_core::busy_limits() const noexcept {
  if (paused_) return {};
  const std::size_t most = adaptive_ ? std::min(adaptive_->limit(), max_open_) : max_open_;
  const std::size_t normal = most - std::min(most, options_.reserved_high);
  return {most, normal, normal - std::min(normal, options_.reserved_normal)};
}

bool pool_core::stale(const pool_slot& slot) const noexcept {
  return options_.validate_after && !slot.known_good_ &&
         clock_.now() - slot.idle_since_ >= *options_.validate_after;
}

bool pool_core::hopeless(acquire_base& op) noexcept {
  // Whoever would be the first to wait is let in: the prediction must not keep itself alive.
  const std::size_t ahead = queue_.ahead_of(op.rank());
  if (options_.hopeless == hopeless_waits::admit || ahead == 0 || op.bound_ == nullptr)
    return false;
  const time_point deadline = op.bound_->deadline();
  if (deadline == time_point::max() || &op.bound_->time() != &clock_) return false;
  if (stats_.open + stats_.opening < max_open_ && stats_.in_use < busy_limits()[op.rank()]) {
    return false;  // more are about to be opened
  }
  const auto predicted = opening_.predicted_wait(ahead + 1, stats_.in_use);
  if (!predicted || *predicted <= deadline - clock_.now()) return false;
  op.predicted_ = *predicted;
  return true;
}

void pool_core::open_cells() noexcept {
  if (stamped_ || counted_ || max_idle_ < max_open_ || closed_ || paused_ || over_limit()) return;
  if (cells_open_ || queue_.size() != 0) return;
  cells_open_ = true;
  cells_.open(epoch_);
}

void pool_core::empty_cells(pool_cells::then next) noexcept {
  if (!cells_open_) return;
  cells_open_ = next == pool_cells::then::stay_open;
  calm_ = 0;
  const std::size_t moved = cells_.empty(idle_, next);
  stats_.in_use -= moved;
  stats_.idle += moved;
}

bool pool_core::try_acquire_locked(acquire_base& op) noexcept {
  if (closed_) {
    op.refusal_ = acquire_base::refusal::closed;
    return true;
  }
  if (idle_.empty()) empty_cells(pool_cells::then::stay_open);
  // Whoever comes home goes to a waiter who may have it: whoever may have an idle one is the first.
  pool_slot* slot = idle_.front();
  if (slot != nullptr && stats_.in_use < busy_limits()[op.rank()] && !stale(*slot)) {
    intrusive_list<pool_slot>::unlink(*slot);
    --stats_.idle;
    ++stats_.in_use;
    op.slot_ = slot;
    return true;
  }
  if (options_.max_waiters && queue_.size() >= *options_.max_waiters) {
    ++stats_.refused;
    op.refusal_ = acquire_base::refusal::queue_full;
    return true;
  }
  if (hopeless(op)) {
    ++stats_.hopeless;
    op.refusal_ = acquire_base::refusal::hopeless;
    return true;
  }
  return false;
}

void pool_core::enqueue(acquire_base& op, waiter& who, std::uint32_t index,
                        wake_list& wakes) noexcept {
  op.set(who, index);
  op.task_ = task_record::current();
  op.waiting_since_ = clock_.now();
  empty_cells(pool_cells::then::close);  // from here on everything goes through the queue
  if (queue_.size() == 0) last_served_ = op.waiting_since_;
  queue_.push(op);
  ++stats_.waits;
  if (options_.deadlock_after && look_for_deadlock_ == time_point::max()) {
    look_for_deadlock_ = saturating_add(op.waiting_since_, *options_.deadlock_after);
  }
  serve(wakes);  // what is idle is too old to be lent unchecked
  request_errand(wakes);
}

void pool_core::withdraw(acquire_base& op) noexcept {
  if (!op.linked()) return;
  queue_.remove(op);
  ++stats_.abandoned;
}

bool pool_core::refuse(acquire_base& op, acquire_base::refusal how, const error* why,
                       wake_list& wakes) noexcept {
  queue_.remove(op);
  op.refusal_ = how;
  if (why != nullptr) op.why_ = *why;
  if (op.grant(wakes)) return true;
  op.refusal_ = acquire_base::refusal::none;  // it went elsewhere, and withdraws under this lock
  op.why_.reset();
  ++stats_.abandoned;
  return false;
}

pool_slot* pool_core::try_acquire() noexcept {
  if (pool_slot* near = cells_.take()) return near;
  lock_guard guard{mutex_};
  if (idle_.empty()) empty_cells(pool_cells::then::stay_open);
  pool_slot* slot = closed_ ? nullptr : idle_.front();
  const auto normal = static_cast<std::size_t>(pool_priority::normal);
  if (slot == nullptr || stats_.in_use >= busy_limits()[normal] || stale(*slot)) return nullptr;
  intrusive_list<pool_slot>::unlink(*slot);
  --stats_.idle;
  ++stats_.in_use;
  return slot;
}

void pool_core::lent(pool_slot& slot, const std::source_location& site,
                     time_point waiting_since) noexcept {
  constexpr std::uint64_t one_in = 64;
  // relaxed: see pool_slot.
  constexpr auto relaxed = std::memory_order_relaxed;
  const std::uint64_t turn = slot.turns_.load(relaxed) + 1;
  slot.turns_.store(turn, relaxed);
  slot.holder_.store(site, relaxed);
  slot.task_.store(task_record::current(), relaxed);
  if (turn / 2 % one_in == 0 || options_.hooks != nullptr) measure_loan(slot, site, waiting_since);
}

void pool_core::measure_loan(pool_slot& slot, const std::source_location& site,
                             time_point waiting_since) noexcept {
  if (slot.lent_at_ == time_point{}) slot.lent_at_ = clock_.now();
  if (options_.hooks == nullptr) return;
  duration waited{};
  if (waiting_since != time_point{}) waited = slot.lent_at_ - waiting_since;
  options_.hooks->on_acquire(name_, waited, site);
}

// Here, beside `lent`, to become one function with it.
pool_slot& acquire_base::take_slot() noexcept {
  pool_slot& slot = *slot_;
  pool_.lent(slot, site_, waiting_since_);
  return slot;
}

// ---- coming home --------------------------------------------------------------------------------

void pool_core::serve(wake_list& wakes) noexcept {
  if (queue_.size() != 0 && !idle_.empty()) serve_at(clock_.now(), wakes);
}

void pool_core::serve_at(time_point now, wake_list& wakes) noexcept {
  const auto limits = busy_limits();
  while (pool_slot* slot = idle_.front()) {
    acquire_base* op = queue_.next(stats_.in_use, limits);
    if (op == nullptr) return;
    if (stale(*slot)) {
      if (queue_.size() <= preparing_) return;
      intrusive_list<pool_slot>::unlink(*slot);
      --stats_.idle;
      ++stats_.in_use;
      ++preparing_;
      to_check_.push_back(*slot);
      request_errand(wakes);
      continue;
    }
    queue_.remove(*op);
    op->slot_ = slot;  // before the grant: the waiter may run as soon as it is claimed and woken
    slot->lent_at_ = now;
    // relaxed: see pool_slot. The loan that begins here is known by the turn that it will have.
    slot->seen_turn_ = slot->turns_.load(std::memory_order_relaxed) + 1;
    slot->seen_at_ = now;
    slot->reported_ = false;
    if (op->grant(wakes)) {
      intrusive_list<pool_slot>::unlink(*slot);
      --stats_.idle;
      ++stats_.in_use;
      times_.wait.add(now - op->waiting_since_);
    } else {
      op->slot_ = nullptr;  // it went elsewhere, and withdraws under this lock
      slot->lent_at_ = time_point{};
      slot->seen_turn_ = 0;
      ++stats_.abandoned;
    }
  }
}

void pool_core::trim_idle(wake_list& wakes) noexcept {
  while (stats_.idle > max_idle_ || (stats_.idle > 0 && over_limit())) {
    pool_slot* oldest = idle_.back();
    intrusive_list<pool_slot>::unlink(*oldest);
    --stats_.idle;
    retire(*oldest, close_cause::surplus, wakes);
  }
}

void pool_core::come_home(pool_slot& slot, time_point now, wake_list& wakes) noexcept {
  if (closed_) return retire(slot, close_cause::shutdown, wakes);
  if (slot.epoch_ != epoch_) return retire(slot, close_cause::flushed, wakes);
  if (over_limit()) return retire(slot, close_cause::surplus, wakes);
  if (stamped_) {
    slot.idle_since_ = now;
    if (now >= slot.retire_at_) return retire(slot, close_cause::lifetime, wakes);
  }
  idle_.push_front(slot);
  ++stats_.idle;
  if (queue_.size() != 0) {
    serve_at(now, wakes);
    if (adaptive_) request_errand(wakes);  // it may have grown beyond what is open
  }
  trim_idle(wakes);
  if (queue_.size() == 0 && !cells_open_ && ++calm_ >= calm_before_cells) open_cells();
  if (stamped_ && !idle_.empty()) arm_for(due_at(*idle_.front()), wakes);
}

void pool_core::come_home_fresh(pool_slot& slot, wake_list& wakes) noexcept {
  slot.known_good_ = true;  // for those who wait now
  come_home(slot, clock_.now(), wakes);
  slot.known_good_ = false;
}

void pool_core::end_turn(pool_slot& slot) noexcept {
  // relaxed: see pool_slot.
  slot.turns_.store(slot.turns_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

void pool_core::end_loan(pool_slot& slot) noexcept {
  end_turn(slot);
  if (options_.hooks == nullptr) return;
  options_.hooks->on_return(name_, clock_.now() - slot.lent_at_, slot.holder_.load());
}

time_point pool_core::note_return(pool_slot& slot) noexcept {
  const bool waited_for = queue_.size() != 0;
  if (adaptive_) {
    using demand = adaptive_limit::demand;
    const bool full = stats_.in_use >= busy_limits()[0];
    adaptive_->returned(!waited_for ? demand::none
                        : full      ? demand::saturated
                                    : demand::filling,
                        clock_);
  }
  if (!waited_for && !stamped_ && slot.lent_at_ == time_point{}) return {};
  const time_point now = clock_.now();
  if (slot.lent_at_ != time_point{}) {
    times_.hold.add(now - slot.lent_at_);
    slot.lent_at_ = time_point{};
  }
  if (waited_for) {
    opening_.served(now - last_served_, stats_.in_use);
    last_served_ = now;
  }
  return now;
}

void pool_core::release(pool_slot& slot, then next) noexcept {
  if (next == then::reset || slot.lent_at_ != time_point{} || options_.hooks != nullptr) {
    return release_measured(slot, next);
  }
  end_turn(slot);
  if (pool_slot* const home = cells_.put(slot)) bring_home(*home);
}

/// The long way, where the figures are.
void pool_core::release_measured(pool_slot& slot, then next) noexcept {
  end_loan(slot);
  if (next == then::ready) return bring_home(slot);
  {
    lock_guard guard{mutex_};
    note_return(slot);
    ++preparing_;
  }
  start_reset(slot);
}

void pool_core::bring_home(pool_slot& slot) noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  const time_point now = note_return(slot);
  --stats_.in_use;
  come_home(slot, now, wakes);
}

void pool_core::made_ready(pool_slot& slot, bool good) noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  --preparing_;
  --stats_.in_use;
  if (good) {
    come_home_fresh(slot, wakes);
  } else {
    retire(slot, closed_ ? close_cause::shutdown : close_cause::bad, wakes);
    serve(wakes);
  }
}

void pool_core::discard(pool_slot& slot) noexcept {
  end_loan(slot);
  wake_list wakes;
  lock_guard guard{mutex_};
  note_return(slot);
  --stats_.in_use;
  retire(slot, closed_ ? close_cause::shutdown : close_cause::bad, wakes);
  serve(wakes);
}

void pool_core::detach(pool_slot& slot) noexcept {
  end_loan(slot);
  {
    wake_list wakes;
    lock_guard guard{mutex_};
    note_return(slot);
    intrusive_list<roll_entry>::unlink(slot.roll_);
    --stats_.in_use;
    --stats_.open;
    serve(wakes);
    request_errand(wakes);
    check_home(wakes);
  }
  delete &slot;
}

}  // namespace weir::core
