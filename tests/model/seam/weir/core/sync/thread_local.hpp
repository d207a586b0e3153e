#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <type_traits>

namespace weir::model {

/// Index of the running model thread, and the number of the execution: together they name what a
/// thread-local variable belongs to.
unsigned thread_index() noexcept;
std::uint64_t execution_serial() noexcept;

}  // namespace weir::model

namespace weir::core {

/// The model's thread-local: one `T` per model thread, fresh in every execution.
template <class T, class Tag>
class thread_slot {
 public:
  static T& get() noexcept {
    cell& mine = cells_[model::thread_index()];
    if (mine.serial != model::execution_serial() + 1) {
      mine.serial = model::execution_serial() + 1;
      new (mine.bytes) T{};
    }
    return *std::launder(reinterpret_cast<T*>(mine.bytes));
  }

 private:
  struct cell {
    std::uint64_t serial = 0;
    alignas(T) std::byte bytes[sizeof(T)];
  };
  static inline cell cells_[8] = {};
};

}  // namespace weir::core
