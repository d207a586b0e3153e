#include <weir/core/assert.hpp>
#include <weir/sync/channel_core.hpp>

namespace weir::core {

channel_core::~channel_core() {
  lock_guard guard{mutex_};
  WEIR_ASSERT(senders_.empty() && receivers_.empty(),
              "a channel was destroyed while somebody waits to send or receive: close() it and let "
              "them come back first");
}

std::size_t channel_core::size() const noexcept {
  lock_guard guard{mutex_};
  return filled_;
}

bool channel_core::closed() const noexcept {
  lock_guard guard{mutex_};
  return closed_;
}

void channel_core::close() noexcept {
  wake_list wakes;
  lock_guard guard{mutex_};
  closed_ = true;
  // They have passed nothing, so each finds that it was closed.
  while (channel_node* node = receivers_.pop_front()) node->grant(wakes);
  while (channel_node* node = senders_.pop_front()) node->grant(wakes);
}

channel_node* channel_core::claim_first(node_list& waiting, wake_list& wakes) noexcept {
  while (channel_node* node = waiting.pop_front()) {
    if (!node->grant(wakes)) continue;  // its select or its context was faster
    node->passed = true;
    return node;
  }
  return nullptr;
}

}  // namespace weir::core
