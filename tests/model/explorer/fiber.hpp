#pragma once

#include <cstddef>

namespace weir::model {

/// A stack of its own for each model thread, and the switch between two of them. One thread of the
/// operating system runs all fibers, so that the explorer alone decides who goes on.
///
/// Cost: a switch is a dozen instructions on x86-64; elsewhere it is `swapcontext`.
class fiber {
 public:
  using entry = void (*)();

  /// Makes the next switch to this fiber call `run`, which must never return.
  void prepare(std::byte* stack, std::size_t bytes, entry run) noexcept;

  /// Continues `to` where it was left; returns when somebody switches back to `from`.
  static void switch_to(fiber& from, fiber& to) noexcept;

 private:
  void* state_ = nullptr;
};

}  // namespace weir::model
