#pragma once

#include <utility>

#include <gtest/gtest.h>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/start.hpp>
#include <weir/stopper/stopper.hpp>
#include <weir/sync/event.hpp>
#include <weir/sync/semaphore.hpp>

namespace weir::test {

/// Stoppers whose tasks and closers run on this thread, at times that the test decides. That
/// nothing is left at the end is checked by the runtime's destructor.
class simulation {
 public:
  [[nodiscard]] stopper_options options(const char* name = "simulated") noexcept {
    return {.name = name, .heartbeat = {}, .executor = &loop, .blocking = &loop};
  }

  /// Runs everything that can run, without time passing.
  void settle() { loop.run_until_idle(); }

  void pass(duration time_passed) {
    time.advance(time_passed);
    settle();
  }

  /// Runs `root` to its end; time passes whenever there is nothing else to do.
  template <class T>
  T run(task<T> root) {
    return loop.run(std::move(root), time);
  }

  shutdown_report stop(stopper& which, stop_options budgets = {}) {
    return run(which.stop(budgets)).value();
  }

  /// Starts `fn` as a task that no stopper knows.
  template <class F>
  auto start(F&& fn) {
    return core::start(loop, {.name = "outside"}, {}, std::forward<F>(fn), tail{});
  }

  manual_clock time;
  runtime rt{{.workers = 1, .time = &time}};
  run_loop loop{time};

 private:
  struct tail {
    static void ended(task_record&) noexcept {}
    static void unhandled(task_record&, const std::exception_ptr&) noexcept {
      ADD_FAILURE() << "a task threw";
    }
  };
};

/// Gives the processor away until `condition` holds; a hang is ended by the test's time limit.
template <class C>
void until(C condition) {
  while (!condition()) core::yield_thread();
}

}  // namespace weir::test
