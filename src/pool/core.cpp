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
      stamped_(options.max_lifetime || options.max_idle_time || options.validate_after),
      counted_(options.min_idle != 0 || options.reserved_high + options.reserved_normal != 0 ||
               options.busy == busy_limit::adaptive),
      source_(at.where.time()),
      max_open_(options.max_open),
      max_idle_(options.max_idle.value_or(options.max_open)),
      opening_({.max_opening = std::max<std::size_t>(options.max_opening, 1),
                .open_timeout = options.open_timeout,
                .backoff_initial = options.backoff_initial,
                .backoff_max = options.backoff_max,
                .seed = options.seed}),
      jitter_(options.seed | 1U) {
  WEIR_ASSERT(options.max_open >= 1, "a pool needs max_open of at least 1");
  WEIR_ASSERT(options.reserved_high + options.reserved_normal < options.max_open,
              "a pool reserves all of max_open: nothing is left for low priority");
  if (options.busy == busy_limit::adaptive) adaptive_.emplace(options.max_open, 1);
}

pool_core::~pool_core() = default;

void pool_core::start() noexcept {
  if (home_.live != nullptr) home_.live->add(*this);
  wake_list wakes;
  lock_guard guard{mutex_};
  alive_ = shared_from_this();
  open_cells();
  if (options_.leak_after) {
    look_for_leaks_ = saturating_add(clock_.now(), std::max(*options_.leak_after / 4, duration{1}));
  }
  request_errand(wakes);
}

// ---- the errand: what is to be done without the lock ------------------------------------------

open_policy::figures pool_core::open_figures() noexcept {
  open_policy::figures f{};
  const std::size_t taken = stats_.open + stats_.opening;
  f.room = closed_ || taken >= max_open_ ? 0 : max_open_ - taken;
  // Being prepared they are in use, but come home first.
  f.waiting = queue_.size() == 0 ? 0 : queue_.servable(stats_.in_use - preparing_, busy_limits());
  f.live = stats_.open - stats_.closing;
  f.opening = stats_.opening;
  f.on_return = preparing_;
  f.idle = stats_.idle;
  f.min_idle = options_.min_idle;
  if (adaptive_) f.tried = adaptive_->limit();
  if (acquire_base* oldest = queue_.oldest()) f.oldest_wait = oldest->waiting_since_;
  return f;
}

bool pool_core::wants_open() noexcept {
  if (queue_.size() == 0 && stats_.idle + stats_.opening >= options_.min_idle) return false;
  const open_policy::figures f = open_figures();
  return f.room != 0 && opening_.wanted(f, clock_.now()) != 0;
}

void pool_core::request_errand(wake_list& wakes) noexcept {
  if (errand_.pending) return;
  if (to_close_.empty() && to_check_.empty() && !wants_open() && next_look() >= armed_for_) return;
  errand_.pending = true;
  errand_.alive = shared_from_this();
  wakes.push(errand_);
}

void pool_core::run_errand() noexcept {
  std::shared_ptr<pool_core> alive;
  for (;;) {
    pool_slot* closing = nullptr;
    pool_slot* checked = nullptr;
    {
      wake_list wakes;
      lock_guard guard{mutex_};
      if (errand_.alive != nullptr) alive = std::move(errand_.alive);
      closing = to_close_.pop_front();
      if (closing == nullptr) checked = to_check_.pop_front();
      if (closing == nullptr && checked == nullptr) {
        if (!wants_open()) {
          errand_.pending = false;
          if (look_for_deadlock_ != time_point::max()) end_deadlock(clock_.now(), wakes);
          if (const time_point next = next_look(); next < armed_for_) arm_for(next, wakes);
          return;
        }
        ++stats_.opening;
      }
    }
    if (closing != nullptr) {
      start_close(*closing);
    } else if (checked != nullptr) {
      start_check(*checked);
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
    case close_cause::flushed:
      ++stats_.closed_flushed;
      break;
    case close_cause::shutdown:
      ++stats_.closed_shutdown;
      break;
  }
  slot.cause_ = cause;
  intrusive_list<roll_entry>::unlink(slot.roll_);
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

// ---- what the tasks report ----------------------------------------------------------------------

void pool_core::open_begins(open_attempt& attempt) noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  attempt.covers = queue_.last_ticket();
  attempt.epoch = epoch_;
  opening_.began(attempt, clock_.now());
  arm_for(next_look(), wakes);
}

void pool_core::draw_lifetime(pool_slot& slot, time_point now) noexcept {
  // xorshift: drawn once per resource, so that checking again cannot move the limit.
  jitter_ ^= jitter_ << 13U;
  jitter_ ^= jitter_ >> 7U;
  jitter_ ^= jitter_ << 17U;
  const duration longest = options_.max_lifetime.value_or(duration::max());
  const auto tenth = longest / 10;
  const auto part = static_cast<double>(jitter_ >> 11U) / static_cast<double>(1ULL << 53U);
  const auto cut = duration{static_cast<duration::rep>(static_cast<double>(tenth.count()) * part)};
  slot.retire_at_ = saturating_add(now, longest - cut);
}

void pool_core::opened(open_attempt& attempt, pool_slot& slot) noexcept {
  const time_point now = clock_.now();
  const duration took = now - attempt.began;
  if (options_.hooks != nullptr) options_.hooks->on_open(name_, took, nullptr);
  wake_list wakes;
  lock_guard guard{mutex_};
  opening_.succeeded(attempt, now);
  --stats_.opening;
  ++stats_.open;
  ++stats_.opened;
  times_.open.add(took);
  roll_.push_back(slot.roll_);
  slot.epoch_ = attempt.epoch;
  if (options_.max_lifetime) draw_lifetime(slot, now);
  come_home_fresh(slot, wakes);
  request_errand(wakes);
}

void pool_core::tell_waiters(const open_attempt& attempt, const error& why,
                             wake_list& wakes) noexcept {
  // The first failure is one waiter's, and those behind get an attempt at once. When that fails
  // too, with nothing open that could serve them, all who hoped for it hear of it.
  const bool all = attempt.probe && stats_.open == stats_.closing;
  bool told = false;
  while (acquire_base* op = queue_.oldest()) {
    if (all ? op->ticket_ > attempt.covers : told) return;
    if (refuse(*op, acquire_base::refusal::open_failed, &why, wakes)) told = true;
  }
}

void pool_core::open_failed(open_attempt& attempt, const error& why) noexcept {
  const time_point now = clock_.now();
  if (options_.hooks != nullptr) options_.hooks->on_open(name_, now - attempt.began, &why);
  wake_list wakes;
  lock_guard guard{mutex_};
  --stats_.opening;
  if (!attempt.overdue) {
    ++stats_.open_failures;
    tell_waiters(attempt, why, wakes);
  }
  opening_.failed(attempt, now, why);
  request_errand(wakes);  // those behind get an attempt of their own
  check_home(wakes);
}

void pool_core::closed(close_cause why) noexcept {
  if (options_.hooks != nullptr) options_.hooks->on_close(name_, why);
  wake_list wakes;
  lock_guard guard{mutex_};
  --stats_.open;
  --stats_.closing;
  request_errand(wakes);
  check_home(wakes);
}

// ---- limits, stats ------------------------------------------------------------------------------

void pool_core::set_max_open(std::size_t max_open) noexcept {
  WEIR_ASSERT(max_open >= 1, "a pool needs max_open of at least 1");
  wake_list wakes;
  lock_guard guard{mutex_};
  if (max_idle_ == max_open_) max_idle_ = max_open;
  max_open_ = max_open;
  empty_cells(pool_cells::then::close);
  if (adaptive_) adaptive_->set_most(max_open);
  serve(wakes);
  trim_idle(wakes);
  request_errand(wakes);
}

void pool_core::set_max_idle(std::size_t max_idle) noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  max_idle_ = max_idle;
  empty_cells(pool_cells::then::close);
  trim_idle(wakes);
}

void pool_core::flush() noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  if (closed_) return;
  empty_cells(pool_cells::then::close);
  ++epoch_;  // what is lent, prepared or on its way is retired when it comes home
  while (pool_slot* slot = idle_.pop_front()) {
    --stats_.idle;
    retire(*slot, close_cause::flushed, wakes);
  }
  request_errand(wakes);
}

void pool_core::pause() noexcept {
  lock_guard guard{mutex_};
  paused_ = true;
  empty_cells(pool_cells::then::close);
}

void pool_core::resume() noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  paused_ = false;
  serve(wakes);
  request_errand(wakes);
}

pool_stats pool_core::stats() const noexcept {
  lock_guard guard{mutex_};
  pool_stats copy = stats_;
  copy.max_open = max_open_;
  copy.waiting = queue_.size();
  // One that moves between two cells meanwhile is counted twice.
  const std::size_t near = std::min(cells_.count(), copy.in_use);
  copy.in_use -= near;
  copy.idle += near;
  copy.busy_limit = busy_limits()[0];
  copy.down = opening_.down();
  copy.paused = paused_;
  return copy;
}

pool_times pool_core::times() const noexcept {
  lock_guard guard{mutex_};
  return times_;
}

std::string pool_core::describe() const {
  const pool_stats now = stats();
  return "open " + std::to_string(now.open) + " of " + std::to_string(now.max_open) + ", in use " +
         std::to_string(now.in_use) + ", idle " + std::to_string(now.idle) + ", waiting " +
         std::to_string(now.waiting) + (now.down ? ", server down" : "") +
         (now.paused ? ", paused" : "");
}

}  // namespace weir::core
