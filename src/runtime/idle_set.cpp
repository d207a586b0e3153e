#include "runtime/idle_set.hpp"

#include <algorithm>

#include <weir/core/assert.hpp>

namespace weir::core {

idle_set::idle_set(std::uint32_t workers, void (*kick)(void*) noexcept, void* argument)
    : workers_(workers),
      kick_(kick),
      argument_(argument),
      parked_(std::make_unique<std::uint32_t[]>(workers)),
      places_(std::make_unique<place[]>(workers)) {}

void idle_set::note_places() noexcept {
  in_place_.store(
      static_cast<std::uint8_t>((poller_ != none ? 1U : 0U) | (standby_ != none ? 2U : 0U)));
}

sleep_role idle_set::announce(std::uint32_t w, bool searching) noexcept {
  sleep_role role = sleep_role::parked;
  {
    lock_guard guard{mutex_};
    WEIR_ASSERT(!places_[w].asleep, "a worker announced its sleep twice");
    places_[w].asleep = true;
    // Who polls beside one that was signalled would take its kick again and again.
    const bool may_join = !leaving(poller_) && !leaving(standby_);
    if (may_join && poller_ == none) {
      role = sleep_role::poller;
      poller_ = w;
    } else if (may_join && standby_ == none) {
      role = sleep_role::standby;
      standby_ = w;
      looks_ = true;  // it asks for `relief` before it sleeps
    } else {
      parked_[parked_count_++] = w;
    }
    note_places();
    sleepers_.fetch_add(1);
  }
  // Only now: a waker that still saw us searching relies on the look that comes after this.
  if (searching) searching_.fetch_sub(1);
  return role;
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
  last_in_.store(w, std::memory_order_relaxed);
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

bool idle_set::awaited(std::uint32_t w) noexcept {
  lock_guard guard{mutex_};
  for (const std::uint32_t other : {poller_, standby_}) {
    if (other == none || other == w) continue;
    if (leaving(other)) return true;
    // A signal for an earlier sleep of it that came late: the next one has to kick again.
    poll_state late = token;
    places_[other].poll_word.compare_exchange_strong(late, in_poll);
  }
  return false;
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
  note_places();
  return woken;
}

sleep_role idle_set::role_of(std::uint32_t w) const noexcept {
  if (poller_ == w) return sleep_role::poller;
  return standby_ == w ? sleep_role::standby : sleep_role::parked;
}

/// Who of those that poll is to be woken; none if none of them sleeps.
std::uint32_t idle_set::polling_sleeper() const noexcept {
  const std::uint32_t last = last_in_.load(std::memory_order_relaxed);
  if (role_of(last) != sleep_role::parked && places_[last].asleep) return last;
  if (poller_ != none && places_[poller_].asleep) return poller_;
  return standby_ != none && places_[standby_].asleep ? standby_ : none;
}

/// It is awake from now on, and searches. The caller signals it, without the lock.
sleep_role idle_set::call(std::uint32_t w) noexcept {
  const sleep_role role = role_of(w);
  remove(w);
  searching_.fetch_add(1);  // on its behalf
  return role;
}

void idle_set::signal(std::uint32_t w, sleep_role role) noexcept {
  if (role == sleep_role::parked) {
    places_[w].park.wake();
  } else if (places_[w].poll_word.exchange(token) == in_poll) {
    kick_(argument_);
  }
}

bool idle_set::wake_some() noexcept {
  std::uint32_t chosen = none;
  sleep_role role = sleep_role::parked;
  {
    lock_guard guard{mutex_};
    if (sleepers_.load() == 0 || searching_.load() != 0) return false;
    // Those that poll last: they have to be replaced.
    chosen = parked_count_ != 0 ? parked_[parked_count_ - 1] : polling_sleeper();
    role = call(chosen);
  }
  signal(chosen, role);
  return true;
}

void idle_set::wake(std::uint32_t w) noexcept {
  sleep_role role = sleep_role::parked;
  {
    lock_guard guard{mutex_};
    if (!places_[w].asleep) return;
    role = call(w);
  }
  signal(w, role);
}

void idle_set::wake_poller() noexcept {
  std::uint32_t chosen = none;
  {
    lock_guard guard{mutex_};
    if (poller_ == none || !places_[poller_].asleep) return;
    chosen = poller_;
    call(chosen);
  }
  signal(chosen, sleep_role::poller);
}

bool idle_set::asleep(std::uint32_t w) noexcept {
  lock_guard guard{mutex_};
  return places_[w].asleep;
}

void idle_set::wake_all() noexcept {
  for (std::uint32_t w = 0; w < workers_; ++w) wake(w);
}

void idle_set::hand_over() noexcept {
  std::uint32_t chosen = none;
  sleep_role role = sleep_role::parked;
  {
    lock_guard guard{mutex_};
    if (poller_ != none) return;
    // It sees to that by itself, or when it has retired.
    if (standby_ != none && (looks_ || leaving(standby_))) return;
    chosen = parked_count_ != 0 ? parked_[parked_count_ - 1] : standby_;
    if (chosen == none) return;
    role = call(chosen);
  }
  signal(chosen, role);
}

}  // namespace weir::core
