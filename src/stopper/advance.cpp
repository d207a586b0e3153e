#include <algorithm>
#include <utility>

#include "stopper/stopper_core.hpp"

namespace weir::core {

time_point stopper_core::advance(closing where) noexcept {
  for (;;) {
    const time_point now = time().now();
    time_point below = time_point::max();
    for (const gate_reference& child : children()) {
      below = std::min(below, static_cast<stopper_core*>(child.get())->advance(where));
    }
    time_point next = time_point::max();
    step due = step::rest;
    {
      lock_guard guard{mutex_};
      due = decide(now, next);
    }
    switch (due) {
      case step::rest:
        return std::min(next, below);
      case step::again:
        break;
      case step::cancel:
        log(log_level::info, "cancels its tasks");
        finishing_.cancel(error{errc::cancelled, "the stopper is stopping"}, site_);
        break;
      case step::close:
        log(log_level::info, "runs its closers");
        retain();  // until run_closers has returned
        if (where == closing::here) {
          run_closers();
        } else {
          blocking().execute(closing_);
        }
        break;
      case step::finish:
        finish();
        break;
      case step::heartbeat:
        beat(now);
        break;
    }
  }
}

stopper_core::step stopper_core::decide(time_point now, time_point& next) noexcept {
  const step due = decide_phase(now, next);
  if (due != step::rest || phase_ == phase::stopped || finishing_up_) return due;
  if (now >= next_beat_) {
    next_beat_ = time_point::max();  // until this one is written
    return step::heartbeat;
  }
  next = std::min(next, next_beat_);
  return step::rest;
}

stopper_core::step stopper_core::decide_phase(time_point now, time_point& next) noexcept {
  switch (phase_) {
    case phase::running:
    case phase::stopped:
      break;
    case phase::draining:
      if (!stopping_) break;
      if (drained_ && told_ && children_.empty()) return enter_closing(now);
      if (now >= drain_until_) return enter_cancelling(now);
      next = drain_until_;
      break;
    case phase::cancelling:
      if ((drained_ && told_ && children_.empty()) || now >= cancel_until_) {
        return enter_closing(now);
      }
      next = cancel_until_;
      break;
    case phase::closing:
      if (finishing_up_) break;
      if ((closers_ran_ && drained_ && children_.empty()) || now >= close_until_) {
        finishing_up_ = true;
        return step::finish;
      }
      next = close_until_;
      break;
  }
  return step::rest;
}

stopper_core::step stopper_core::enter_cancelling(time_point now) noexcept {
  phase_ = phase::cancelling;
  cancelled_ = now;
  exits_.cancelled_all(now);
  at_cancel_ = live_.count();
  const bool asked_for = budgets_.drain <= duration::zero();
  hurried_ = at_cancel_ > 0 && !asked_for;
  return step::cancel;
}

stopper_core::step stopper_core::enter_closing(time_point now) noexcept {
  phase_ = phase::closing;
  closing_at_ = now;
  closers_ran_ = closers_.empty();
  return closers_ran_ ? step::again : step::close;
}

void stopper_core::finish() noexcept {
  report_ = make_report();
  log(log_level::info, "has stopped");
  // Whoever is woken below may destroy the stopper and its runtime: everything else comes first.
  finishing_.cancel(error{errc::cancelled, "the stopper has stopped"}, site_);
  {
    news out;
    {
      lock_guard guard{mutex_};
      phase_ = phase::stopped;
      changed(out);
    }
    if (out.parent != nullptr) out.parent->child_stopped(*this);
  }
  stopped_.set();
}

}  // namespace weir::core
