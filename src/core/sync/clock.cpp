#include <time.h>

#include <weir/core/sync/clock.hpp>

namespace weir::core {

time_point monotonic_now() noexcept {
  return std::chrono::steady_clock::now();
}

time_point coarse_now() noexcept {
  timespec at{};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &at);  // fails only where it does not exist: not on Linux
  return time_point{std::chrono::seconds{at.tv_sec} + std::chrono::nanoseconds{at.tv_nsec}};
}

std::chrono::system_clock::time_point wall_now() noexcept {
  return std::chrono::system_clock::now();
}

}  // namespace weir::core
