#include <algorithm>
#include <memory>
#include <new>

#include <weir/core/sync/thread.hpp>
#include <weir/retry/retry.hpp>

namespace weir {

retry_operation::until_waiter::until_waiter(retry_operation& owner) noexcept
    : core::waiter([](core::wakeable& self) noexcept {
        auto& woken = static_cast<until_waiter&>(self);
        woken.op.interrupt(&woken.woken);
      }),
      op(owner) {}

retry_operation::retry_operation(retry& owner) noexcept
    : core::timer_node([](core::timer_node& node, core::wake_list& wakes) noexcept {
        auto& self = static_cast<retry_operation&>(node);
        self.queued_ = false;
        self.grant(wakes);
      }),
      core::context_callback(owner.settings_.while_draining == while_draining::stop
                                 ? context_level::draining
                                 : context_level::cancelled,
                             [](core::context_callback& self) noexcept {
                               static_cast<retry_operation&>(self).interrupt(nullptr);
                             }),
      owner_(owner) {}

/// None: it is the loop that tells how its context ended. Not inline, since g++ would follow the
/// null into code that a wait without a context never reaches, and warn.
core::context_state* retry_operation::bound() noexcept {
  return nullptr;
}

void retry_operation::bind(core::timer_service* timers, clock&) noexcept {
  unwatch();  // of an earlier wait that another case of its select won
  // The loop's own clock, also where a context that never ends leaves the choice to the waiter.
  timers_ = owner_.clock_.timers() != nullptr ? owner_.clock_.timers() : timers;
  ready_ = owner_.decided_now(wake_at_);
  if (!ready_) watch();
}

time_point retry_operation::deadline() noexcept {
  return timers_ == nullptr ? wake_at_ : time_point::max();
}

void retry_operation::enqueue(core::waiter& who, std::uint32_t index,
                              core::wake_list& wakes) noexcept {
  who_ = &who;
  index_ = index;
  queued_ = true;
  if (timers_ != nullptr) timers_->arm(*this, wake_at_, wakes);
}

void retry_operation::withdraw(core::wake_list&) noexcept {
  if (queued_) leave();
}

/// With the guard held.
void retry_operation::leave() noexcept {
  queued_ = false;
  if (timers_ != nullptr) timers_->disarm(*this);
}

result<retry_attempt> retry_operation::take() {
  unwatch();
  return owner_.conclude();
}

/// Something other than the timer decides. `told` is set when nothing of this is touched any more
/// but the lock, whose last store a destructor may outrun.
void retry_operation::interrupt(bool* told) noexcept {
  core::wake_list wakes;
  core::lock_guard held{guard()};
  ready_ = true;
  if (told != nullptr) *told = true;
  if (!queued_) return;
  leave();
  grant(wakes);
}

void retry_operation::watch() noexcept {
  if (core::context_state* state = owner_.context_.state()) {
    watching_context_ = state->add_callback(*this);
    if (!watching_context_) {
      ready_ = true;
      return;
    }
    // The context's deadline ends the wait as well. By this timer, not the context's own: that may
    // stand in an executor which is about to go.
    wake_at_ = std::min(wake_at_, state->deadline());
  }
  if (owner_.settings_.until) watch_until();
}

void retry_operation::unwatch() noexcept {
  if (watching_until_) unwatch_until();
  if (watching_context_) {
    owner_.context_.state()->remove_callback(*this);
    watching_context_ = false;
  }
}

retry_operation::until_waiter& retry_operation::until() noexcept {
  static_assert(sizeof(until_waiter) <= sizeof(retry::granted));
  return *std::launder(reinterpret_cast<until_waiter*>(owner_.attempt_));
}

void retry_operation::watch_until() noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  const core::wait_case until = owner_.settings_.until.as_case();
  if (until.bind != nullptr) until.bind(until.op, timers_, owner_.clock_);
  if (until.watched != nullptr) watch_deadline(*until.watched);
  void* const room = owner_.block();
  bool committed = false;
  {
    core::wake_list wakes;
    core::lock_guard held{until.guard(until.op)};
    committed = until.try_locked(until.op, wakes);
    if (!committed) {
      auto* const waits = new (room) until_waiter{*this};
      waits->arm();
      until.enqueue(until.op, *waits, 0, wakes);
    }
  }
  watching_until_ = !committed;
  if (committed) {
    owner_.until_ready_ = true;
    interrupt(nullptr);
  } else if (until.deadline != nullptr) {
    wake_at_ = std::min(wake_at_, until.deadline(until.op));
  }
}

/// The deadline of a context that `until` waits for the end of, by this timer likewise. A manual
/// clock keeps it itself.
void retry_operation::watch_deadline(core::context_state& watched) noexcept {
  if (core::timer_service* kept = watched.time().timers()) {
    watched.arm_deadline(*kept);
  } else {
    wake_at_ = std::min(wake_at_, watched.deadline());
  }
}

void retry_operation::unwatch_until() noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  watching_until_ = false;
  const core::wait_case until = owner_.settings_.until.as_case();
  if (until.watched != nullptr && until.watched->deadline() <= until.watched->time().now()) {
    until.watched->expire();  // which claims our waiter, if it still waits
  }
  if (this->until().claim(0)) {
    // A thread on real time is the timer of its operations, of this one too.
    if (until.deadline != nullptr && until.deadline(until.op) <= owner_.clock_.now()) {
      owner_.until_ready_ = true;
    }
    core::wake_list wakes;
    core::lock_guard held{until.guard(until.op)};
    until.withdraw(until.op, wakes);
  } else {
    owner_.until_ready_ = true;
    // Whoever granted is on its way to interrupt(): outlast it.
    for (int round = 0;; core::wait_a_little(round++)) {
      core::lock_guard held{guard()};
      if (this->until().woken) break;
    }
  }
  std::destroy_at(&this->until());
}

}  // namespace weir
