#include <memory>
#include <utility>

#include <weir/core/sync/thread.hpp>

#include "stopper/stopper_core.hpp"

namespace weir {
namespace core {

stopper_core::closing_work::closing_work(stopper_core& owner) noexcept
    : work([](work& self) noexcept {
        stopper_core& core = static_cast<closing_work&>(self).core;
        core.run_closers();
      }),
      core(owner) {}

context_source stopper_core::closing_context() noexcept {
  time_point until;
  {
    lock_guard guard{mutex_};
    until = close_until_;
  }
  return context_source{time(), {.deadline = until}};
}

/// Runs what is registered, the last first. Gives up when the stop has given up on it.
void stopper_core::run_closers() noexcept {
  {
    const context_source bounded = closing_context();
    for (;;) {
      deferred_call* call = nullptr;
      {
        lock_guard guard{mutex_};
        call = finishing_up_ ? nullptr : closers_.pop_front();
        if (call == nullptr) break;
        call->now = deferred_call::state::running;
        call->runner = this_thread_id();
      }
      run_call(*call, bounded.get(), mention::always);
    }
  }
  {
    news out;
    lock_guard guard{mutex_};
    closers_ran_ = true;
    changed(out);
  }
  release();
}

void stopper_core::run_quiesce_calls() noexcept {
  const context_source bounded = closing_context();
  for (;;) {
    deferred_call* call = nullptr;
    {
      lock_guard guard{mutex_};
      call = quiesce_calls_.pop_front();
      if (call == nullptr) return;
      call->now = deferred_call::state::running;
      call->runner = this_thread_id();
    }
    run_call(*call, bounded.get(), mention::failed);
  }
}

/// Runs one, notes how it went, and frees it unless its registration still needs it.
void stopper_core::run_call(deferred_call& call, const context& ctx, mention when) noexcept {
  using state = shutdown_report::closer_state;
  closer_note* note = std::make_unique<closer_note>().release();  // freed by the core
  note->name = call.name;
  note->site = call.site;
  note->began = time().now();
  {
    lock_guard guard{mutex_};
    notes_.push_back(*note);
  }
  std::string failure;
  bool failed = true;
  try {
    const result<void> done = call.run(ctx);
    failed = !done;
    if (failed) failure = done.error().to_string();
  } catch (const std::exception& e) {
    failure = std::string{"threw: "} + e.what();
  } catch (...) {
    failure = "threw something that is no std::exception";
  }
  const time_point now = time().now();
  park* awaited_by = nullptr;
  bool free = false;
  {
    lock_guard guard{mutex_};
    note->took = now - note->began;
    note->failure = std::move(failure);
    note->state = failed ? state::failed : state::done;
    if (!failed && when == mention::failed) {
      intrusive_list<closer_note>::unlink(*note);
    } else {
      note = nullptr;  // stays for the report
    }
    call.now = deferred_call::state::done;
    awaited_by = call.awaited_by;
    free = !call.registered;
  }
  delete note;
  if (free) delete &call;
  if (awaited_by != nullptr) awaited_by->wake();
}

/// For what is registered too late: here and now, on the caller.
void stopper_core::run_late(deferred_call& call, mention when) noexcept {
  call.registered = false;
  call.now = deferred_call::state::running;
  const context_source bounded = closing_context();
  run_call(call, bounded.get(), when);
}

registration stopper_core::add_closer(deferred_call& call) {
  {
    lock_guard guard{mutex_};
    if (!stopping_) {
      closers_.push_front(call);
      return {*this, call};
    }
  }
  run_late(call, mention::always);
  return {};
}

registration stopper_core::add_quiesce_call(deferred_call& call) {
  {
    lock_guard guard{mutex_};
    if (phase_ == phase::running) {
      quiesce_calls_.push_back(call);
      return {*this, call};
    }
  }
  run_late(call, mention::failed);
  return {};
}

/// Takes a call back, or outlasts it.
bool stopper_core::cancel_call(deferred_call& call) noexcept {
  using state = deferred_call::state;
  park outlast;
  bool taken_back = false;
  bool must_wait = false;
  {
    lock_guard guard{mutex_};
    if (call.now == state::listed) {
      intrusive_list<deferred_call>::unlink(call);
      taken_back = true;
    } else if (call.now == state::running) {
      if (call.runner == this_thread_id()) {
        call.registered = false;  // from inside: the runner frees it
        return false;
      }
      must_wait = true;
      call.awaited_by = &outlast;
    }
  }
  if (must_wait) outlast.wait();
  delete &call;
  return taken_back;
}

void stopper_core::keep_call(deferred_call& call) noexcept {
  bool free = false;
  {
    lock_guard guard{mutex_};
    call.registered = false;
    free = call.now == deferred_call::state::done;
  }
  if (free) delete &call;
}

void stopper_core::drop_calls(intrusive_list<deferred_call>& calls) noexcept {
  // What is registered holds the gate, so only what was kept can be left here.
  while (deferred_call* call = calls.pop_front()) delete call;
}

}  // namespace core

bool registration::cancel() noexcept {
  core::deferred_call* mine = std::exchange(call_, nullptr);
  if (mine == nullptr) return false;
  const core::gate_reference home = std::move(home_);
  return static_cast<core::stopper_core*>(home.get())->cancel_call(*mine);
}

void registration::keep() noexcept {
  core::deferred_call* mine = std::exchange(call_, nullptr);
  if (mine == nullptr) return;
  const core::gate_reference home = std::move(home_);
  static_cast<core::stopper_core*>(home.get())->keep_call(*mine);
}

}  // namespace weir
