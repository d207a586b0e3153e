#pragma once

#include <utility>

#include <weir/stopper/gate.hpp>

namespace weir {

namespace core {
class deferred_call;
}

/// A function that a stopper will call, as long as this lives. Made by `stopper::defer` and
/// `stopper::on_quiesce`.
///
/// The destructor takes the function back; `keep` leaves it with the stopper for good. Empty when
/// the function has run at once because the stop had begun.
/// Guarantees: after `cancel`, and after the destructor, the function is not running and never
/// will, unless they are called from inside it. May outlive the stopper.
/// Blocks: `cancel` and the destructor wait for a function that is running on another thread.
/// Thread safety: one owner, movable.
///
///     auto closing = stopper.defer("cache", [&] { cache.flush(); });   // until `closing` dies
///     stopper.defer("db", [db = std::move(db)] { db->close(); }).keep();
class [[nodiscard]] registration {
 public:
  registration() noexcept = default;
  registration(core::stopper_gate& home, core::deferred_call& adopted) noexcept
      : home_(home), call_(&adopted) {}
  registration(registration&& other) noexcept
      : home_(std::move(other.home_)), call_(std::exchange(other.call_, nullptr)) {}
  registration& operator=(registration&& other) noexcept {
    if (this != &other) {
      cancel();
      home_ = std::move(other.home_);
      call_ = std::exchange(other.call_, nullptr);
    }
    return *this;
  }
  ~registration() { cancel(); }

  /// True if it is there: neither kept, nor cancelled, nor run when it was made.
  [[nodiscard]] explicit operator bool() const noexcept { return call_ != nullptr; }

  /// Takes the function back. True if it had not run and now never will.
  bool cancel() noexcept;

  /// Leaves it with the stopper.
  void keep() noexcept;

 private:
  core::gate_reference home_;
  core::deferred_call* call_ = nullptr;
};

}  // namespace weir
