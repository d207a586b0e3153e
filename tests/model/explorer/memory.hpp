#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::model {

/// The memory of an execution: stacks for the fibers and, above them, a bump allocator that
/// `operator new` uses while a model runs.
///
/// Nothing freed is handed out again within one execution: it is filled with a poison byte and
/// looked at once more in the end, so that a late write is found even where the writer goes round
/// the seam. The next execution starts from an empty arena at the same addresses, so that code
/// which orders by address behaves the same in every rerun.
class memory {
 public:
  static constexpr std::size_t stack_bytes = 256 * 1024;
  static constexpr std::size_t arena_bytes = std::size_t{64} * 1024 * 1024;
  static constexpr std::byte poison{0xDD};

  /// What the arena looks like after an execution.
  struct findings {
    std::size_t leaked_blocks = 0;
    std::size_t leaked_bytes = 0;
    std::size_t written_after_free = 0;
  };

  static std::byte* stack(unsigned thread) noexcept;

  /// Empties the arena.
  static void reset() noexcept;

  /// While in use, `operator new` takes from the arena.
  static void use(bool on) noexcept;
  [[nodiscard]] static bool in_use() noexcept;

  static void* allocate(std::size_t bytes, std::size_t alignment) noexcept;
  static void release(void* block) noexcept;
  [[nodiscard]] static bool owns(const void* address) noexcept;

  [[nodiscard]] static findings inspect() noexcept;
};

}  // namespace weir::model
