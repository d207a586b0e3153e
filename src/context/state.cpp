#include <algorithm>
#include <utility>

#include <weir/context/context.hpp>
#include <weir/context/state.hpp>
#include <weir/core/assert.hpp>
#include <weir/core/executor.hpp>
#include <weir/core/sync/thread.hpp>

namespace weir::core {

/// What one cancellation has gathered on its way down the tree, to be done without locks.
struct raise_pass {
  wake_list wakes;
  context_state* to_run = nullptr;
  context_state** tail = &to_run;

  void add(context_state& state) noexcept {
    state.next_to_run_ = nullptr;
    *tail = &state;
    tail = &state.next_to_run_;
  }
};

context_state::deadline_timer::deadline_timer(context_state& owner) noexcept
    : timer_node([](timer_node& node, wake_list& wakes) noexcept {
        wakes.push(static_cast<deadline_timer&>(node));
      }),
      wakeable([](wakeable& self) noexcept {
        context_state& expired = static_cast<deadline_timer&>(self).state;
        bool due = false;
        {
          wake_list wakes;
          lock_guard guard{expired.mutex_};
          const timer_service& gone = *std::exchange(expired.timers_, nullptr);
          due = expired.clock_->now() >= expired.deadline_;
          // A service that shuts down expires its timers early: others may still wait for it.
          const bool wanted = expired.handles_.load() != 0 || !expired.children_.empty();
          if (!due && !expired.cancelled() && wanted) {
            expired.hand_over_deadline(expired, gone, wakes);
          }
        }
        if (due) expired.expire();
        expired.unpin();
      }),
      state(owner) {}

context_state::context_state(context_state* parent, clock& time,
                             std::optional<time_point> own_deadline, storage where) noexcept
    : where_(where),
      depth_(parent != nullptr ? parent->depth_ + 1 : 1),
      parent_(parent),
      clock_(&time),
      deadline_(parent != nullptr ? parent->deadline_ : time_point::max()),
      deadline_owner_(parent != nullptr ? parent->deadline_owner_ : nullptr) {
  if (own_deadline && *own_deadline < deadline_) {
    deadline_ = *own_deadline;
    deadline_owner_ = this;
  }
  if (parent_ == nullptr) return;
  parent_->had_children_.store(true, std::memory_order_relaxed);
  lock_guard guard{parent_->mutex_};
  drain_owner_ = parent_->drain_owner_;
  cancel_owner_ = parent_->cancel_owner_;
  level_.store(parent_->level_.load(), std::memory_order_relaxed);  // nobody else sees us yet
  parent_->children_.push_back(*this);
}

context_state::~context_state() {
  WEIR_ASSERT(children_.empty() && callbacks_.empty() && drain_waiters_.empty(),
              "a context was freed while something hangs on it");
}

void context_state::release() noexcept {
  if (handles_.fetch_sub(1) != 1) return;
  WEIR_ASSERT(where_ == storage::heap, "the last handle of a context in a frame was dropped twice");
  end(this);
}

/// Ends the node unless it has children, and then those above it that were there for its sake
/// alone.
void context_state::end(context_state* state) noexcept {
  while (state != nullptr) {
    bool disarmed = false;
    {
      lock_guard guard{state->mutex_};
      state->abandoned_ = true;
      if (!state->children_.empty()) return;  // the last of them ends it
      disarmed = state->disarm_locked();
    }
    if (disarmed) state->unpin();
    context_state* const above = state->detach_from_parent();
    state->unpin();
    state = above;
  }
}

context_state* context_state::detach_from_parent() noexcept {
  if (parent_ == nullptr) return nullptr;
  // The unlock is the last touch: whoever finds the list empty may end the parent then.
  lock_guard guard{parent_->mutex_};
  intrusive_list<context_state>::unlink(*this);
  return parent_->abandoned_ && parent_->children_.empty() ? parent_ : nullptr;
}

void context_state::unpin() noexcept {
  // In a frame the owner frees, once it sees that its own pin is the last one.
  const bool in_frame = where_ == storage::frame;
  if (pins_.fetch_sub(1) == 1 && !in_frame) delete this;
}

void context_state::end_in_frame() noexcept {
  end(detach_from_parent());  // first: afterwards no cancellation from above comes here
  bool alone = true;
  // Whoever is registered here, or has armed the deadline, has a pin; whoever raised the level is
  // past it, for the owner has just asked for the same.
  if (pins_.load() != 1 || had_children_.load(std::memory_order_relaxed)) {
    lock_guard guard{mutex_};
    alone = children_.empty();
    if (disarm_locked()) pins_.fetch_sub(1);
    // Waiters of tasks that used this context and wait for nothing now: forget them.
    while (context_registration* idle = registrations_.pop_front()) {
      // The last touch: afterwards its task may end. If the task was faster, it comes for our lock.
      context_state* expected = this;
      if (idle->state.compare_exchange_strong(expected, nullptr)) pins_.fetch_sub(1);
    }
  }
  WEIR_ASSERT(alone && handles_.load() == 1,
              "a context_scope ended while a copy of its context is still held, or a child of it: "
              "they must not outlive the scope; use context_source for a context that may");
  // What remains are cancellations and deadlines on their last instructions.
  for (int round = 0; pins_.load() != 1; ++round) wait_a_little(round);
}

bool context_state::raise(context_level level, error why, std::source_location where) noexcept {
  raise_pass pass;
  {
    // Also if it is there already: then the lock is waited for until it is everywhere below.
    lock_guard guard{mutex_};
    if (level_.load() >= level) return false;
    auto& cause = level == context_level::draining ? drain_cause_ : cancel_cause_;
    cause.emplace(std::move(why), where);
    raise_locked(level, *this, pass);
  }
  // Whoever is woken may end this node. Only those with callbacks are touched again: they are
  // pinned.
  pass.wakes.wake_all();
  while (context_state* state = pass.to_run) {
    pass.to_run = state->next_to_run_;  // read before run_callbacks lets another pass have it
    state->run_callbacks();
    state->unpin();
  }
  return true;
}

void context_state::raise_locked(context_level level, const context_state& cause_owner,
                                 raise_pass& pass) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  if (level_.load() >= level) return;  // ended by itself before: so are all below
  if (drain_owner_ == nullptr) drain_owner_ = &cause_owner;
  if (level == context_level::cancelled) cancel_owner_ = &cause_owner;
  if (registrations_.empty()) {
    level_.store(level, std::memory_order_release);  // whoever registers now takes the lock first
  } else {
    level_.store(level);  // against a registered waiter, which arms and then looks at the level
  }
  while (wait_node* node = drain_waiters_.pop_front()) node->grant(pass.wakes);
  if (level == context_level::cancelled) {
    while (wait_node* node = cancel_waiters_.pop_front()) node->grant(pass.wakes);
    for (auto* one = registrations_.front(); one != nullptr; one = registrations_.next(*one)) {
      one->grant(pass.wakes);
    }
    if (disarm_locked()) unpin();  // not the last: whoever leads us here holds one
  }
  if (!callbacks_.empty() && !running_callbacks_) {
    running_callbacks_ = true;
    pin();
    pass.add(*this);
  }
  for (context_state* child = children_.front(); child != nullptr; child = children_.next(*child)) {
    lock_guard guard{child->mutex_};
    child->raise_locked(level, cause_owner, pass);
  }
}

void context_state::run_callbacks() noexcept {
  for (;;) {
    context_callback* callback = nullptr;
    {
      lock_guard guard{mutex_};
      const context_level reached = level_.load();
      callback = callbacks_.front();
      while (callback != nullptr && callback->level_ > reached) {
        callback = callbacks_.next(*callback);
      }
      if (callback == nullptr) {
        running_callbacks_ = false;
        return;
      }
      intrusive_list<context_callback>::unlink(*callback);
      running_ = callback;
      running_thread_ = this_thread_id();
    }
    callback->run_(*callback);
    lock_guard guard{mutex_};
    running_ = nullptr;
  }
}

bool context_state::add_callback(context_callback& callback) noexcept {
  lock_guard guard{mutex_};
  if (level_.load() >= callback.level_) return false;
  callbacks_.push_back(callback);
  return true;
}

void context_state::remove_callback(context_callback& callback) noexcept {
  for (int round = 0;; ++round) {
    {
      lock_guard guard{mutex_};
      if (callback.linked()) {
        intrusive_list<context_callback>::unlink(callback);
        return;
      }
      if (running_ != &callback) return;
      if (running_thread_ == this_thread_id()) {
        running_ = nullptr;  // it destroys itself from inside
        return;
      }
    }
    wait_a_little(round);  // the callback is running on another thread: outlast it
  }
}

void context_state::add_waiter(wait_node& node, context_level level) noexcept {
  (level == context_level::draining ? drain_waiters_ : cancel_waiters_).push_back(node);
}

void context_state::observe(context_registration& registration, waiter& who,
                            std::uint32_t index) noexcept {
  registration.set(who, index);
  registration.state.store(this);
  pin();
  lock_guard guard{mutex_};
  registrations_.push_back(registration);
}

void context_state::unobserve(context_registration& registration) noexcept {
  if (registration.state.load() == nullptr) return;
  context_state* state = registration.state.exchange(nullptr);
  if (state == nullptr) return;  // its context has just ended in its frame
  {
    lock_guard guard{state->mutex_};
    if (registration.linked()) intrusive_list<context_registration>::unlink(registration);
  }
  state->unpin();
}

void context_state::expire() noexcept {
  context_state* owner = deadline_owner_;
  if (owner == nullptr) return;
  owner->raise(context_level::cancelled,
               error{errc::deadline_exceeded, "the context's deadline passed"},
               std::source_location::current());
}

void context_state::arm_deadline(timer_service& timers) noexcept {
  context_state* owner = deadline_owner_;
  if (owner == nullptr) return;
  wake_list wakes;
  lock_guard guard{owner->mutex_};
  if (owner->timers_ != nullptr || owner->cancelled()) return;
  owner->arm_locked(timers, wakes);
}

void context_state::arm_locked(timer_service& timers, wake_list& wakes) noexcept {
  timers_ = &timers;
  pin();  // until expired or disarmed
  lock_guard guard{timers.guard()};
  timers.arm(timer_, deadline_, wakes);
}

/// Arms the deadline of `owner` for somebody who waits here or below, on an executor that is still
/// there: its own loop knows nothing of this deadline, because it was armed elsewhere.
bool context_state::hand_over_deadline(context_state& owner, const timer_service& gone,
                                       wake_list& wakes) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  const auto elsewhere = [&](const wait_node* node) noexcept -> timer_service* {
    executor* where = node->who()->resumes_on();
    if (where == nullptr) return nullptr;  // a thread watches the clock by itself
    timer_service& timers = where->timers();
    return &timers != &gone ? &timers : nullptr;
  };
  timer_service* found = nullptr;
  for (auto* one = registrations_.front(); one != nullptr; one = registrations_.next(*one)) {
    if (found == nullptr) found = elsewhere(one);
  }
  for (auto* list : {&drain_waiters_, &cancel_waiters_}) {
    for (auto* one = list->front(); one != nullptr; one = list->next(*one)) {
      if (found == nullptr) found = elsewhere(one);
    }
  }
  if (found != nullptr) {
    owner.arm_locked(*found, wakes);
    return true;
  }
  for (context_state* child = children_.front(); child != nullptr; child = children_.next(*child)) {
    if (child->deadline_owner_ != &owner) continue;  // it, and all below it, end earlier
    lock_guard guard{child->mutex_};
    if (child->hand_over_deadline(owner, gone, wakes)) return true;
  }
  return false;
}

bool context_state::disarm_locked() noexcept {
  if (timers_ == nullptr) return false;
  timer_service& timers = *timers_;
  lock_guard guard{timers.guard()};
  if (!timers.disarm(timer_)) return false;  // expired: its wake-up drops the pin
  timers_ = nullptr;
  return true;
}

std::optional<context_cause> context_state::cause(context_level level) const noexcept {
  if (this->level() < level || level == context_level::running) return std::nullopt;
  const context_state* drain = nullptr;
  const context_state* cancel = nullptr;
  {
    lock_guard guard{mutex_};
    drain = drain_owner_;
    cancel = cancel_owner_;
  }
  // Causes are written once, before the level that is visible here.
  if (level == context_level::cancelled) return cancel->cancel_cause_;
  return drain->drain_cause_ ? drain->drain_cause_ : drain->cancel_cause_;
}

error context_state::failure() const noexcept {
  if (auto why = cause(context_level::cancelled)) return std::move(why->what);
  return {errc::cancelled, "the context was cancelled"};
}

const void* context_state::find(const void* wanted, shields how) const noexcept {
  const context_state* node = this;
  while (node != nullptr) {
    if (node->key == wanted) return node->value.get();
    if (node->key == &shield_key && how == shields::look_through) {
      node = static_cast<const context*>(node->value.get())->state();
    } else {
      node = node->parent_;
    }
  }
  return nullptr;
}

}  // namespace weir::core
