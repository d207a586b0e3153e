#include <weir/core/biased_mutex.hpp>
#include <weir/core/sync/thread.hpp>

namespace weir::core {

// The analysis does not know that the lock is a part of what it guards.
void biased_mutex::lock_plainly(std::size_t me) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  if (begin_lock(me)) heavy_fence();
  end_lock();
}

bool biased_mutex::begin_lock(std::size_t me) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  lock_.lock();
  count(me);
  // relaxed: written under the lock. If it is mine I have just got it, and it is for the next time.
  const std::size_t bias = bias_.load(std::memory_order_relaxed);
  if (bias == 0 || bias == me) return false;
  bias_.store(0, std::memory_order_relaxed);  // the heavy fence orders it
  return true;
}

void biased_mutex::end_lock() noexcept {
  for (int round = 0; busy_.load(std::memory_order_acquire); ++round) wait_a_little(round);
}

void biased_mutex::count(std::size_t me) noexcept {
  if (me != last_) uses_ = 0;
  last_ = me;
  if (++uses_ < enough_) return;
  uses_ = 0;
  if (owner_ == 0 && light_fences_are_free()) owner_ = me;
  if (owner_ == me) bias_.store(me, std::memory_order_relaxed);  // read by me, or under the lock
}

}  // namespace weir::core
