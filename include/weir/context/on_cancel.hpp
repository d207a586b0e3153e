#pragma once

#include <concepts>
#include <type_traits>
#include <utility>

#include <weir/context/context.hpp>

namespace weir {

/// Runs a function once when its context reaches a level: to close a socket, interrupt a query, or
/// wake something that knows no contexts.
///
/// Requires: the function does not throw; it may end contexts and destroy this registration.
/// Guarantees: runs at once, on the constructing thread, if the level was reached before. Runs at
/// most once. When the destructor returns, the function is not running and never will, unless the
/// destructor was called from inside it. It holds no lock while it runs.
/// A deadline is made to pass by those who wait under it and by `check`: where nobody does, a hook
/// alone does not see it.
/// Blocks: the destructor waits for a function that is running on another thread.
/// Thread safety: one owner. Neither copied nor moved. Cost: no allocation, two short locks.
///
///     weir::context_hook hook{ctx, weir::context_level::cancelled, [&]() noexcept { interrupt();
///     }};
template <std::invocable F>
class context_hook : private core::context_callback {
  static_assert(std::is_nothrow_invocable_v<F&>, "a cancellation callback must be noexcept");

 public:
  context_hook(context ctx, context_level level, F run)
      : core::context_callback(
            level,
            [](core::context_callback& self) noexcept { static_cast<context_hook&>(self).run_(); }),
        context_(std::move(ctx)),
        run_(std::move(run)) {
    core::context_state* state = context_.state();
    if (state != nullptr && !state->add_callback(*this)) run_();
  }
  context_hook(const context_hook&) = delete;
  context_hook& operator=(const context_hook&) = delete;
  ~context_hook() {
    if (core::context_state* state = context_.state()) state->remove_callback(*this);
  }

 private:
  context context_;
  F run_;
};

/// Runs `run` once when `ctx` is cancelled, or at once if it is.
template <std::invocable F>
[[nodiscard]] context_hook<F> on_cancel(context ctx, F run) {
  return {std::move(ctx), context_level::cancelled, std::move(run)};
}

/// Runs `run` once when `ctx` begins to drain (or is cancelled without), or at once if it has.
template <std::invocable F>
[[nodiscard]] context_hook<F> on_drain(context ctx, F run) {
  return {std::move(ctx), context_level::draining, std::move(run)};
}

}  // namespace weir
