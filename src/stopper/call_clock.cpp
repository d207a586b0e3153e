#include <weir/stopper/call_clock.hpp>

namespace weir::core {

call_clock::expiry::expiry(call_clock& of) noexcept
    : timer_node([](timer_node& self, wake_list&) noexcept {
        call_clock& owner = static_cast<expiry&>(self).owner;
        owner.known_.store(unknown, std::memory_order_relaxed);
        owner.keeping_.store(false);
      }),
      owner(of) {}

call_clock::call_clock(executor& where) noexcept : time_(where.time()), where_(where) {}

time_point call_clock::look(thread_calls& mine) noexcept {
  const time_point now = time_.coarse_now();
  if (time_.timers() != nullptr) return now;  // a test's clock: only it knows when time passes
  duration::rep known = known_.load(std::memory_order_relaxed);
  if (known != unknown) {
    // Not a store: the timer may have expired meanwhile, and then nobody would take it back.
    known_.compare_exchange_strong(known, now.time_since_epoch().count(),
                                   std::memory_order_relaxed);
  } else if (mine.calls_often(now)) {
    keep(now);
  }
  return now;
}

/// Makes the time known, until the timer says otherwise.
void call_clock::keep(time_point now) noexcept {
  if (keeping_.exchange(true)) return;
  timer_service& service = where_.timers();
  service_.store(&service);
  wake_list wakes;
  const lock_guard guard{service.guard()};
  known_.store(now.time_since_epoch().count(), std::memory_order_relaxed);
  service.arm(expiry_, saturating_add(now, valid), wakes);
}

void call_clock::close() noexcept {
  timer_service* const service = service_.load();
  if (service == nullptr) return;
  const lock_guard guard{service->guard()};
  if (expiry_.armed()) service->disarm(expiry_);
}

}  // namespace weir::core
