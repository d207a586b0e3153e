#pragma once

#include <utility>

#include <weir/context/wait.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/start.hpp>

namespace weir {

struct no_tail {
  static void ended(task_record&) noexcept {}
  static void unhandled(task_record&, const std::exception_ptr&) noexcept {}
};

/// Starts `fn` as a root task, without a stopper.
template <class F>
auto launch(core::executor& where, F&& fn, const context& ctx = {}) {
  return core::start(where, {.name = "test"}, ctx, std::forward<F>(fn), no_tail{});
}

/// Starts `fn` and waits for its end on this thread.
template <class F>
auto run_on(core::executor& where, F&& fn, const context& ctx = {}) {
  auto handle = launch(where, std::forward<F>(fn), ctx);
  return weir::wait(handle.join({}));
}

/// Gives the processor away until `condition` holds. A condition that never does is a hang, which
/// the test's time limit ends.
template <class C>
void await(C condition) {
  while (!condition()) core::yield_thread();
}

}  // namespace weir
