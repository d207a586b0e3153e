#pragma once

#include <cstddef>

#include <weir/context/operation.hpp>

namespace weir::core {

/// A waiting send or receive, whatever its type.
struct channel_node : wait_node {
  /// A send: its value was taken. A receive: its place was filled. False: the channel was closed.
  bool passed = false;
};

/// What channels of all types share: who waits, whether it is closed, and which places of the ring
/// are filled. The typed part moves the values.
///
/// Invariants, under the guard: one who waits to receive means that the ring is empty; one who
/// waits to send, that it is full. So whoever finds a partner waiting passes the ring by.
class channel_core {
 public:
  explicit channel_core(std::size_t capacity) noexcept : capacity_(capacity) {}
  channel_core(const channel_core&) = delete;
  channel_core& operator=(const channel_core&) = delete;
  /// Asserts that nobody waits.
  ~channel_core();

  [[nodiscard]] mutex& guard() const noexcept WEIR_RETURN_CAPABILITY(mutex_) { return mutex_; }
  [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] bool closed() const noexcept;
  void close() noexcept;

  [[nodiscard]] bool closed_locked() const noexcept WEIR_REQUIRES(mutex_) { return closed_; }
  [[nodiscard]] bool full() const noexcept WEIR_REQUIRES(mutex_) { return filled_ == capacity_; }
  [[nodiscard]] bool empty() const noexcept WEIR_REQUIRES(mutex_) { return filled_ == 0; }

  /// The place for one more value, which counts as filled. Requires: not full.
  std::size_t push_place() noexcept WEIR_REQUIRES(mutex_) {
    const std::size_t at = first_ + filled_++;
    return at < capacity_ ? at : at - capacity_;
  }
  /// The place of the oldest value, which counts as empty. Requires: not empty.
  std::size_t pop_place() noexcept WEIR_REQUIRES(mutex_) {
    const std::size_t at = first_;
    first_ = at + 1 < capacity_ ? at + 1 : 0;
    --filled_;
    return at;
  }

  /// Claims the receiver or sender that has waited longest and marks it as passed; null if nobody
  /// waits. The caller moves the value before it releases the guard: until then, the claimed one
  /// cannot wake up.
  channel_node* claim_receiver(wake_list& wakes) noexcept WEIR_REQUIRES(mutex_) {
    return receivers_.empty() ? nullptr : claim_first(receivers_, wakes);
  }
  channel_node* claim_sender(wake_list& wakes) noexcept WEIR_REQUIRES(mutex_) {
    return senders_.empty() ? nullptr : claim_first(senders_, wakes);
  }

  void queue_receiver(channel_node& node, waiter& who, std::uint32_t index) noexcept
      WEIR_REQUIRES(mutex_) {
    node.set(who, index);
    receivers_.push_back(node);
  }
  void queue_sender(channel_node& node, waiter& who, std::uint32_t index) noexcept
      WEIR_REQUIRES(mutex_) {
    node.set(who, index);
    senders_.push_back(node);
  }

  /// Frees nothing that somebody else waits for: a value, or room for one, is given to one who is
  /// claimed, never to one who is only queued.
  void withdraw(channel_node& node) noexcept WEIR_REQUIRES(mutex_) {
    if (node.linked()) intrusive_list<channel_node>::unlink(node);
  }

 private:
  using node_list = intrusive_list<channel_node>;

  static channel_node* claim_first(node_list& waiting, wake_list& wakes) noexcept;

  mutable mutex mutex_;
  bool closed_ WEIR_GUARDED_BY(mutex_) = false;
  const std::size_t capacity_;
  std::size_t first_ WEIR_GUARDED_BY(mutex_) = 0;
  std::size_t filled_ WEIR_GUARDED_BY(mutex_) = 0;
  node_list senders_ WEIR_GUARDED_BY(mutex_);
  node_list receivers_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::core
