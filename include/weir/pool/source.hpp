#pragma once

#include <weir/context/context.hpp>
#include <weir/core/error.hpp>
#include <weir/runtime/task.hpp>

namespace weir {

/// How a pool's resources are made, checked and ended. All calls come from the pool's own tasks,
/// without a lock, several at once for different resources; `usable` and `needs_reset` from the
/// thread that returns the lease.
template <class R>
class pool_source {
 public:
  virtual ~pool_source() = default;

  /// Opens one. `ctx` is cancelled when the pool closes, not when the caller who wanted it gives
  /// up: the resource then serves another. May throw; that is a failed open.
  virtual task<result<R>> open(context ctx) = 0;

  /// Ends one, for good.
  virtual task<void> close(R resource) {
    static_cast<void>(resource);
    co_return;
  }

  /// False: the resource is broken or in doubt, and is closed instead of kept.
  [[nodiscard]] virtual bool usable(R&) noexcept { return true; }

  /// True: `reset` runs before the next caller gets it, in a task of its own.
  [[nodiscard]] virtual bool needs_reset(R&) noexcept { return false; }

  /// Makes it as good as new; false closes it.
  virtual task<bool> reset(R&, context) { co_return true; }

  /// Asks whether it is still alive, after it was idle for `validate_after`; false closes it.
  virtual task<bool> validate(R&, context) { co_return true; }
};

}  // namespace weir
