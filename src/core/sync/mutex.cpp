#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/thread.hpp>

namespace weir::core {

void mutex::lock_contended() noexcept {
  for (int round = 0;; ++round) {
    // Reading before exchanging keeps the line shared while somebody else holds the lock. relaxed:
    // the exchange below is what acquires.
    if (!locked_.load(std::memory_order_relaxed) &&
        !locked_.exchange(true, std::memory_order_acquire)) {
      return;
    }
    wait_a_little(round);
  }
}

}  // namespace weir::core
