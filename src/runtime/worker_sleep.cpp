#include <algorithm>

#include "runtime/runtime_core.hpp"
#include "runtime/worker.hpp"

namespace weir::core {
namespace {

constexpr int search_rounds = 3;  // longer spinning takes cache lines from those who work
constexpr duration quiet_tick = std::chrono::milliseconds{10};
constexpr std::uint32_t quiet_ticks = 100;

}  // namespace

/// Called when the slot and the ring are empty. Null: the runtime stops, and nothing is left here.
work* worker::search() noexcept {
  bool searching = false;  // counted by idle_set
  bool ended = false;
  while (!ended) {
    work* item = take_injected(ring_.capacity / 2);
    if (item == nullptr && expire_due()) item = next_local();
    if (item == nullptr && sharing_ == sharing::shared) {
      if (!searching) core_.idle.search();
      searching = true;
      item = search_others();
    }
    if (item == nullptr) item = sleep(searching, ended);
    if (item == nullptr) continue;
    if (searching) end_search();
    return item;
  }
  if (searching) end_search();
  return nullptr;
}

void worker::end_search() noexcept {
  if (!core_.idle.found()) return;
  // Somebody may have seen us searching, and left what he brought to us: read after `found`.
  if (core_.injected.size() != 0 || policy_.worth_sharing(ring_.size())) core_.idle.wake_one();
}

work* worker::search_others() noexcept {
  const auto count = static_cast<std::uint32_t>(core_.workers.size());
  for (int round = 0; round < search_rounds; ++round) {
    random_ ^= random_ << 13U;
    random_ ^= random_ >> 17U;
    random_ ^= random_ << 5U;
    for (std::uint32_t i = 0; i < count; ++i) {
      worker& other = *core_.workers[(random_ + i) % count];
      if (&other == this || !other.policy_.worth_sharing(other.ring_.size())) continue;
      if (work* item = steal_from(other)) return item;
    }
    if (work* item = take_injected(ring_.capacity / 2)) return item;
    cpu_relax();
  }
  return nullptr;
}

/// What ends a sleep, looked for while still awake: a waker, or an event.
bool worker::roused(const idle_set::berth& at) noexcept {
  if (core_.idle.roused(index_, at.role)) return true;
  if (at.role == sleep_role::parked || !core_.reactor.in_use()) return false;
  wake_list wakes;
  return core_.reactor.poll(at.set, duration::zero(), wakes).descriptors != 0;
}

/// One sleep, from the announcement to the retirement.
work* worker::sleep(bool& searching, bool& ended) noexcept {
  const idle_set::berth at = core_.idle.announce(index_, searching, set_);
  if (at.role != sleep_role::parked) {
    set_ = at.set;
    core_.reactor.take_back(set_);
  }
  // The last look: whatever became visible before the announcement is found here, and whoever
  // makes something visible after it finds us asleep.
  work* item = take_injected(ring_.capacity / 2);
  if (item == nullptr && sharing_ == sharing::shared) item = search_others();
  const bool stopping = core_.stopping.load();
  if (item == nullptr && !stopping) {
    worker_counters::add(counters_.parks, 1);
    if (!linger_.look([&] { return roused(at); }, timers_.next())) {
      if (at.role == sleep_role::parked) {
        park();
      } else {
        item = poll(at);
      }
    }
  }
  woke_ = monotonic_now();
  policy_.slept(woke_);
  searching = core_.idle.retire(index_, woke_);
  linger_.slept(searching);
  if (searching) core_.waking.woken(woke_);
  if (!core_.idle.watched()) core_.idle.hand_over();
  leave_deep_sleep();
  if (item == nullptr) item = next_local();  // what events brought
  if (item != nullptr) lend_if_long_at_work(policy_.typical_run());
  // Timers that are left when the runtime ends expire early, and their tasks still run.
  if (item == nullptr && stopping && timers_.expire(time_point::max()) == 0) ended = true;
  return item;
}

duration worker::until(time_point when) const noexcept {
  if (when == time_point::max()) return duration::max();
  return std::max(duration::zero(), when - core_.time.now());
}

void worker::park() noexcept {
  const duration longest = until(timers_.next());
  core_.idle.park(index_, longest == duration::max() ? time_point::max()
                                                     : saturating_add(monotonic_now(), longest));
}

/// How long the poller may sleep before it looks at the others. While all have slept for a second
/// there is no limit: then whoever wakes first ends this sleep too.
duration worker::poll_limit(std::uint32_t& quiet) noexcept {
  if (sharing_ == sharing::alone) return duration::max();
  const auto all = static_cast<std::uint32_t>(core_.workers.size());
  if (core_.idle.sleepers() != all) {
    quiet = 0;
    return idle_set::tick;
  }
  if (++quiet < quiet_ticks) return quiet_tick;
  // seq_cst, like the other side in leave_deep_sleep: announce, then look.
  core_.deep.store(true);
  if (core_.idle.sleepers() == all) return duration::max();
  core_.deep.store(false);
  quiet = 0;
  return idle_set::tick;
}

void worker::leave_deep_sleep() noexcept {
  if (core_.deep.load() && core_.deep.exchange(false)) core_.idle.wake_poller();
}

/// How long the one who stands by may sleep; zero: it is to be the poller.
duration worker::standby_limit() noexcept {
  const time_point now = monotonic_now();
  const time_point end = core_.idle.relief(now);
  return end == time_point::max() ? duration::max() : end - now;
}

work* worker::poll(const idle_set::berth& at) noexcept {
  const bool standby = at.role == sleep_role::standby;
  std::uint32_t quiet = 0;
  for (;;) {
    const duration limit = standby ? standby_limit() : poll_limit(quiet);
    if (standby && limit == duration::zero()) return nullptr;
    bool lent = false;
    if (core_.idle.begin_poll(index_)) {
      wake_list wakes;
      lent = core_.reactor.poll(at.set, std::min(limit, until(timers_.next())), wakes).lent;
      core_.idle.end_poll(index_);
    }
    if (!standby && limit == duration::max()) core_.deep.store(false);
    expire_due();
    if (lent) look_at(1 - at.set);
    if (work* item = next_local()) return item;
    if (!core_.idle.asleep(index_)) return nullptr;
    if (sharing_ == sharing::alone) continue;
    look_at_free_sets();
    if (work* item = next_local()) return item;
    if (standby) continue;
    if (work* item = watch_others(true)) return item;
    if (work* item = next_local()) return item;  // timers of a stuck worker
  }
}

}  // namespace weir::core
