#include <algorithm>
#include <utility>

#include <weir/core/assert.hpp>
#include <weir/pool/core.hpp>

namespace weir::core {

pool_core::errand::errand(pool_core& owner) noexcept
    : wakeable([](wakeable& self) noexcept { static_cast<errand&>(self).pool.run_errand(); }),
      pool(owner) {}

pool_core::farewell::farewell(pool_core& owner) noexcept
    : wakeable([](wakeable& self) noexcept {
        pool_core& pool = static_cast<farewell&>(self).pool;
        permit stay;  // given back last: then the stopper and its runtime may go
        std::shared_ptr<pool_core> last;
        {
          lock_guard guard{pool.mutex_};
          last = std::move(pool.alive_);
          stay = std::move(pool.stay_);
        }
        if (pool.home_.live != nullptr) pool.home_.live->remove(pool);
        pool.all_home_.set();
      }),
      pool(owner) {}

pool_core::pool_core(const home& at, const pool_options& options)
    : home_(at),
      clock_(at.where.time()),
      name_(options.name),
      options_(options),
      stamped_(options.max_lifetime || options.max_idle_time),
      source_(at.where.time()),
      max_open_(options.max_open),
      max_idle_(options.max_idle.value_or(options.max_open)),
      jitter_(options.seed | 1U) {
  WEIR_ASSERT(options.max_open >= 1, "a pool needs max_open of at least 1");
}

pool_core::~pool_core() = default;

void pool_core::start() noexcept {
  if (home_.live != nullptr) home_.live->add(*this);
  wake_list wakes;
  lock_guard guard{mutex_};
  alive_ = shared_from_this();
  request_errand(wakes);
}

// ---- the errand: what is to be done without the lock ------------------------------------------

bool pool_core::wants_open() const noexcept {
  if (closed_ || stats_.open + stats_.opening >= max_open_) return false;
  return stats_.opening < stats_.waiting || stats_.idle + stats_.opening < options_.min_idle;
}

void pool_core::request_errand(wake_list& wakes) noexcept {
  if (errand_.pending || (!wants_open() && to_close_.empty())) return;
  errand_.pending = true;
  errand_.alive = shared_from_this();
  wakes.push(errand_);
}

void pool_core::run_errand() noexcept {
  std::shared_ptr<pool_core> alive;
  for (;;) {
    pool_slot* closing = nullptr;
    {
      lock_guard guard{mutex_};
      if (errand_.alive != nullptr) alive = std::move(errand_.alive);
      closing = to_close_.pop_front();
      if (closing == nullptr) {
        if (!wants_open()) {
          errand_.pending = false;
          return;
        }
        ++stats_.opening;
      }
    }
    if (closing != nullptr) {
      start_close(*closing);
    } else {
      start_open();
    }
  }
}

void pool_core::retire(pool_slot& slot, close_cause cause, wake_list& wakes) noexcept {
  switch (cause) {
    case close_cause::idle_time:
      ++stats_.closed_idle_time;
      break;
    case close_cause::lifetime:
      ++stats_.closed_lifetime;
      break;
    case close_cause::surplus:
      ++stats_.closed_surplus;
      break;
    case close_cause::bad:
      ++stats_.closed_bad;
      break;
    case close_cause::shutdown:
      ++stats_.closed_shutdown;
      break;
  }
  ++stats_.closing;
  to_close_.push_back(slot);
  request_errand(wakes);
}

bool pool_core::over_limit() const noexcept {
  return stats_.open - stats_.closing > max_open_;
}

void pool_core::check_home(wake_list& wakes) noexcept {
  if (!closed_ || farewell_.told || stats_.open + stats_.opening != 0) return;
  farewell_.told = true;
  wakes.push(farewell_);
}

// ---- acquiring ----------------------------------------------------------------------------------

bool pool_core::try_acquire_locked(acquire_base& op, wake_list&) noexcept {
  if (closed_) {
    op.refusal_ = acquire_base::refusal::closed;
    return true;
  }
  // Whoever comes home goes to a waiter first, so an idle slot means that nobody waits.
  if (pool_slot* slot = idle_.pop_front()) {
    --stats_.idle;
    ++stats_.in_use;
    op.slot_ = slot;
    return true;
  }
  if (options_.max_waiters && stats_.waiting >= *options_.max_waiters) {
    ++stats_.refused;
    op.refusal_ = acquire_base::refusal::queue_full;
    return true;
  }
  return false;
}

void pool_core::enqueue(acquire_base& op, waiter& who, std::uint32_t index,
                        wake_list& wakes) noexcept {
  op.set(who, index);
  op.waiting_since_ = clock_.now();
  waiters_.push_back(op);
  ++stats_.waiting;
  ++stats_.waits;
  request_errand(wakes);
}

void pool_core::withdraw(acquire_base& op) noexcept {
  if (!op.linked()) return;
  intrusive_list<wait_node>::unlink(op);
  --stats_.waiting;
  ++stats_.abandoned;
}

acquire_base* pool_core::pop_waiter() noexcept {
  auto* op = static_cast<acquire_base*>(waiters_.pop_front());
  if (op != nullptr) --stats_.waiting;
  return op;
}

pool_slot* pool_core::try_acquire() noexcept {
  lock_guard guard{mutex_};
  pool_slot* slot = closed_ ? nullptr : idle_.pop_front();
  if (slot != nullptr) {
    --stats_.idle;
    ++stats_.in_use;
  }
  return slot;
}

// ---- coming home --------------------------------------------------------------------------------

bool pool_core::hand_on(pool_slot& slot, wake_list& wakes) noexcept {
  while (acquire_base* op = pop_waiter()) {
    op->slot_ = &slot;  // before the grant: the waiter may run as soon as it is claimed and woken
    if (op->grant(wakes)) {
      ++stats_.in_use;
      return true;
    }
    op->slot_ = nullptr;  // it went elsewhere, and withdraws under this lock
    ++stats_.abandoned;
  }
  idle_.push_front(slot);
  ++stats_.idle;
  trim_idle(wakes);
  if (stamped_) arm_maintenance(wakes);
  return false;
}

void pool_core::trim_idle(wake_list& wakes) noexcept {
  while (stats_.idle > max_idle_ || (stats_.idle > 0 && over_limit())) {
    pool_slot* oldest = idle_.back();
    intrusive_list<pool_slot>::unlink(*oldest);
    --stats_.idle;
    retire(*oldest, close_cause::surplus, wakes);
  }
}

void pool_core::come_home(pool_slot& slot, wake_list& wakes) noexcept {
  --stats_.in_use;
  if (closed_) return retire(slot, close_cause::shutdown, wakes);
  if (over_limit()) return retire(slot, close_cause::surplus, wakes);
  if (stamped_) {
    slot.idle_since_ = clock_.now();
    if (slot.idle_since_ >= slot.retire_at_) return retire(slot, close_cause::lifetime, wakes);
  }
  hand_on(slot, wakes);
}

void pool_core::release(pool_slot& slot) noexcept {
  if (!usable(slot)) return discard(slot);
  if (needs_reset(slot)) return start_reset(slot);
  wake_list wakes;
  lock_guard guard{mutex_};
  come_home(slot, wakes);
}

void pool_core::reset_done(pool_slot& slot, bool clean) noexcept {
  if (!clean) return discard(slot);
  wake_list wakes;
  lock_guard guard{mutex_};
  come_home(slot, wakes);
}

void pool_core::discard(pool_slot& slot) noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  --stats_.in_use;
  retire(slot, closed_ ? close_cause::shutdown : close_cause::bad, wakes);
}

void pool_core::detach(pool_slot& slot) noexcept {
  {
    wake_list wakes;
    lock_guard guard{mutex_};
    --stats_.in_use;
    --stats_.open;
    request_errand(wakes);
    check_home(wakes);
  }
  delete &slot;
}

// ---- what the tasks report ----------------------------------------------------------------------

void pool_core::opened(pool_slot& slot) noexcept {
  const time_point now = clock_.now();
  wake_list wakes;
  lock_guard guard{mutex_};
  --stats_.opening;
  ++stats_.open;
  ++stats_.opened;
  slot.idle_since_ = now;
  if (options_.max_lifetime) {
    // xorshift: drawn once per resource, so that checking again cannot move the limit.
    jitter_ ^= jitter_ << 13U;
    jitter_ ^= jitter_ >> 7U;
    jitter_ ^= jitter_ << 17U;
    const auto tenth = *options_.max_lifetime / 10;
    const auto part = static_cast<double>(jitter_ >> 11U) / static_cast<double>(1ULL << 53U);
    const auto cut =
        duration{static_cast<duration::rep>(static_cast<double>(tenth.count()) * part)};
    slot.retire_at_ = saturating_add(now, *options_.max_lifetime - cut);
  }
  if (closed_) return retire(slot, close_cause::shutdown, wakes);
  hand_on(slot, wakes);
}

void pool_core::open_failed(const error& why) noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  --stats_.opening;
  ++stats_.open_failures;
  while (acquire_base* op = pop_waiter()) {
    op->open_error_ = why;
    op->refusal_ = acquire_base::refusal::open_failed;
    if (op->grant(wakes)) break;
    op->refusal_ = acquire_base::refusal::none;
    op->open_error_.reset();
    ++stats_.abandoned;
  }
  request_errand(wakes);  // those behind get an attempt of their own
  check_home(wakes);
}

void pool_core::closed() noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  --stats_.open;
  --stats_.closing;
  request_errand(wakes);
  check_home(wakes);
}

// ---- limits, closing, stats ---------------------------------------------------------------------

void pool_core::set_max_open(std::size_t max_open) noexcept {
  WEIR_ASSERT(max_open >= 1, "a pool needs max_open of at least 1");
  wake_list wakes;
  lock_guard guard{mutex_};
  if (max_idle_ == max_open_) max_idle_ = max_open;
  max_open_ = max_open;
  trim_idle(wakes);
  request_errand(wakes);
}

void pool_core::set_max_idle(std::size_t max_idle) noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  max_idle_ = max_idle;
  trim_idle(wakes);
}

void pool_core::begin_close() noexcept {
  source_.cancel(error{errc::closed, "the pool closes"});
  wake_list wakes;
  lock_guard guard{mutex_};
  if (closed_) return;
  closed_ = true;
  disarm_maintenance();
  while (acquire_base* op = pop_waiter()) {
    op->refusal_ = acquire_base::refusal::closed;
    op->grant(wakes);
  }
  while (pool_slot* slot = idle_.pop_front()) {
    --stats_.idle;
    retire(*slot, close_cause::shutdown, wakes);
  }
  check_home(wakes);
}

task<result<void>> pool_core::close(context bound) {
  const std::shared_ptr<pool_core> alive = shared_from_this();
  begin_close();
  auto home = co_await all_home_.wait(bound);
  if (home) co_return result<void>{};
  const pool_stats left = stats();
  co_return std::unexpected(
      error{errc::unavailable, "the pool '" + name_ + "' did not get all its resources back"}
          .with("open", static_cast<std::int64_t>(left.open))
          .with("in use", static_cast<std::int64_t>(left.in_use))
          .caused_by(std::move(home.error())));
}

pool_stats pool_core::stats() const noexcept {
  lock_guard guard{mutex_};
  pool_stats copy = stats_;
  copy.max_open = max_open_;
  return copy;
}

std::string pool_core::describe() const {
  const pool_stats now = stats();
  return "open " + std::to_string(now.open) + " of " + std::to_string(now.max_open) + ", in use " +
         std::to_string(now.in_use) + ", idle " + std::to_string(now.idle) + ", waiting " +
         std::to_string(now.waiting);
}

}  // namespace weir::core
