#pragma once

#include <chrono>

namespace weir::core {

using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;

/// Model time: it moves when a timed wait times out and by model::advance().
time_point monotonic_now() noexcept;
time_point coarse_now() noexcept;

std::chrono::system_clock::time_point wall_now() noexcept;

}  // namespace weir::core
