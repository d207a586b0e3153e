#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <weir/core/sync/park.hpp>

namespace weir::core {
namespace {

/// Sleeps while `word` is `expected`. False only when `deadline` (absolute, monotonic) passed.
bool futex_wait(atomic<std::uint32_t>& word, std::uint32_t expected,
                const timespec* deadline) noexcept {
  const long rc = syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word),
                          FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, deadline, nullptr,
                          FUTEX_BITSET_MATCH_ANY);
  return rc == 0 || errno != ETIMEDOUT;
}

void futex_wake_one(atomic<std::uint32_t>& word) noexcept {
  syscall(SYS_futex, reinterpret_cast<std::uint32_t*>(&word), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1,
          nullptr, nullptr, 0);
}

}  // namespace

bool park::try_wait() noexcept {
  std::uint32_t expected = token;
  return word_.compare_exchange_strong(expected, empty);
}

void park::wait() noexcept {
  wait_until(time_point::max());
}

bool park::wait_until(time_point deadline) noexcept {
  std::uint32_t expected = empty;
  if (!word_.compare_exchange_strong(expected, parked)) {
    word_.store(empty);
    return true;
  }
  const auto since_epoch = deadline.time_since_epoch();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(since_epoch);
  const bool bounded = deadline != time_point::max();
  timespec at{};
  if (bounded && since_epoch.count() > 0) {
    at.tv_sec = seconds.count();
    at.tv_nsec = static_cast<long>((since_epoch - seconds).count());
  }
  while (word_.load() == parked) {
    if (futex_wait(word_, parked, bounded ? &at : nullptr)) continue;
    // Timed out: take our place back, unless a waker was faster.
    expected = parked;
    if (word_.compare_exchange_strong(expected, empty)) return false;
  }
  word_.store(empty);
  return true;
}

void park::wake() noexcept {
  if (word_.exchange(token) == parked) futex_wake_one(word_);
}

}  // namespace weir::core
