#pragma once

#include <source_location>
#include <utility>

#include <weir/stopper/gate.hpp>

namespace weir {

/// Permission to do one piece of work that a stopper waits for, wherever it is done: on a thread of
/// one's own, in a callback of a foreign library. Made by `stopper::try_enter`.
///
/// Guarantees: counted until released or destroyed; an executor that throws or rejects the work
/// destroys it and so gives it back. After a stop that gave up, releasing it is harmless.
/// Thread safety: one owner, movable to another thread. Cost: one small allocation.
///
///     auto permit = stopper.try_enter("import");
///     if (!permit) return permit.error();
///     pool.post([p = *std::move(permit)] { import(p.ctx()); });
class [[nodiscard]] permit {
 public:
  /// None.
  permit() noexcept = default;
  permit(permit&& other) noexcept : held_(std::exchange(other.held_, nullptr)) {}
  permit& operator=(permit&& other) noexcept {
    if (this != &other) {
      release();
      held_ = std::exchange(other.held_, nullptr);
    }
    return *this;
  }
  ~permit() { release(); }

  [[nodiscard]] explicit operator bool() const noexcept { return held_ != nullptr; }

  /// The stopper's: drains and is cancelled with its tasks. Requires: not empty.
  [[nodiscard]] const context& ctx() const noexcept { return held_->gate.finishing(); }

  /// Gives it back now. Doing it again changes nothing.
  void release() noexcept;

 private:
  friend class stopper;

  struct held {
    core::stopper_gate& gate;
    core::live_task live;
  };

  /// Null if it was refused.
  static held* enter(core::stopper_gate& gate, const char* name, std::source_location site);
  explicit permit(held* adopted) noexcept : held_(adopted) {}

  held* held_ = nullptr;
};

}  // namespace weir
