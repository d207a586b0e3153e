#pragma once

#include <weir/core/sync/atomic.hpp>

namespace weir::core {

/// membarrier(2) makes every running thread pass a fence at some moment of the heavy one: what a
/// light fence then orders is what a full one would have ordered.
inline void light_fence() noexcept {
  rl::ctx().atomic_thread_fence_seq_cst();
}
inline void heavy_fence() noexcept {
  rl::ctx().atomic_thread_fence_seq_cst();
}
inline void prepare_fences() noexcept {}
inline bool light_fences_are_free() noexcept {
  return true;
}

}  // namespace weir::core
