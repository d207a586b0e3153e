#pragma once

namespace weir::core {

/// Something to be done after a lock is released: wake a thread, resume a coroutine, run a
/// cancellation callback.
///
/// After `wake` has begun, whoever started it touches the object never again: its owner may be
/// gone.
class wakeable {
 public:
  explicit constexpr wakeable(void (*wake)(wakeable&) noexcept) noexcept : wake_(wake) {}
  wakeable(const wakeable&) = delete;
  wakeable& operator=(const wakeable&) = delete;

  void wake() noexcept { wake_(*this); }

 private:
  friend class wake_list;

  void (*wake_)(wakeable&) noexcept;
  wakeable* next_ = nullptr;
};

/// Problem: a wake-up under a lock makes the woken thread run into that lock, and runs foreign code
/// under it.
///
/// Collects wake-ups and does them when it is destroyed, in order. Declared before the lock guard,
/// it is "wake after unlock" as a type:
///
///     core::wake_list wakes;                 // OK: destroyed after the guard
///     core::lock_guard guard{mutex_};
///     grant(wakes);
///
/// Thread safety: one thread. Never allocates.
class wake_list {
 public:
  wake_list() noexcept = default;
  ~wake_list() { wake_all(); }
  wake_list(const wake_list&) = delete;
  wake_list& operator=(const wake_list&) = delete;

  /// Requires: `item` is in no wake list.
  void push(wakeable& item) noexcept {
    item.next_ = nullptr;
    *tail_ = &item;
    tail_ = &item.next_;
  }

  [[nodiscard]] bool empty() const noexcept { return head_ == nullptr; }

  /// Does them now. Requires: no lock is held.
  void wake_all() noexcept {
    wakeable* item = head_;
    head_ = nullptr;
    tail_ = &head_;
    while (item != nullptr) {
      wakeable* next = item->next_;  // read first: the wake ends the item's life
      item->wake();
      item = next;
    }
  }

 private:
  wakeable* head_ = nullptr;
  wakeable** tail_ = &head_;
};

}  // namespace weir::core
