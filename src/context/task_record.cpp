#include <cstdio>
#include <utility>

#include <weir/context/task_record.hpp>
#include <weir/core/assert.hpp>
#include <weir/core/sync/thread_local.hpp>

namespace weir {
namespace {

struct no_blocking_tag {};

using no_blocking_slot = core::thread_slot<const char*, no_blocking_tag>;

}  // namespace

void task_record::observe_anew(core::context_state* state) noexcept {
  forget_context();
  if (state == nullptr) return;
  state->observe(registration_, *this, ended_by_context);
  arm_deadline_of(*state);
}

void task_record::arm_deadline_of(core::context_state& state) noexcept {
  core::timer_service* timers = state.time().timers();
  state.arm_deadline(timers != nullptr ? *timers : executor().timers());
}

void task_record::run() noexcept {
  // A thread that waits inside a task (a blocking thread may) runs another flow within this one.
  const running outer =
      std::exchange(running_slot::get(), running{.record = this, .next = leaf_, .finished = false});
  if (!leaf_) {
    const auto first = begin();
    running_slot::get().next = first;
    running_slot::get().finished = !first;
  }
  while (const auto next = std::exchange(running_slot::get().next, nullptr)) next.resume();
  // The record may be running elsewhere by now: only this thread's slot is ours.
  const bool ended = std::exchange(running_slot::get(), outer).finished;
  if (ended) finished();
}

context this_context() noexcept {
  const task_record* record = task_record::current();
  return record != nullptr ? record->ctx : context{};
}

namespace core {

no_blocking_scope::no_blocking_scope(const char* what) noexcept
    : previous_(std::exchange(no_blocking_slot::get(), what)) {}

no_blocking_scope::~no_blocking_scope() {
  no_blocking_slot::get() = previous_;
}

blocking_scope::blocking_scope() noexcept
    : previous_(std::exchange(no_blocking_slot::get(), nullptr)) {}

blocking_scope::~blocking_scope() {
  no_blocking_slot::get() = previous_;
}

void assert_may_block() noexcept {
  const char* where = no_blocking_slot::get();
  if (where == nullptr) return;
  const task_record* record = task_record::current();
  static char sentence[256];  // the process ends with it
  std::snprintf(
      sentence, sizeof sentence,
      "wait() was called on %s%s%s%s: that thread runs other tasks meanwhile; co_await the "
      "operation, or move the work to spawn_blocking",
      where, record != nullptr ? ", in task '" : "", record != nullptr ? record->name : "",
      record != nullptr ? "'" : "");
  misuse(sentence);
}

}  // namespace core
}  // namespace weir
