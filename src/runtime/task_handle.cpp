#include <weir/runtime/task_handle.hpp>

namespace weir::core {

void completion::finish() noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  done_ = true;
  // A joiner that went elsewhere withdraws by itself.
  if (joiner_ != nullptr) joiner_->grant(wakes);
}

}  // namespace weir::core
