#pragma once

#include <coroutine>
#include <memory>
#include <source_location>
#include <string>

#include <weir/context/context.hpp>
#include <weir/core/executor.hpp>
#include <weir/core/sync/thread_local.hpp>
#include <weir/core/waiter.hpp>

namespace weir {

/// The index of a wait that was ended by a context, as claimed on a waiter; the low bits say by the
/// context of which case.
inline constexpr std::uint32_t ended_by_context = 1U << 28;

/// One logical flow of control: a chain of coroutines that await each other, of which exactly one
/// runs or is suspended. Its root owns the record; every frame of the chain points to it.
///
/// It is what a wait needs, so that a wait needs nothing else: a waiter, an item for the executor
/// to resume it on, and the registration with the context that its last wait was bounded by.
///
/// A chain is resumed by `run`, a loop: a coroutine that awaits another or returns to its parent
/// names the next one and comes back here. Symmetric transfer would be shorter, but is no tail call
/// in g++ without optimisation or under sanitizers, and overflows the stack there.
///
/// Thread safety: belongs to the thread that runs it; `schedule` may be called by whoever won the
/// waiter.
class task_record : private core::waiter, private core::work {
 public:
  explicit task_record(core::executor& where) noexcept
      : core::waiter(
            [](core::wakeable& self) noexcept { static_cast<task_record&>(self).schedule(); }),
        core::work([](core::work& self) noexcept { static_cast<task_record&>(self).run(); }) {
    resume_on(where);
  }
  task_record(const task_record&) = delete;
  task_record& operator=(const task_record&) = delete;

  [[nodiscard]] core::executor& executor() const noexcept { return *resumes_on(); }
  /// Where it resumes from now on. Requires: called by the flow itself, right before it suspends
  /// and schedules itself.
  void move_to(core::executor& where) noexcept {
    if (&where == resumes_on()) return;
    forget_context();  // its deadline may be armed for the executor that is left
    resume_on(where);
  }

  [[nodiscard]] core::waiter& waiter() noexcept { return *this; }

  /// Makes cancellation of `state`, and of no other context, claim the waiter: in this wait and all
  /// later ones under it. Null: a wait that no context ends.
  void observe(core::context_state* state) noexcept {
    if (registration_.state.load() != state) observe_anew(state);
  }
  [[nodiscard]] core::context_state* observed() const noexcept {
    return registration_.state.load();
  }

  /// Makes the deadline of `state` pass in time for a wait of this record.
  void arm_deadline_of(core::context_state& state) noexcept;

  /// The coroutine to resume when the record is scheduled next.
  void suspend_at(std::coroutine_handle<> leaf) noexcept { leaf_ = leaf; }

  /// The coroutine to go on with at once, when the running one has returned to the loop.
  static void continue_with(std::coroutine_handle<> next) noexcept {
    running_slot::get().next = next;
  }

  /// The chain is at its end: `finished` runs when the last coroutine has returned to the loop.
  static void finish() noexcept { running_slot::get().finished = true; }

  /// Puts the record into its executor's queue, to go on with the coroutine of suspend_at.
  void schedule() noexcept { executor().execute(*this); }

  /// What its executor runs it by.
  [[nodiscard]] const core::work& item() const noexcept { return *this; }

  /// Resumes the chain on this thread until it suspends or ends. Called by the executor.
  void run() noexcept;

  /// The record that this thread is running; null outside of tasks.
  [[nodiscard]] static task_record* current() noexcept { return running_slot::get().record; }

  /// What it is busy with, for whoever lists it; nobody does here. Null: nothing.
  virtual void set_note(const std::shared_ptr<const std::string>&) {}

  // What reports and this_context() tell. Set before the first run.
  const char* name = "task";
  std::source_location site;
  context ctx;

 protected:
  ~task_record() { forget_context(); }

  /// Called on the running thread when the record is scheduled for the first time and nothing was
  /// given to suspend_at: makes the chain's first coroutine. Null: there is none, it has ended.
  virtual std::coroutine_handle<> begin() noexcept = 0;

  /// Called on the running thread after the last coroutine of the chain has returned: may destroy
  /// frames and the record itself.
  virtual void finished() noexcept = 0;

  /// Sets `ctx` without counting: `state` outlives the record, or return_context comes before its
  /// end.
  void borrow_context(core::context_state* state) noexcept { ctx.state_ = state; }
  void return_context() noexcept { ctx.state_ = nullptr; }

  /// Ends the registration with a context. `finished` calls it before it signals anybody.
  void forget_context() noexcept {
    if (observed() != nullptr) core::context_state::unobserve(registration_);
  }

 private:
  /// What this thread is running. Not in the record: after a suspension that may already be running
  /// on another thread, while this one looks whether there is something to go on with.
  struct running {
    task_record* record;
    std::coroutine_handle<> next;
    bool finished;
  };
  struct running_tag {};
  using running_slot = core::thread_slot<running, running_tag>;

  void observe_anew(core::context_state* state) noexcept;

  std::coroutine_handle<> leaf_;
  core::context_registration registration_;
};

/// The context of the task that runs on this thread; one that never ends outside of tasks.
[[nodiscard]] context this_context() noexcept;

/// A coroutine's promise through which weir's operations can be awaited.
template <class P>
concept awaiting_promise = requires(P& promise) {
  { promise.record() } noexcept -> std::same_as<task_record&>;
};

namespace core {

/// While a value of this lives, the thread must not block: `wait` asserts, naming `what`.
class no_blocking_scope {
 public:
  explicit no_blocking_scope(const char* what) noexcept;
  ~no_blocking_scope();
  no_blocking_scope(const no_blocking_scope&) = delete;
  no_blocking_scope& operator=(const no_blocking_scope&) = delete;

 private:
  const char* previous_;
};

/// The opposite, within it: for a thread that runs coroutines and may block all the same.
class blocking_scope {
 public:
  blocking_scope() noexcept;
  ~blocking_scope();
  blocking_scope(const blocking_scope&) = delete;
  blocking_scope& operator=(const blocking_scope&) = delete;

 private:
  const char* previous_;
};

/// Asserts that this thread may block.
void assert_may_block() noexcept;

}  // namespace core
}  // namespace weir
