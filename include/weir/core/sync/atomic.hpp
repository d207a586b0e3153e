#pragma once

#include <atomic>

namespace weir::core {

/// The only atomics weir uses.
///
/// This header belongs to the *seam*: `weir/core/sync/` owns atomics, mutex, park, thread,
/// thread-local and clock. A model build puts another folder with the same header names in front
/// of the include path, and an explorer then drives the shipped code through every interleaving.
///
/// The default order is seq_cst. Whatever is weaker carries a comment that names its partner.
template <class T>
using atomic = std::atomic<T>;

/// Tells the processor that this is a spin loop. No memory ordering.
inline void cpu_relax() noexcept {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace weir::core
