#pragma once

#include <optional>

#include <weir/core/clock.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/runtime/inline_executor.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/stopper/stopper.hpp>

#include "explorer/model.hpp"

namespace weir::model {

/// A runtime whose workers all sleep when the race begins. Its own beginning and end are calm: they
/// have models of their own.
struct settled_runtime {
  std::optional<calm> settling{std::in_place};
  runtime rt;

  explicit settled_runtime(unsigned workers, clock* time = nullptr)
      : rt{{.workers = workers, .linger = {}, .time = time}} {
    while (rt.stats().sleeping != workers) core::cpu_relax();
    settling.reset();
  }
  ~settled_runtime() { settling.emplace(); }
};

/// What a stopper needs, so that all of the race is the stopper's own: a runtime whose only worker
/// sleeps before the race begins, tasks on a loop that a thread of the model runs, and closers that
/// run at once.
struct stage {
  manual_clock time;
  settled_runtime host{1, &time};
  runtime& rt = host.rt;
  run_loop loop{time};
  inline_executor inline_now{time};
  core::atomic<int> left{0};  // threads that pump() waits for

  stopper_options options() {
    return {.name = "s", .heartbeat = {}, .executor = &loop, .blocking = &inline_now};
  }
  /// Tasks that run at once on whoever starts them, and closers that may wait.
  stopper_options options_here() { return {.name = "s", .heartbeat = {}, .executor = &inline_now}; }
  void done() {
    if (left.fetch_sub(1) == 1) loop.wake();
  }
  /// Runs the loop until the threads are done, and what is queued then.
  void pump() {
    loop.run_until([](void* self) noexcept { return static_cast<stage*>(self)->left.load() == 0; },
                   this);
  }
};

}  // namespace weir::model
