// Compiled several times with different macros; LAYOUT_TABLE names the function it becomes. A new
// public type with data of its own gets a line here.

#include "table.hpp"

#include <weir/context/context.hpp>
#include <weir/context/sleep.hpp>
#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/core/timer.hpp>
#include <weir/core/waiter.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sync/channel.hpp>
#include <weir/sync/event.hpp>
#include <weir/sync/semaphore.hpp>
#include <weir/sync/wait_group.hpp>

#define WEIR_LAYOUT(type) {#type, sizeof(type), alignof(type)}

std::span<const layout> LAYOUT_TABLE() {
  static const layout table[] = {
      WEIR_LAYOUT(weir::core::mutex),    WEIR_LAYOUT(weir::core::park),
      WEIR_LAYOUT(weir::core::thread),   WEIR_LAYOUT(weir::core::timer_node),
      WEIR_LAYOUT(weir::core::waiter),   WEIR_LAYOUT(weir::error),
      WEIR_LAYOUT(weir::context),        WEIR_LAYOUT(weir::context_scope),
      WEIR_LAYOUT(weir::context_source), WEIR_LAYOUT(weir::sleep_operation),
      WEIR_LAYOUT(weir::task<int>),      WEIR_LAYOUT(weir::channel<int>),
      WEIR_LAYOUT(weir::event),          WEIR_LAYOUT(weir::semaphore),
      WEIR_LAYOUT(weir::wait_group),
  };
  return table;
}
