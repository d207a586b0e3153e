#pragma once

#include <weir/context/operation.hpp>
#include <weir/core/timer.hpp>

namespace weir {

/// Waits for a point in time. Ready at once if that has passed.
/// Cost: a timer node in the waiting frame; nothing is allocated.
class [[nodiscard]] sleep_operation : public core::wait_node, private core::timer_node {
 public:
  using value_type = void;

  sleep_operation(core::context_state* bound, duration length) noexcept
      : core::timer_node(expired), bound_(bound), length_(length) {}
  sleep_operation(core::context_state* bound, time_point when) noexcept
      : core::timer_node(expired), bound_(bound), when_(when), absolute_(true) {}
  sleep_operation(const sleep_operation&) = delete;
  sleep_operation& operator=(const sleep_operation&) = delete;

  core::context_state* bound() noexcept { return bound_; }
  core::mutex& guard() noexcept { return timers_ != nullptr ? timers_->guard() : own_guard_; }
  [[nodiscard]] static guard_rank rank() noexcept { return timers_rank; }
  bool try_locked(core::wake_list&) noexcept { return due_; }
  void enqueue(core::waiter& who, std::uint32_t index, core::wake_list& wakes) noexcept;
  void withdraw(core::wake_list&) noexcept;
  result<void> take() noexcept { return {}; }

  void bind(core::timer_service* timers, clock& time) noexcept;
  time_point deadline() noexcept { return timers_ == nullptr ? when_ : time_point::max(); }

 private:
  static void expired(core::timer_node& node, core::wake_list& wakes) noexcept;

  core::context_state* bound_;
  core::timer_service* timers_ = nullptr;
  time_point when_{};
  duration length_{};
  bool absolute_ = false;
  bool due_ = false;
  core::mutex own_guard_;  // for a thread on real time: nobody else comes here
};

/// Waits until `length` from now has passed, counted from when the wait begins; not longer than
/// `ctx`.
inline sleep_operation sleep_for(const context& ctx, duration length) noexcept {
  return {ctx.state(), length};
}

/// Waits until `when`, on the context's clock.
inline sleep_operation sleep_until(const context& ctx, time_point when) noexcept {
  return {ctx.state(), when};
}

/// A timeout as a case of a select. Bounded by itself alone.
inline sleep_operation after(duration length) noexcept {
  return {nullptr, length};
}

/// Waits for a level of a context, rather than being ended by it.
class [[nodiscard]] level_operation : public core::wait_node {
 public:
  using value_type = void;

  level_operation(core::context_state* awaited, context_level level,
                  core::context_state* bound) noexcept
      : awaited_(awaited), bound_(bound), level_(level) {}
  level_operation(const level_operation&) = delete;
  level_operation& operator=(const level_operation&) = delete;

  core::context_state* bound() noexcept { return bound_; }
  core::mutex& guard() noexcept { return awaited_ != nullptr ? awaited_->guard() : own_guard_; }
  [[nodiscard]] guard_rank rank() const noexcept {
    return awaited_ != nullptr ? awaited_->depth() : primitive_rank;
  }
  core::context_state* watched() noexcept { return awaited_; }
  bool try_locked(core::wake_list&) noexcept {
    return awaited_ != nullptr && awaited_->level() >= level_;
  }
  void enqueue(core::waiter& who, std::uint32_t index, core::wake_list&) noexcept;
  void withdraw(core::wake_list&) noexcept;
  result<void> take() noexcept { return {}; }

 private:
  core::context_state* awaited_;
  core::context_state* bound_;
  context_level level_;
  core::mutex own_guard_;  // a context that never ends has no lock
};

/// Waits until `ctx` begins to drain or is cancelled; as a case of a select, mostly.
inline level_operation until_draining(const context& ctx) noexcept {
  return {ctx.state(), context_level::draining, nullptr};
}

/// Waits until `ctx` is cancelled.
inline level_operation until_cancelled(const context& ctx) noexcept {
  return {ctx.state(), context_level::cancelled, nullptr};
}

}  // namespace weir
