#pragma once

#include <chrono>

namespace weir::core {

/// All of weir's time is monotonic: a step of the wall clock changes no wait.
using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;

/// Reads the machine's monotonic clock (about 28 ns). Library code asks a `core::clock` instead,
/// which tests replace; this is the seam underneath it.
time_point monotonic_now() noexcept;

/// The same clock as of its last tick, up to 4 ms ago (about 5 ns): for ages and statistics.
time_point coarse_now() noexcept;

/// Wall-clock time, for printing only: no wait depends on it.
std::chrono::system_clock::time_point wall_now() noexcept;

}  // namespace weir::core
