#pragma once

#include <cstddef>
#include <expected>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <weir/context/context.hpp>
#include <weir/context/operation.hpp>
#include <weir/core/assert.hpp>
#include <weir/sync/channel_core.hpp>

namespace weir {

template <class T>
class send_operation;
template <class T>
class receive_operation;

/// A value that `try_send` did not send, and why.
template <class T>
struct unsent {
  T value;
  error why;
};

/// Problem: values go from some threads and tasks to others, at the pace of the slower side, and at
/// the end everybody learns that no more will come.
///
/// A queue of at most `capacity` values. With capacity 0 a send and a receive meet: neither
/// completes without the other.
///
///     open ──close()──► closed, values left ──last recv──► closed, empty
///       │                                                        ▲
///       └───────────────── close() while empty ──────────────────┘
///
///                  open                  closed, values left    closed, empty
///     send, waits  until there is room   errc::closed           errc::closed
///     recv, waits  until there is one    the oldest value       errc::closed
///
/// Requires: T is nothrow move constructible and destructible, and doing so touches no channel:
/// values move under the lock. Nobody waits at destruction (asserted in every build).
/// Guarantees: first in, first out, for values and for waiters of either side. Each value reaches
/// one receiver or stays with its sender: a send that fails for any reason, or that loses in a
/// select, still has its value. The two sides of one select never meet each other.
/// Blocks or suspends: `send` and `recv`. Errors: closed. Cancellation: by the context of the wait.
/// Thread safety: all members.
/// Memory ordering: what happened before a send is visible after the receive of its value; with
/// capacity 0, what happened before the receive also after the send.
/// Cost: one lock per send or receive; allocates once, the ring of capacity × sizeof(T) bytes.
/// Source: Go's channels; closing is idempotent here, and sending to a closed one is an error.
///
///     while (auto job = co_await jobs.recv(ctx)) run(*job);   // ends when closed or cancelled
///
///     co_await jobs.send(ctx, std::move(job));                // OK: all live for this expression
///     auto sending = jobs.send(ctx, std::move(job));          // OK: ctx and jobs outlive it, and
///     if (!co_await sending) keep(std::move(sending.value()));  //    it still has its value
///     auto late = jobs.send(source.get().with_value(k, v), job);  // BUG: its context is gone
///     auto lost = weir::channel<int>{}.recv(ctx);                 // BUG: its channel is gone
///
/// g++ 12 destroys an aggregate twice that is written out inside a co_await operand. So there, a
/// send of an aggregate that owns something must be named before it is awaited, as `sending` above.
template <class T>
class channel {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>,
                "channel<T> carries objects: send a pointer instead of a reference");
  static_assert(std::is_nothrow_move_constructible_v<T> && std::is_nothrow_destructible_v<T>,
                "channel<T> moves values under its lock, so T must be nothrow move constructible: "
                "send a std::unique_ptr to it");

 public:
  using value_type = T;

  /// Allocates room for `capacity` values.
  explicit channel(std::size_t capacity = 0)
      : core_(capacity), ring_(capacity != 0 ? std::allocator<T>{}.allocate(capacity) : nullptr) {}
  channel(const channel&) = delete;
  channel& operator=(const channel&) = delete;
  ~channel();

  /// Waits until there is room, or a receiver.
  send_operation<T> send(const context& ctx, T value) noexcept {
    return {*this, ctx.state(), std::move(value)};
  }

  /// Waits until there is a value, or the channel is closed and empty.
  receive_operation<T> recv(const context& ctx) noexcept { return {*this, ctx.state()}; }

  /// Sends without waiting. Errors: throttled when there is no room, closed; both give the value
  /// back.
  std::expected<void, unsent<T>> try_send(T value) noexcept;

  /// Receives without waiting. Errors: unavailable when there is nothing now, closed.
  result<T> try_recv() noexcept;

  /// No more values: waiting senders and receivers fail, what is in the ring can still be received.
  /// Doing it again changes nothing.
  void close() noexcept { core_.close(); }

  [[nodiscard]] bool closed() const noexcept { return core_.closed(); }
  [[nodiscard]] std::size_t size() const noexcept { return core_.size(); }
  [[nodiscard]] std::size_t capacity() const noexcept { return core_.capacity(); }

 private:
  friend class send_operation<T>;
  friend class receive_operation<T>;

  void push(T& value) noexcept WEIR_REQUIRES(core_.guard()) {
    std::construct_at(ring_ + core_.push_place(), std::move(value));
  }
  void pop(std::optional<T>& into) noexcept WEIR_REQUIRES(core_.guard()) {
    T& oldest = ring_[core_.pop_place()];
    into.emplace(std::move(oldest));
    std::destroy_at(&oldest);
  }
  bool pass_on(T& value, core::wake_list& wakes) noexcept WEIR_REQUIRES(core_.guard());
  bool fetch(std::optional<T>& into, core::wake_list& wakes) noexcept WEIR_REQUIRES(core_.guard());

  core::channel_core core_;
  T* const ring_;
};

/// A wait to send. Has the value until somebody receives it.
template <class T>
class [[nodiscard]] send_operation : private core::channel_node {
 public:
  using value_type = void;
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
  static constexpr bool must_be_named =
      std::is_aggregate_v<T> && !std::is_trivially_destructible_v<T>;
#else
  static constexpr bool must_be_named = false;
#endif

  send_operation(channel<T>& to, core::context_state* bound, T&& value) noexcept
      : to_(to), bound_(bound), value_(std::move(value)) {}
  send_operation(const send_operation&) = delete;
  send_operation& operator=(const send_operation&) = delete;

  /// The value that was not sent. Requires: the wait failed, lost, or has not begun (asserted).
  [[nodiscard]] T& value() noexcept {
    WEIR_ASSERT(!passed, "a value was asked back from a send that has succeeded");
    return value_;
  }

  core::context_state* bound() noexcept { return bound_; }
  core::mutex& guard() noexcept { return to_.core_.guard(); }
  [[nodiscard]] bool likely_ready() const noexcept { return to_.core_.capacity() != 0; }
  bool try_locked(core::wake_list& wakes) noexcept WEIR_REQUIRES(to_.core_.guard()) {
    WEIR_ASSERT(!passed, "a send was waited for again after it had succeeded");
    if (to_.core_.closed_locked()) return true;
    passed = to_.pass_on(value_, wakes);
    return passed;
  }
  void enqueue(core::waiter& who, std::uint32_t index, core::wake_list&) noexcept
      WEIR_REQUIRES(to_.core_.guard()) {
    to_.core_.queue_sender(*this, who, index);
  }
  void withdraw(core::wake_list&) noexcept WEIR_REQUIRES(to_.core_.guard()) {
    to_.core_.withdraw(*this);
  }
  result<void> take() noexcept {
    if (!passed) return fail(errc::closed, "the channel is closed");
    return {};
  }

 private:
  friend class channel<T>;

  channel<T>& to_;
  core::context_state* bound_;
  T value_;
};

/// Waits to send, in a coroutine.
template <class T>
[[nodiscard]] core::operation_awaiter<send_operation<T>> operator co_await(
    send_operation<T>&& op) noexcept {
  static_assert(!send_operation<T>::must_be_named,
                "g++ 12 would destroy an aggregate twice: name the send, then await it: auto "
                "sending = jobs.send(ctx, {...}); co_await sending;");
  return core::operation_awaiter<send_operation<T>>{op};
}

/// A wait to receive.
template <class T>
class [[nodiscard]] receive_operation : private core::channel_node {
 public:
  using value_type = T;

  receive_operation(channel<T>& from, core::context_state* bound) noexcept
      : from_(from), bound_(bound) {}
  receive_operation(const receive_operation&) = delete;
  receive_operation& operator=(const receive_operation&) = delete;

  core::context_state* bound() noexcept { return bound_; }
  core::mutex& guard() noexcept { return from_.core_.guard(); }
  [[nodiscard]] bool likely_ready() const noexcept { return from_.core_.capacity() != 0; }
  bool try_locked(core::wake_list& wakes) noexcept WEIR_REQUIRES(from_.core_.guard()) {
    return from_.fetch(place_, wakes) || from_.core_.closed_locked();
  }
  void enqueue(core::waiter& who, std::uint32_t index, core::wake_list&) noexcept
      WEIR_REQUIRES(from_.core_.guard()) {
    from_.core_.queue_receiver(*this, who, index);
  }
  void withdraw(core::wake_list&) noexcept WEIR_REQUIRES(from_.core_.guard()) {
    from_.core_.withdraw(*this);
  }
  result<T> take() noexcept {
    if (!place_) return fail(errc::closed, "the channel is closed and empty");
    result<T> received{std::in_place, std::move(*place_)};
    place_.reset();
    return received;
  }

 private:
  friend class channel<T>;

  channel<T>& from_;
  core::context_state* bound_;
  std::optional<T> place_;
};

template <class T>
channel<T>::~channel() WEIR_NO_THREAD_SAFETY_ANALYSIS {
  // Without the lock: nobody else is here any more, and ~T is not ours.
  while (!core_.empty()) std::destroy_at(ring_ + core_.pop_place());
  if (ring_ != nullptr) std::allocator<T>{}.deallocate(ring_, core_.capacity());
}

/// To the receiver that has waited longest, or into the ring.
template <class T>
bool channel<T>::pass_on(T& value, core::wake_list& wakes) noexcept {
  if (core::channel_node* receiver = core_.claim_receiver(wakes)) {
    static_cast<receive_operation<T>*>(receiver)->place_.emplace(std::move(value));
    return true;
  }
  if (core_.full()) return false;
  push(value);
  return true;
}

/// From the ring, into which the sender that has waited longest moves up, or from that sender.
template <class T>
bool channel<T>::fetch(std::optional<T>& into, core::wake_list& wakes) noexcept {
  const bool buffered = !core_.empty();
  if (buffered) pop(into);
  core::channel_node* sender = core_.claim_sender(wakes);
  if (sender == nullptr) return buffered;
  T& value = static_cast<send_operation<T>*>(sender)->value_;
  if (buffered) {
    push(value);
  } else {
    into.emplace(std::move(value));
  }
  return true;
}

template <class T>
std::expected<void, unsent<T>> channel<T>::try_send(T value) noexcept {
  core::wake_list wakes;
  core::lock_guard guard{core_.guard()};
  if (core_.closed_locked()) {
    return std::unexpected(
        unsent<T>{std::move(value), error{errc::closed, "the channel is closed"}});
  }
  if (!pass_on(value, wakes)) {
    return std::unexpected(
        unsent<T>{std::move(value), error{errc::throttled, "the channel is full"}});
  }
  return {};
}

template <class T>
result<T> channel<T>::try_recv() noexcept {
  std::optional<T> place;
  core::wake_list wakes;
  core::lock_guard guard{core_.guard()};
  fetch(place, wakes);
  if (place) return result<T>{std::in_place, std::move(*place)};
  if (core_.closed_locked()) return fail(errc::closed, "the channel is closed and empty");
  return fail(errc::unavailable, "the channel is empty");
}

}  // namespace weir
