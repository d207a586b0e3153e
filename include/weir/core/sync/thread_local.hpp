#pragma once

#include <type_traits>

namespace weir::core {

/// One `T` per thread, named by `Tag`, value-initialised. `T` must be trivially destructible and
/// constant-initialised, so that an access is a single address computation without a guard and no
/// destructor runs at thread exit.
///
/// A coroutine may resume on another thread: never keep the reference across a suspension.
template <class T, class Tag>
class thread_slot {
 public:
  static T& get() noexcept { return value_; }

 private:
  static_assert(std::is_trivially_destructible_v<T>);
  static inline thread_local constinit T value_{};
};

}  // namespace weir::core
