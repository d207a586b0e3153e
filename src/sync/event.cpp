#include <weir/core/assert.hpp>
#include <weir/sync/event.hpp>

namespace weir {

event::~event() {
  // is_set() needs no lock: whoever saw it true may come here while set() is still inside its own.
  core::lock_guard guard{mutex_};
  WEIR_ASSERT(waiters_.empty(), "an event was destroyed while somebody waits for it");
}

void event::set() noexcept {
  core::wake_list wakes;
  core::lock_guard guard{mutex_};
  set_.store(true);
  while (core::wait_node* node = waiters_.pop_front()) node->grant(wakes);
}

void event_operation::enqueue(core::waiter& who, std::uint32_t index, core::wake_list&) noexcept {
  set(who, index);
  event_.waiters_.push_back(*this);
}

void event_operation::withdraw(core::wake_list&) noexcept {
  if (linked()) core::intrusive_list<core::wait_node>::unlink(*this);
}

}  // namespace weir
