#pragma once

#include <array>
#include <cstdint>

#include <weir/core/list.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/clock.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/wake_list.hpp>
#include <weir/runtime/fd.hpp>

namespace weir::core {

class reactor;

/// What the reactor knows of one descriptor number: who waits, and whether epoll has been told.
///
/// Armed one-shot, so that a wait is level-triggered and an event nobody waits for costs nothing.
/// epoll_ctl is a system call and must not run under the lock, and two of them must not overtake
/// each other: whoever changes the queues marks the state, and the first one to do so carries the
/// update out after the unlock, for all who come meanwhile.
///
///           mark (pushes the update)            nothing marked any more
///   quiet ───────────────────────────► updating ───────────────────────► quiet
class fd_state : private wakeable {
 public:
  fd_state(reactor& owner, int fd) noexcept;

  [[nodiscard]] mutex& guard() noexcept WEIR_RETURN_CAPABILITY(mutex_) { return mutex_; }
  void add(fd_operation& op, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);

  /// epoll reported `events`, and has disarmed the descriptor.
  void on_events(std::uint32_t events, wake_list& wakes) noexcept;
  /// Ends all waits with errc::closed; `unwatch` also takes the descriptor out of epoll.
  void close(bool unwatch) noexcept;

 private:
  friend class fd_table;

  using queue = intrusive_list<wait_node>;

  void mark(wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void update() noexcept;
  void grant_all(queue& waiting, fd_outcome outcome, int why, wake_list& wakes) noexcept
      WEIR_REQUIRES(mutex_);

  reactor& reactor_;
  const int fd_;
  fd_state* next_in_bucket_ = nullptr;
  bool known_ = false;  // epoll has it; belongs to the update
  mutex mutex_;
  bool marked_ WEIR_GUARDED_BY(mutex_) = false;
  bool updating_ WEIR_GUARDED_BY(mutex_) = false;
  queue readers_ WEIR_GUARDED_BY(mutex_);
  queue writers_ WEIR_GUARDED_BY(mutex_);
};

/// The states by number. They live as long as the table: events in flight may point to them.
class fd_table {
 public:
  fd_table() noexcept = default;
  ~fd_table();
  fd_table(const fd_table&) = delete;
  fd_table& operator=(const fd_table&) = delete;

  fd_state& get(reactor& owner, int fd);
  fd_state* find(int fd) noexcept;
  void close_all() noexcept;

 private:
  struct bucket {
    mutex guard;
    fd_state* first WEIR_GUARDED_BY(guard) = nullptr;

    fd_state* find(int fd) noexcept WEIR_REQUIRES(guard);
  };
  bucket& of(int fd) noexcept { return buckets_[static_cast<unsigned>(fd) % buckets_.size()]; }

  std::array<bucket, 64> buckets_;
};

/// epoll, and an eventfd that ends its sleep.
class reactor {
 public:
  reactor();
  ~reactor();
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  /// Sleeps until something happens, `kick` is called or `longest` has passed (never early by more
  /// than the clock's grain); zero looks only, max() is for ever. Of several threads one gets an
  /// event or a kick, which it passes on if that was for another.
  struct polled {
    std::size_t descriptors = 0;  ///< how many had events
    bool kicked = false;
  };
  polled poll(duration longest, wake_list& wakes) noexcept;

  /// Ends the current poll, or the next one. Any thread.
  void kick() noexcept;

  /// True once a descriptor was ever waited for.
  [[nodiscard]] bool in_use() const noexcept { return in_use_.load(); }

  fd_state& state_of(int fd) { return states_.get(*this, fd); }
  void forget(int fd) noexcept;
  void close_all() noexcept { states_.close_all(); }

  /// Watches `fd` for one event of `events`. Returns 0 or an errno.
  int arm(int fd, fd_state& state, std::uint32_t events, bool known) noexcept;
  void disarm(int fd) noexcept;

 private:
  int epoll_ = -1;
  int event_ = -1;
  atomic<bool> in_use_{false};
  fd_table states_;
};

}  // namespace weir::core
