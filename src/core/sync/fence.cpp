#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <weir/core/sync/fence.hpp>

namespace weir::core {
namespace {

bool barrier(int command) noexcept {
  return syscall(SYS_membarrier, command, 0U, 0) == 0;
}

}  // namespace

constinit atomic<bool> fences_are_asymmetric{false};

void prepare_fences() noexcept {
  if (fences_are_asymmetric.load()) return;
  if (barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)) fences_are_asymmetric.store(true);
}

void heavy_fence() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
  if (barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) return;
  // Not registered: nobody relies on it, unless this process is a fork of one that was.
  if (barrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)) barrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED);
}

}  // namespace weir::core
