#pragma once

#include <weir/core/assert.hpp>

namespace weir::core {

/// Hook of an object that can be in one intrusive list at a time. Not moved while linked.
class list_hook {
 public:
  list_hook() noexcept = default;
  // A hook's links belong to its address; a copy or move starts unlinked.
  list_hook(const list_hook&) noexcept {}
  list_hook& operator=(const list_hook&) noexcept { return *this; }

  [[nodiscard]] bool linked() const noexcept { return next_ != nullptr; }

 private:
  template <class T>
  friend class intrusive_list;

  list_hook* next_ = nullptr;
  list_hook* prev_ = nullptr;
};

/// Doubly linked list of objects derived from `list_hook` (unambiguously); owns nothing, allocates
/// nothing. Guarded by whatever guards its owner.
template <class T>
class intrusive_list {
 public:
  intrusive_list() noexcept { head_.next_ = head_.prev_ = &head_; }
  intrusive_list(const intrusive_list&) = delete;
  intrusive_list& operator=(const intrusive_list&) = delete;

  [[nodiscard]] bool empty() const noexcept { return head_.next_ == &head_; }
  [[nodiscard]] T* front() noexcept { return empty() ? nullptr : static_cast<T*>(head_.next_); }
  [[nodiscard]] T* back() noexcept { return empty() ? nullptr : static_cast<T*>(head_.prev_); }

  /// The element behind `item`, or null at the end.
  [[nodiscard]] T* next(T& item) noexcept {
    list_hook* n = static_cast<list_hook&>(item).next_;
    return n == &head_ ? nullptr : static_cast<T*>(n);
  }

  void push_back(T& item) noexcept { insert_before(head_, item); }
  void push_front(T& item) noexcept { insert_before(*head_.next_, item); }

  /// Puts `item` right behind `place`, which is in the list.
  void insert_after(T& place, T& item) noexcept {
    insert_before(*static_cast<list_hook&>(place).next_, item);
  }

  static void unlink(T& item) noexcept {
    list_hook& hook = item;
    hook.prev_->next_ = hook.next_;
    hook.next_->prev_ = hook.prev_;
    hook.next_ = hook.prev_ = nullptr;
  }

  T* pop_front() noexcept {
    T* first = front();
    if (first != nullptr) unlink(*first);
    return first;
  }

  /// Moves all of `other` behind the last element.
  void splice_back(intrusive_list& other) noexcept {
    while (T* item = other.pop_front()) push_back(*item);
  }

 private:
  static void insert_before(list_hook& place, T& item) noexcept {
    list_hook& hook = item;
    WEIR_ASSERT(!hook.linked(), "an object was put into a list twice");
    hook.next_ = &place;
    hook.prev_ = place.prev_;
    place.prev_->next_ = &hook;
    place.prev_ = &hook;
  }

  list_hook head_;
};

}  // namespace weir::core
