// Compiled several times with different macros; LAYOUT_TABLE names the function it becomes. A new
// public type with data of its own gets a line here.

#include "table.hpp"

#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>
#include <weir/core/sync/thread.hpp>

#define WEIR_LAYOUT(type) {#type, sizeof(type), alignof(type)}

std::span<const layout> LAYOUT_TABLE() {
  static const layout table[] = {
      WEIR_LAYOUT(weir::core::mutex),
      WEIR_LAYOUT(weir::core::park),
      WEIR_LAYOUT(weir::core::thread),
  };
  return table;
}
