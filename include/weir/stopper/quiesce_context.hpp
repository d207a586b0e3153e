#pragma once

#include <source_location>
#include <utility>

#include <weir/context/context.hpp>
#include <weir/stopper/gate.hpp>
#include <weir/stopper/options.hpp>

namespace weir {

/// A child of any context that a stopper ends too, whichever comes first. Made by
/// `stopper::cancel_on_quiesce`.
///
/// Guarantees: made when the stop has begun already, it is cancelled before anybody sees it.
/// Registered with the stopper for as long as this lives: nothing piles up. Movable; cancelled when
/// destroyed. Blocks: the destructor waits for a cancellation that is running on another thread.
/// Thread safety: `cancel` and copies of `get()` from any thread. Cost: allocates twice.
class quiesce_context {
 public:
  /// None.
  quiesce_context() noexcept = default;
  /// `finish`: drains and is cancelled as the stopper's tasks are. `cancel`: cancelled as soon as
  /// the stop begins.
  quiesce_context(core::stopper_gate& gate, const context& parent, quiesce_action action);
  quiesce_context(quiesce_context&& other) noexcept : link_(std::exchange(other.link_, nullptr)) {}
  quiesce_context& operator=(quiesce_context&& other) noexcept {
    if (this != &other) {
      drop();
      link_ = std::exchange(other.link_, nullptr);
    }
    return *this;
  }
  ~quiesce_context() { drop(); }

  /// Requires: not empty.
  [[nodiscard]] const context& get() const noexcept;

  [[nodiscard]] bool empty() const noexcept { return link_ == nullptr; }

  bool cancel(error why = error{errc::cancelled, "cancelled"},
              std::source_location where = std::source_location::current()) noexcept;

 private:
  struct link;

  // Every task has one, nearly all of them empty.
  void drop() noexcept {
    if (link_ != nullptr) end(std::exchange(link_, nullptr));
  }
  static void end(link* linked) noexcept;

  link* link_ = nullptr;
};

}  // namespace weir
