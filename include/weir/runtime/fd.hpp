#pragma once

#include <cstdint>

#include <weir/context/context.hpp>
#include <weir/context/operation.hpp>

namespace weir {

class runtime;

namespace core {

class fd_state;

enum class fd_direction : std::uint8_t { readable, writable };
enum class fd_outcome : std::uint8_t { ready, closed, failed };

}  // namespace core

/// Waits until a file descriptor can be read or written without blocking.
///
/// Requires: the descriptor is open and non-blocking. Whoever closes it calls `forget_fd` first.
/// Guarantees: level-triggered: ready means that it was ready during the wait, not that something
/// changed. May be spurious, so read until EAGAIN and wait again. All who wait for one direction of
/// one descriptor are woken together.
/// Errors: closed, once forget_fd was called; io, if the system cannot watch it (a regular file is
/// always ready). Cancellation: by `ctx`, at any time.
/// Waits in: coroutines of any executor, threads, select; the runtime's workers watch for them.
/// Who sleeps where the descriptor's last event was is woken; if that worker is at work, the event
/// waits for its next look (between two of its runs, after 200 µs at most) or, in long work, for
/// another worker (2 ms at most, if one is idle).
/// Cost: one epoll_ctl per wait; one small allocation per descriptor number, kept by the runtime.
///
///     while (!done(PQconsumeInput(conn))) co_await weir::readable(rt, ctx, PQsocket(conn));
class [[nodiscard]] fd_operation : public core::wait_node {
 public:
  using value_type = void;

  fd_operation(core::fd_state& state, core::context_state* bound,
               core::fd_direction direction) noexcept
      : state_(state), bound_(bound), direction_(direction) {}
  fd_operation(const fd_operation&) = delete;
  fd_operation& operator=(const fd_operation&) = delete;

  core::context_state* bound() noexcept { return bound_; }
  core::mutex& guard() noexcept;
  bool try_locked(core::wake_list&) noexcept { return false; }
  void enqueue(core::waiter& who, std::uint32_t index, core::wake_list& wakes) noexcept;
  void withdraw(core::wake_list&) noexcept;
  result<void> take() const noexcept;

 private:
  friend core::fd_state;

  core::fd_state& state_;
  core::context_state* bound_;
  core::fd_direction direction_;
  core::fd_outcome outcome_ = core::fd_outcome::ready;  // set by the granter, under the guard
  int errno_ = 0;
};

fd_operation readable(runtime& rt, const context& ctx, int fd);
fd_operation writable(runtime& rt, const context& ctx, int fd);

/// Ends all waits for `fd` with errc::closed, and stops watching it. Call it before close(): the
/// number may belong to another file right after. May wait for one system call of another thread.
void forget_fd(runtime& rt, int fd) noexcept;

}  // namespace weir
