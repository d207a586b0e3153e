#pragma once

#include <weir/core/assert.hpp>
#include <weir/core/clock.hpp>
#include <weir/core/executor.hpp>

namespace weir {

/// Runs each item at once, on the thread that schedules it: a coroutine resumes on whatever thread
/// woke it. For adaptors that are driven from a foreign event loop, and for tests of small pieces.
///
/// Hazards, which is why it is never a default: whoever wakes a task runs it to its next wait, and
/// is held up by it; two tasks that wake each other recurse, one stack frame per wake-up; a task
/// that waits for nothing real never gives the thread back; `yield` recurses.
///
/// Requires: a clock with timers of its own (a manual clock) if anything waits for time (asserted).
/// Thread safety: all members. Cost: a function call.
class inline_executor final : public core::executor {
 public:
  explicit inline_executor(clock& time = steady_clock()) noexcept : time_(time) {}
  inline_executor(const inline_executor&) = delete;
  inline_executor& operator=(const inline_executor&) = delete;

  void execute(core::work& item) noexcept override { item.run(); }

  core::timer_service& timers() noexcept override {
    core::timer_service* of_clock = time_.timers();
    if (of_clock == nullptr) {
      core::misuse(
          "an inline executor has no thread that could wait for time: give it a clock "
          "with timers, or run the task on a runtime or a run loop");
    }
    return *of_clock;
  }

  [[nodiscard]] clock& time() noexcept override { return time_; }
  [[nodiscard]] const char* name() const noexcept override { return "inline"; }

 private:
  clock& time_;
};

}  // namespace weir
