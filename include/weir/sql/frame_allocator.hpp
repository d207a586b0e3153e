#pragma once

#include <cstddef>

#include <weir/runtime/frame_cache.hpp>

namespace weir::core {

/// Memory for what lives about as long as a task's frame, from the same caches. What one worker
/// makes and another frees is dear to the general allocator, and an answer is always such.
template <class T>
struct frame_allocator {
  using value_type = T;
  frame_allocator() noexcept = default;
  template <class U>
  frame_allocator(const frame_allocator<U>&) noexcept {}
  T* allocate(std::size_t n) { return static_cast<T*>(allocate_frame(n * sizeof(T))); }
  void deallocate(T* block, std::size_t n) noexcept { free_frame(block, n * sizeof(T)); }
  friend bool operator==(frame_allocator, frame_allocator) noexcept { return true; }
};

}  // namespace weir::core
