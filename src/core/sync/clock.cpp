#include <weir/core/sync/clock.hpp>

namespace weir::core {

time_point monotonic_now() noexcept {
  return std::chrono::steady_clock::now();
}

std::chrono::system_clock::time_point wall_now() noexcept {
  return std::chrono::system_clock::now();
}

}  // namespace weir::core
