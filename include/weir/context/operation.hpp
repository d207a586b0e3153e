#pragma once

#include <concepts>
#include <coroutine>
#include <cstdint>

#include <weir/context/task_record.hpp>
#include <weir/core/error.hpp>
#include <weir/core/waiter.hpp>

namespace weir {

/// Problem: a wait exists three times in most libraries, for threads, for coroutines and for
/// select, and its races are fixed in one of them.
///
/// An operation is a wait as a value. It does nothing until it is waited for, by a thread
/// (`wait(op)`), a coroutine (`co_await op`) or together with others (`select(op, …)`), and then
/// commits exactly once or not at all. A primitive writes only what follows; the one algorithm in
/// this module does the rest.
///
///   bound()        the context that ends the wait (borrowed; null: none)
///   guard()        the lock of the primitive
///   try_locked(w)  with the lock held: commit and say true, or change nothing and say false. A
///                  commit may be to an error, such as closed.
///   enqueue(…)     with the lock held, after try_locked said no: queue up as case `index` of `who`
///   withdraw(w)    with the lock held: leave the queue if still in it, and pass on what that frees
///   take()         after the commit, without the lock: what came of it
///
/// Whoever grants, under the lock, unlinks the node and calls `wait_node::grant`; false means the
/// waiter went elsewhere, and the next one is tried.
///
/// Operations are neither copied nor moved; they live in the waiting frame and are its queue nodes.
/// Cancelled beats ready beats clock. A loser in a select has taken nothing.
template <class O>
concept operation = requires(O& op, core::waiter& who, core::wake_list& wakes) {
  typename O::value_type;
  { op.bound() } noexcept -> std::same_as<core::context_state*>;
  { op.guard() } noexcept -> std::same_as<core::mutex&>;
  { op.try_locked(wakes) } noexcept -> std::same_as<bool>;
  { op.enqueue(who, std::uint32_t{}, wakes) } noexcept;
  { op.withdraw(wakes) } noexcept;
  { op.take() } -> std::same_as<result<typename O::value_type>>;
};

/// An operation that waits for time: told before it starts whose timers to use. Null stands for a
/// thread on real time, which sleeps until `deadline()` by itself.
template <class O>
concept timed_operation =
    operation<O> && requires(O& op, core::timer_service* timers, clock& time) {
      { op.bind(timers, time) } noexcept;
      { op.deadline() } noexcept -> std::same_as<time_point>;
    };

/// The order in which guards that are held together are taken: primitives, then contexts from the
/// root down (as a cancellation takes them), then timer services; equal ranks by address.
using guard_rank = std::uint32_t;
inline constexpr guard_rank primitive_rank = 0;
inline constexpr guard_rank timers_rank = UINT32_MAX;

/// An operation whose guard is no primitive's lock.
template <class O>
concept ranked_operation = operation<O> && requires(const O& op) {
  { op.rank() } noexcept -> std::same_as<guard_rank>;
};

/// An operation that waits for the end of a context rather than being ended by it: that context's
/// deadline must pass in time all the same.
template <class O>
concept watching_operation = operation<O> && requires(O& op) {
  { op.watched() } noexcept -> std::same_as<core::context_state*>;
};

/// An operation that says, without its lock, whether it is worth a try before a coroutine prepares
/// to suspend. It may be wrong: a yes in vain costs one lock, a no costs that preparation.
template <class O>
concept hinting_operation = operation<O> && requires(const O& op) {
  { op.likely_ready() } noexcept -> std::same_as<bool>;
};

/// An operation that can often commit without its lock. No is no answer: the lock is asked then.
template <class O>
concept immediate_operation = operation<O> && requires(O& op) {
  { op.try_now() } noexcept -> std::same_as<bool>;
};

/// An operation that can say more about a wait which its context ended: the figures of a pool, say.
template <class O>
concept explaining_operation = operation<O> && requires(O& op, error why) {
  { op.explain(std::move(why)) } -> std::same_as<error>;
};

namespace core {

/// The error of a wait that its context ended.
template <operation O>
error failure_of(O& op) {
  error why = op.bound()->failure();
  if constexpr (explaining_operation<O>) {
    return op.explain(std::move(why));
  } else {
    return why;
  }
}

enum class wait_state : std::uint8_t { committed, suspended, ended };

inline bool ended(const context_state* bound) noexcept {
  return bound != nullptr && bound->cancelled();
}

/// Commits without waiting, if that can be done now. Not inlined for the reason below.
template <operation O>
[[gnu::noinline]] bool commit_now(O& op) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  wake_list wakes;
  lock_guard guard{op.guard()};
  return op.try_locked(wakes);
}

/// Starts the wait of a coroutine for one operation. Once it says `suspended`, the coroutine may be
/// running on another thread already: nothing of its frame is touched after the unlock. That is
/// safe because whoever claims the waiter by cancellation must take the guard to withdraw.
///
/// Not inlined: its locals must not become part of the coroutine's frame.
template <operation O>
[[gnu::noinline]] bool suspend_on(O& op, task_record& record,
                                  wait_state& state) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  context_state* bound = op.bound();
  record.observe(bound);
  if constexpr (timed_operation<O>) {
    clock& time = bound != nullptr ? bound->time() : record.executor().time();
    op.bind(time.timers() != nullptr ? time.timers() : &record.executor().timers(), time);
  }
  if constexpr (watching_operation<O>) {
    if (context_state* watched = op.watched()) record.arm_deadline_of(*watched);
  }
  wake_list wakes;
  lock_guard guard{op.guard()};
  if (op.try_locked(wakes)) {
    state = wait_state::committed;
    return false;
  }
  state = wait_state::suspended;
  waiter& who = record.waiter();
  who.arm();
  op.enqueue(who, 0, wakes);
  // The level is read after arming, and raised before claiming: one of the two sees the other.
  if (ended(bound) && who.claim(ended_by_context)) {
    op.withdraw(wakes);
    who.disarm();
    state = wait_state::ended;
    return false;
  }
  return true;
}

/// Ends the wait of a coroutine that was suspended; true if the context ended it. Not inlined: a
/// wait that commits at once does without.
template <operation O>
[[gnu::noinline]] bool resumed_from(O& op,
                                    task_record& record) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  const bool by_context = (record.waiter().claimed_index() & ended_by_context) != 0;
  record.waiter().disarm();
  if (by_context) {
    wake_list wakes;
    lock_guard guard{op.guard()};
    op.withdraw(wakes);
  }
  return by_context;
}

template <operation O>
class operation_awaiter {
 public:
  explicit operation_awaiter(O& op) noexcept : op_(op) {}
  operation_awaiter(const operation_awaiter&) = delete;
  operation_awaiter& operator=(const operation_awaiter&) = delete;

  bool await_ready() noexcept {
    if (ended(op_.bound())) {
      state_ = wait_state::ended;
      return true;
    }
    if constexpr (immediate_operation<O>) {
      if (op_.try_now()) {
        state_ = wait_state::committed;
        return true;
      }
    }
    if constexpr (hinting_operation<O>) {
      if (op_.likely_ready() && commit_now(op_)) {
        state_ = wait_state::committed;
        return true;
      }
    }
    return false;
  }

  template <awaiting_promise P>
  bool await_suspend(std::coroutine_handle<P> self) noexcept {
    record_ = &self.promise().record();
    record_->suspend_at(self);
    return suspend_on(op_, *record_, state_);
  }

  result<typename O::value_type> await_resume() {
    if (state_ != wait_state::committed) [[unlikely]] {
      if (state_ == wait_state::ended || resumed_from(op_, *record_)) return failed();
    }
    return op_.take();
  }

 private:
  // Not inlined, so that a wait that commits does not pay for what this needs.
  [[gnu::noinline]] result<typename O::value_type> failed() {
    return std::unexpected(failure_of(op_));
  }

  O& op_;
  task_record* record_ = nullptr;
  wait_state state_ = wait_state::suspended;
};

}  // namespace core

/// Waits for one operation in a coroutine: suspends, and resumes on its executor.
template <operation O>
[[nodiscard]] core::operation_awaiter<O> operator co_await(O && op) noexcept {
  return core::operation_awaiter<O>{op};
}
template <operation O>
[[nodiscard]] core::operation_awaiter<O> operator co_await(O & op) noexcept {
  return core::operation_awaiter<O>{op};
}

}  // namespace weir
