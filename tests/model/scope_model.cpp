// The end of a context_scope against those who used its context.

#include <optional>

#include <weir/context/context.hpp>
#include <weir/context/wait.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sync/event.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;

/// A scope ends while the task of another loop, which used it, goes on to another context.
WEIR_MODEL(a_scope_may_end_while_a_former_waiter_moves_on) {
  context_source parent;
  event begun;
  event used;
  event free;
  std::optional<context_scope> scope{std::in_place, parent.get()};
  const auto uses = [&](const context& borrowed) -> task<bool> {
    static_cast<void>(co_await begun.wait(borrowed));
    used.set();
    const context never = parent.get();
    const auto last = co_await free.wait(never);
    co_return last.has_value();
  };
  model::threads([&] { static_cast<void>(wait(uses(scope->get()))); },
                 [&] {
                   begun.set();
                   static_cast<void>(wait(used.wait({})));
                   scope.reset();
                   free.set();
                 });
}

}  // namespace
