#include "runtime/idle_set.hpp"

#include <algorithm>

#include <weir/core/assert.hpp>

namespace weir::core {

idle_set::idle_set(std::uint32_t workers, kick_function kick, void* argument)
    : workers_(workers),
      kick_(kick),
      argument_(argument),
      parked_(std::make_unique<std::uint32_t[]>(workers)),
      places_(std::make_unique<place[]>(workers)) {}

void idle_set::note_places() noexcept {
  std::uint32_t now = (poller_ != none ? 1U : 0U) | (standby_ != none ? 2U : 0U);
  for (std::uint32_t set = 0; set < 2; ++set) {
    if (holders_[set] != none) now |= first_set << set;
  }
  in_place_.store(now);
}

idle_set::berth idle_set::announce(std::uint32_t w, bool searching, std::uint32_t wanted) noexcept {
  berth at;
  {
    lock_guard guard{mutex_};
    WEIR_ASSERT(!places_[w].asleep, "a worker announced its sleep twice");
    places_[w].asleep = true;
    if (poller_ == none) {
      at.role = sleep_role::poller;
      poller_ = w;
    } else if (standby_ == none) {
      at.role = sleep_role::standby;
      standby_ = w;
      looks_ = true;  // it asks for `relief` before it sleeps
    } else {
      parked_[parked_count_++] = w;
    }
    if (at.role != sleep_role::parked) {
      at.set = holders_[wanted] == none ? wanted : 1 - wanted;
      holders_[at.set] = w;
    }
    note_places();
    sleepers_.fetch_add(1);
  }
  // Only now: a waker that still saw us searching relies on the look that comes after this.
  if (searching) searching_.fetch_sub(1);
  return at;
}

void idle_set::park(std::uint32_t w, time_point deadline) noexcept {
  if (deadline == time_point::max()) {
    places_[w].park.wait();
  } else {
    places_[w].park.wait_until(deadline);
  }
}

time_point idle_set::relief(time_point now) noexcept {
  lock_guard guard{mutex_};
  const time_point due = saturating_add(left_, tick);
  if (poller_ == none) return std::max(due, now);
  looks_ = often_ && now < due;
  return looks_ ? saturating_add(now, tick) : time_point::max();
}

bool idle_set::begin_poll(std::uint32_t w) noexcept {
  poll_state seen = nothing;
  if (places_[w].poll_word.compare_exchange_strong(seen, in_poll)) return true;
  places_[w].poll_word.store(nothing);
  return false;
}

bool idle_set::take_poll(std::uint32_t w) noexcept {
  if (places_[w].poll_word.load() != token) return false;
  places_[w].poll_word.store(nothing);
  return true;
}

void idle_set::remove(std::uint32_t w) noexcept {
  places_[w].asleep = false;
  sleepers_.fetch_sub(1);
  if (poller_ == w || standby_ == w) return;  // it keeps the role until it has retired
  std::uint32_t at = 0;
  while (parked_[at] != w) ++at;
  --parked_count_;
  for (; at < parked_count_; ++at) parked_[at] = parked_[at + 1];
}

bool idle_set::retire(std::uint32_t w, time_point now) noexcept {
  lock_guard guard{mutex_};
  const bool woken = !places_[w].asleep;
  if (!woken) remove(w);
  if (poller_ == w) {
    poller_ = none;
    often_ = now < saturating_add(left_, tick);
    left_ = now;
  } else if (standby_ == w) {
    standby_ = none;
  }
  for (std::uint32_t& holder : holders_) {
    if (holder == w) holder = none;
  }
  note_places();
  return woken;
}

idle_set::berth idle_set::berth_of(std::uint32_t w) const noexcept {
  const std::uint32_t set = holders_[1] == w ? 1 : 0;
  if (poller_ == w) return {sleep_role::poller, set};
  if (standby_ == w) return {sleep_role::standby, set};
  return {};
}

/// Who of those that poll is to be woken, best the one who need not be replaced; none if none of
/// them sleeps.
std::uint32_t idle_set::polling_sleeper() const noexcept {
  if (standby_ != none && places_[standby_].asleep) return standby_;
  return poller_ != none && places_[poller_].asleep ? poller_ : none;
}

/// It is awake from now on, and searches. The caller signals it, without the lock.
idle_set::called idle_set::call(std::uint32_t w) noexcept {
  const berth at = berth_of(w);
  remove(w);
  searching_.fetch_add(1);  // on its behalf
  return {w, at};
}

void idle_set::signal(const called& one) noexcept {
  if (one.at.role == sleep_role::parked) {
    places_[one.w].park.wake();
  } else if (places_[one.w].poll_word.exchange(token) == in_poll) {
    kick_(argument_, one.at.set);
  }
}

bool idle_set::wake_some() noexcept {
  called chosen;
  {
    lock_guard guard{mutex_};
    if (sleepers_.load() == 0 || searching_.load() != 0) return false;
    // Those that poll last: they have to be replaced.
    chosen = call(parked_count_ != 0 ? parked_[parked_count_ - 1] : polling_sleeper());
  }
  signal(chosen);
  return true;
}

void idle_set::wake(std::uint32_t w) noexcept {
  called chosen;
  {
    lock_guard guard{mutex_};
    if (!places_[w].asleep) return;
    chosen = call(w);
  }
  signal(chosen);
}

void idle_set::wake_poller() noexcept {
  called chosen;
  {
    lock_guard guard{mutex_};
    if (poller_ == none || !places_[poller_].asleep) return;
    chosen = call(poller_);
  }
  signal(chosen);
}

bool idle_set::asleep(std::uint32_t w) noexcept {
  lock_guard guard{mutex_};
  return places_[w].asleep;
}

void idle_set::wake_all() noexcept {
  for (std::uint32_t w = 0; w < workers_; ++w) wake(w);
}

void idle_set::hand_over() noexcept {
  called chosen;
  {
    lock_guard guard{mutex_};
    if (poller_ != none) return;
    // It sees to that by itself, or when it has retired.
    if (standby_ != none && (looks_ || leaving(standby_))) return;
    const std::uint32_t who = parked_count_ != 0 ? parked_[parked_count_ - 1] : standby_;
    if (who == none) return;
    chosen = call(who);
  }
  signal(chosen);
}

}  // namespace weir::core
