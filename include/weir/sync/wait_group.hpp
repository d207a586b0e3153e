#pragma once

#include <cstdint>

#include <weir/context/context.hpp>
#include <weir/context/operation.hpp>

namespace weir {

class wait_group_operation;

/// Problem: somebody starts a number of things and wants to go on when all of them are done.
///
/// A counter to wait for: `add` before something starts, `done` at its end, `wait` until the count
/// is zero. May be used again after that.
///
/// Requires: `add` for what is being waited for happens before the `wait`, and not inside what was
/// started: there, `wait` may have returned already. As many `done` as `add` (one more is asserted
/// in every build). At destruction nobody waits and the count is zero (asserted).
/// Guarantees: when `wait` has returned, the group may be destroyed at once, although the last
/// `done` may not have returned yet.
/// Blocks or suspends: `wait` alone. Errors: none of its own. Cancellation: by the context of the
/// wait. Thread safety: all members.
/// Memory ordering: what thread X did before `done` is visible to thread Y after `wait`.
/// Cost: 32 bytes; `add` and each `done` but the last are one atomic instruction.
/// Compared to a result_group: it knows nothing of tasks, their results and failures.
/// Source: Go's sync.WaitGroup; the destruction rule is absl::BlockingCounter's.
///
///     weir::wait_group all;
///     all.add(2);
///     start([&] { first(); all.done(); });
///     start([&] { second(); all.done(); });
///     co_await all.wait(ctx);
class wait_group {
 public:
  explicit wait_group(std::int64_t count = 0) noexcept;
  wait_group(const wait_group&) = delete;
  wait_group& operator=(const wait_group&) = delete;
  ~wait_group();

  /// Requires: `count` is not negative.
  void add(std::int64_t count = 1) noexcept;

  /// One of them has ended. The one that makes the count zero wakes all who wait.
  void done() noexcept {
    std::int64_t left = count_.load();
    // Zero is reached under the lock alone: whoever then sees it owns the group, as nobody is left
    // who has yet to touch it.
    while (left > 1) {
      if (count_.compare_exchange_weak(left, left - 1)) return;
    }
    done_locking();
  }

  /// Waits until the count is zero. Ready at once if it is.
  wait_group_operation wait(const context& ctx) noexcept;

 private:
  friend class wait_group_operation;

  void done_locking() noexcept;

  core::mutex mutex_;
  core::atomic<std::int64_t> count_;
  core::intrusive_list<core::wait_node> waiters_ WEIR_GUARDED_BY(mutex_);
};

/// A wait for a wait group.
class [[nodiscard]] wait_group_operation : public core::wait_node {
 public:
  using value_type = void;

  wait_group_operation(wait_group& awaited, core::context_state* bound) noexcept
      : group_(awaited), bound_(bound) {}
  wait_group_operation(const wait_group_operation&) = delete;
  wait_group_operation& operator=(const wait_group_operation&) = delete;

  core::context_state* bound() noexcept { return bound_; }
  core::mutex& guard() noexcept WEIR_RETURN_CAPABILITY(group_.mutex_) { return group_.mutex_; }
  [[nodiscard]] bool likely_ready() const noexcept { return group_.count_.load() == 0; }
  bool try_locked(core::wake_list&) noexcept { return group_.count_.load() == 0; }
  void enqueue(core::waiter& who, std::uint32_t index, core::wake_list&) noexcept
      WEIR_REQUIRES(group_.mutex_);
  void withdraw(core::wake_list&) noexcept WEIR_REQUIRES(group_.mutex_);
  result<void> take() noexcept { return {}; }

 private:
  wait_group& group_;
  core::context_state* bound_;
};

inline wait_group_operation wait_group::wait(const context& ctx) noexcept {
  return {*this, ctx.state()};
}

}  // namespace weir
