#pragma once

#include <weir/context/context.hpp>

namespace weir {

/// Problem: the last steps of a task (give a lock back, tell a peer that it is over) use calls that
/// take a context, and the task's own has just been cancelled.
///
/// A context for a short section that the end of `outer` does not reach: it has its values and its
/// clock, and ends only with its own limit or with the shield.
///
/// Requires: `longest` is short beside the cancel budget of the stop that it defends against; what
/// runs longer than that budget is abandoned, shield or not.
/// Guarantees: not draining and not cancelled before `longest` has passed. A task that a stopper
/// starts with the context is the stopper's all the same.
/// Thread safety: `get` from any thread. Cost: allocates twice.
/// Source: Trio's shielded cancel scopes, Go's context.WithoutCancel; both without a limit.
///
///     weir::shield last_words{ctx, 2s};
///     co_await peer.say_goodbye(last_words.get());
class shield {
 public:
  shield(const context& outer, duration longest);

  [[nodiscard]] const context& get() const noexcept { return inner_.get(); }

 private:
  context_source inner_;
};

}  // namespace weir
