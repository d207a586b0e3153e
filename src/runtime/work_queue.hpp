#pragma once

#include <cstddef>

#include <weir/core/executor.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>

namespace weir::core {

/// Items in a row, linked through work::next. Owned by one thread.
struct work_chain {
  work* head = nullptr;
  work* tail = nullptr;
  std::size_t count = 0;

  void push(work& item) noexcept {
    item.next = nullptr;
    (tail != nullptr ? tail->next : head) = &item;
    tail = &item;
    ++count;
  }

  work* pop() noexcept {
    work* item = head;
    if (item == nullptr) return nullptr;
    head = item->next;
    if (head == nullptr) tail = nullptr;
    --count;
    return item;
  }
};

/// The queue that all workers share: what comes from other threads, and what a ring had no room
/// for. Unbounded, first in first out; allocates nothing.
///
/// Memory ordering: `size` is stored seq_cst under the lock. Whoever pushes and then looks for
/// sleepers, and whoever announces sleep and then asks for the size, do not miss each other.
class work_queue {
 public:
  void push(work_chain items) noexcept {
    if (items.count == 0) return;
    lock_guard guard{mutex_};
    (tail_ != nullptr ? tail_->next : head_) = items.head;
    tail_ = items.tail;
    size_.store(size_.load(std::memory_order_relaxed) + items.count);  // written under the lock
  }

  void push(work& item) noexcept {
    work_chain one;
    one.push(item);
    push(one);
  }

  /// Takes up to `most` from the front.
  work_chain pop(std::size_t most) noexcept {
    work_chain taken;
    if (size() == 0) return taken;
    lock_guard guard{mutex_};
    while (taken.count < most && head_ != nullptr) {
      work* item = head_;
      head_ = item->next;
      taken.push(*item);
    }
    if (head_ == nullptr) tail_ = nullptr;
    size_.store(size_.load(std::memory_order_relaxed) - taken.count);
    return taken;
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_.load(); }

 private:
  mutex mutex_;
  work* head_ WEIR_GUARDED_BY(mutex_) = nullptr;
  work* tail_ WEIR_GUARDED_BY(mutex_) = nullptr;
  atomic<std::size_t> size_{0};
};

}  // namespace weir::core
