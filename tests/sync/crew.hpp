#pragma once

#include <exception>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include <weir/context/context.hpp>
#include <weir/core/clock.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/start.hpp>

#include "core/racers.hpp"

namespace weir::test {

/// Tasks on one run loop, whose time is the test's: what happens when is decided by the test.
class crew {
 public:
  /// Starts `fn`; it runs at the next settle().
  template <class F>
  auto start(F fn) {
    return core::start(loop, task_info{}, context{}, std::move(fn), tail{});
  }

  /// Runs everybody until all have ended or wait.
  void settle() { loop.run_until_idle(); }

  manual_clock time;
  run_loop loop{time};

 private:
  struct tail {
    void ended(task_record&) noexcept {}
    void unhandled(task_record&, const std::exception_ptr&) noexcept {
      ADD_FAILURE() << "a task threw";
    }
  };
};

/// Lets other threads run until `condition` holds.
template <class F>
void until(F condition) {
  while (!condition()) std::this_thread::yield();
}

/// An operation queued by hand, by nobody who could wake up.
template <operation O>
class queued {
 public:
  explicit queued(O& op) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS : op_(op) {
    core::wake_list wakes;
    core::lock_guard guard{op.guard()};
    who_.arm();
    op.enqueue(who_, 0, wakes);
  }
  queued(const queued&) = delete;
  queued& operator=(const queued&) = delete;
  ~queued() WEIR_NO_THREAD_SAFETY_ANALYSIS {
    core::wake_list wakes;
    core::lock_guard guard{op_.guard()};
    op_.withdraw(wakes);
  }

  /// As a cancellation does it that has not got round to withdraw yet.
  bool claim() noexcept { return who_.claim(ended_by_context); }

 private:
  struct nobody final : core::waiter {
    nobody() noexcept : core::waiter([](core::wakeable&) noexcept {}) {}
  };
  O& op_;
  nobody who_;
};

}  // namespace weir::test
