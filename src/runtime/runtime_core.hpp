#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <weir/core/clock.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/thread_local.hpp>
#include <weir/runtime/registry.hpp>
#include <weir/runtime/runtime.hpp>

#include "runtime/blocking_threads.hpp"
#include "runtime/debug_root.hpp"
#include "runtime/held_watch.hpp"
#include "runtime/idle_set.hpp"
#include "runtime/reactor.hpp"
#include "runtime/work_queue.hpp"
#include "runtime/worker.hpp"

namespace weir::core {

/// What the workers of one runtime share.
struct runtime_core {
  explicit runtime_core(const runtime_options& options);
  ~runtime_core() { weir_debug_runtimes.remove(debug); }

  /// The worker that this thread is, if it is one of this runtime.
  [[nodiscard]] worker* here() noexcept {
    worker* current = current_worker();
    return current != nullptr && &current->core() == this ? current : nullptr;
  }

  /// Queues what comes from a thread that is no worker, and wakes one.
  void inject(work& item) noexcept;

  /// Runs what the workers have left, on this thread. After they have ended.
  void run_leftovers() noexcept;

  const std::string name;
  const std::string blocking_name;
  clock& time;
  timer_service* const clock_timers;  // of a clock that moves by itself only
  log_sink& log;
  const duration linger;
  work_queue injected;
  idle_set idle;
  wake_cost waking;
  core::reactor reactor;
  registry live;
  held_watch held;
  const debug_runtime debug{name.c_str(), live.entries_for_debugger()};
  atomic<bool> stopping{false};
  atomic<bool> deep{false};           // the poller sleeps without a limit: see worker::poll
  atomic<std::uint32_t> visitors{0};  // other threads inside a wake-up; the runtime outlives them
  std::vector<std::unique_ptr<worker>> workers;
  blocking_threads blocking;
};

}  // namespace weir::core
