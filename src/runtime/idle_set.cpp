#include "runtime/idle_set.hpp"

#include <weir/core/assert.hpp>

namespace weir::core {

idle_set::idle_set(std::uint32_t workers, void (*kick)(void*) noexcept, void* argument)
    : workers_(workers),
      kick_(kick),
      argument_(argument),
      parked_(std::make_unique<std::uint32_t[]>(workers)),
      places_(std::make_unique<place[]>(workers)) {}

sleep_role idle_set::announce(std::uint32_t w, bool searching, time_point now) noexcept {
  sleep_role role = sleep_role::parked;
  {
    lock_guard guard{mutex_};
    WEIR_ASSERT(!places_[w].asleep, "a worker announced its sleep twice");
    places_[w].asleep = true;
    if (poller_ == none) {
      role = sleep_role::poller;
      poller_ = w;
      poller_seen_.store(true);
    } else {
      parked_[parked_count_++] = w;
      if (standby_ == none && often_ && now < saturating_add(left_, tick)) {
        role = sleep_role::standby;
        standby_ = w;
      }
    }
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
  if (due <= now) return now;
  return poller_ == none ? due : saturating_add(now, tick);
}

bool idle_set::begin_poll() noexcept {
  poll_state seen = nothing;
  if (poll_word_.compare_exchange_strong(seen, in_poll)) return true;
  poll_word_.store(nothing);
  return false;
}

bool idle_set::take_poll() noexcept {
  if (poll_word_.load() != token) return false;
  poll_word_.store(nothing);
  return true;
}

void idle_set::remove(std::uint32_t w) noexcept {
  places_[w].asleep = false;
  sleepers_.fetch_sub(1);
  if (poller_ == w) return;  // it keeps the role until it has retired
  if (standby_ == w) standby_ = none;
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
    poller_seen_.store(false);
    often_ = now < saturating_add(left_, tick);
    left_ = now;
  }
  return woken;
}

void idle_set::signal(std::uint32_t w, sleep_role role) noexcept {
  if (role != sleep_role::poller) {
    places_[w].park.wake();
  } else if (poll_word_.exchange(token) == in_poll) {
    kick_(argument_);
  }
}

bool idle_set::wake_some() noexcept {
  std::uint32_t chosen = none;
  sleep_role role = sleep_role::parked;
  {
    lock_guard guard{mutex_};
    if (sleepers_.load() == 0 || searching_.load() != 0) return false;
    // The poller last: whoever replaces it has to be woken too.
    if (parked_count_ != 0) {
      chosen = parked_[parked_count_ - 1];
    } else {
      chosen = poller_;  // asleep: it is the only one left that is counted
      role = sleep_role::poller;
    }
    remove(chosen);
    searching_.fetch_add(1);  // on its behalf
  }
  signal(chosen, role);
  return true;
}

void idle_set::wake(std::uint32_t w) noexcept {
  sleep_role role = sleep_role::parked;
  {
    lock_guard guard{mutex_};
    if (!places_[w].asleep) return;
    if (poller_ == w) role = sleep_role::poller;
    remove(w);
    searching_.fetch_add(1);
  }
  signal(w, role);
}

bool idle_set::asleep(std::uint32_t w) noexcept {
  lock_guard guard{mutex_};
  return places_[w].asleep;
}

void idle_set::wake_all() noexcept {
  for (std::uint32_t w = 0; w < workers_; ++w) wake(w);
}

void idle_set::hand_over(bool brief) noexcept {
  std::uint32_t chosen = none;
  {
    lock_guard guard{mutex_};
    if (poller_ != none || parked_count_ == 0) return;
    if (brief && standby_ != none) return;
    chosen = parked_[parked_count_ - 1];
    remove(chosen);
    searching_.fetch_add(1);
  }
  signal(chosen, sleep_role::parked);
}

}  // namespace weir::core
