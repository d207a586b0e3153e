#pragma once

#include <weir/context/context.hpp>
#include <weir/context/operation.hpp>

namespace weir {

class event_operation;

/// Problem: something happens once, and any number of threads and tasks go on from there.
///
/// A latch that is set once and stays set.
///
/// Requires: nobody waits when it is destroyed (asserted in every build).
/// Guarantees: whoever has seen it set, by `wait` or `is_set`, may destroy it at once: `set` on
/// another thread is then past its last look at the event, or the destructor outlasts it.
/// Blocks or suspends: `wait` alone. Errors: none of its own. Cancellation: by the context of the
/// wait. Thread safety: all members.
/// Memory ordering: what thread X did before `set` is visible to thread Y after `wait` has returned
/// or `is_set` has said true.
/// Cost: 24 bytes; `is_set` is one load, a wait that is ready one short lock.
/// Source: absl::Notification.
///
///     weir::event ready;
///     // thread X                    // task Y
///     prepare();                     co_await ready.wait(ctx);
///     ready.set();                   use();
class event {
 public:
  event() noexcept = default;
  event(const event&) = delete;
  event& operator=(const event&) = delete;
  ~event();

  /// Sets it and wakes all who wait. Doing it again changes nothing.
  void set() noexcept;

  [[nodiscard]] bool is_set() const noexcept { return set_.load(); }

  /// Waits until it is set.
  event_operation wait(const context& ctx) noexcept;

 private:
  friend class event_operation;

  core::mutex mutex_;
  core::atomic<bool> set_{false};  // written under mutex_, so that the destructor can outlast it
  core::intrusive_list<core::wait_node> waiters_ WEIR_GUARDED_BY(mutex_);
};

/// A wait for an event.
class [[nodiscard]] event_operation : public core::wait_node {
 public:
  using value_type = void;

  event_operation(event& awaited, core::context_state* bound) noexcept
      : event_(awaited), bound_(bound) {}
  event_operation(const event_operation&) = delete;
  event_operation& operator=(const event_operation&) = delete;

  core::context_state* bound() noexcept { return bound_; }
  core::mutex& guard() noexcept WEIR_RETURN_CAPABILITY(event_.mutex_) { return event_.mutex_; }
  [[nodiscard]] bool likely_ready() const noexcept { return event_.is_set(); }
  bool try_locked(core::wake_list&) noexcept { return event_.is_set(); }
  void enqueue(core::waiter& who, std::uint32_t index, core::wake_list&) noexcept
      WEIR_REQUIRES(event_.mutex_);
  void withdraw(core::wake_list&) noexcept WEIR_REQUIRES(event_.mutex_);
  result<void> take() noexcept { return {}; }

 private:
  event& event_;
  core::context_state* bound_;
};

inline event_operation event::wait(const context& ctx) noexcept {
  return {*this, ctx.state()};
}

}  // namespace weir
