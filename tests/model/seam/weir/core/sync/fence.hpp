#pragma once

namespace weir::core {

/// The explorer is sequentially consistent: every store is seen at once. tests/relacy has the rest.
inline void prepare_fences() noexcept {}
inline void heavy_fence() noexcept {}
inline void light_fence() noexcept {}
inline bool light_fences_are_free() noexcept {
  return true;
}

}  // namespace weir::core
