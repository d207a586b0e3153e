#include "runtime/runtime_core.hpp"
#include "runtime/worker.hpp"

namespace weir::core {
namespace {

constexpr duration poll_interval = std::chrono::microseconds{200};
constexpr duration watch_interval = std::chrono::milliseconds{2};  // while nobody polls
constexpr std::size_t lopsided = 64;                               // queued items

}  // namespace

bool worker::expire_due() noexcept {
  if (timers_.next() == time_point::max()) return false;
  return timers_.expire(core_.time.now()) != 0;
}

/// What a set has to tell that is another worker's.
void worker::look_at(std::uint32_t set) noexcept {
  wake_list wakes;
  const reactor::polled seen = core_.reactor.look(set, wakes);
  if (seen.kicked) core_.idle.pass_on(set);
}

/// Whoever slept there is at work, maybe in one long run.
void worker::look_at_free_sets() noexcept {
  if (!core_.reactor.in_use()) return;
  for (std::uint32_t set = 0; set < core_.reactor.sets(); ++set) {
    if (!core_.idle.held(set)) look_at(set);
  }
}

/// An event of its set should wait no longer than it takes to wake another worker, and then some.
void worker::lend_if_long_at_work(duration at_work) noexcept {
  if (sharing_ == sharing::alone || at_work < 2 * core_.waking.estimate()) return;
  if (!core_.reactor.in_use() || core_.reactor.lent(set_)) return;
  if (core_.idle.held(set_) || !core_.idle.polled()) return;
  core_.reactor.lend(set_);
  // Whoever has come to sleep there meanwhile takes it back, or is seen here (seq_cst: lend, then
  // look; announce, then look). Both would be told of each kick, and take it from each other.
  if (core_.idle.held(set_)) core_.reactor.take_back(set_);
}

void worker::look_around() noexcept {
  const time_point now = monotonic_now();
  look_period_ = policy_.measured(look_period_, now);
  until_look_ = look_period_;
  expire_due();
  // A ring that is more than half full overflows soon, and that moves a thousand at once.
  const bool room = ring_.size() < ring_.capacity / 2;
  if (work* item = take_injected(room ? injected_batch : 2)) push(*item);
  lend_if_long_at_work(now - woke_);
  if (now - last_poll_ >= poll_interval) {
    last_poll_ = now;
    if (core_.reactor.in_use() && !core_.idle.held(set_)) look_at(set_);
  }
  // While a worker sleeps, one of them watches.
  if (sharing_ == sharing::alone || core_.idle.polled()) return;
  if (now - last_watch_ >= watch_interval) {
    last_watch_ = now;
    look_at_free_sets();
    if (work* item = watch_others(false)) push(*item);
  }
}

work* worker::steal_from(worker& victim) noexcept {
  std::array<work*, steal_most> loot;
  const std::size_t count = victim.ring_.steal(loot);
  if (count == 0) return nullptr;
  worker_counters::add(counters_.stolen, count);
  for (std::size_t i = 1; i < count; ++i) push(*loot[i]);
  return loot[0];
}

work* worker::watch_others(bool idle) noexcept {
  core_.held.look(core_, monotonic_now());
  for (std::uint32_t i = 0; i < seen_.size(); ++i) {
    if (i == index_) continue;
    worker& other = *core_.workers[i];
    // relaxed: a figure that is a little old is as good.
    const std::uint64_t executed = other.counters_.executed.load(std::memory_order_relaxed);
    const bool stuck = executed == seen_[i];
    seen_[i] = executed;
    if (stuck) {
      // In one long run, or asleep: then it has nothing that is due.
      if (other.timers_.next() != time_point::max()) other.timers_.expire(core_.time.now());
      if (other.slot_.load() != nullptr) {
        if (work* item = other.slot_.exchange(nullptr)) return item;
      }
    }
    // Queued for a whole interval, so there is more than one worker can do.
    const std::size_t queued = other.ring_.size();
    if (queued > (idle || stuck ? 0 : 2 * ring_.size() + lopsided)) {
      if (work* item = steal_from(other)) return item;
    }
  }
  return nullptr;
}

}  // namespace weir::core
