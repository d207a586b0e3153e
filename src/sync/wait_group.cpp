#include <limits>

#include <weir/core/assert.hpp>
#include <weir/sync/wait_group.hpp>

namespace weir {

wait_group::wait_group(std::int64_t count) noexcept : count_(count) {
  WEIR_ASSERT(count >= 0, "a wait_group was made with a negative count");
}

wait_group::~wait_group() {
  core::lock_guard guard{mutex_};
  WEIR_ASSERT(waiters_.empty(), "a wait_group was destroyed while somebody waits for it");
  WEIR_ASSERT(
      count_.load() == 0,
      "a wait_group was destroyed before its count was zero: whoever has yet to call done() "
      "would touch freed memory");
}

void wait_group::add(std::int64_t count) noexcept {
  WEIR_ASSERT(count >= 0, "wait_group::add() takes no negative count: call done()");
  const std::int64_t before = count_.fetch_add(count);
  WEIR_ASSERT(before <= std::numeric_limits<std::int64_t>::max() - count,
              "a wait_group's count overflowed");
}

void wait_group::done_locking() noexcept {
  core::wake_list wakes;
  core::lock_guard guard{mutex_};
  const std::int64_t before = count_.fetch_sub(1);
  WEIR_ASSERT(before > 0, "wait_group::done() was called more often than add() announced");
  if (before != 1) return;  // an add() came between the look and the lock
  while (core::wait_node* node = waiters_.pop_front()) node->grant(wakes);
}

void wait_group_operation::enqueue(core::waiter& who, std::uint32_t index,
                                   core::wake_list&) noexcept {
  set(who, index);
  group_.waiters_.push_back(*this);
}

void wait_group_operation::withdraw(core::wake_list&) noexcept {
  if (linked()) core::intrusive_list<core::wait_node>::unlink(*this);
}

}  // namespace weir
