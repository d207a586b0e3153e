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
///
/// It belongs to one set of the reactor, and moves with the next update when `on_events` says so.
class fd_state : private wakeable {
 public:
  fd_state(reactor& owner, int fd) noexcept;

  [[nodiscard]] mutex& guard() noexcept WEIR_RETURN_CAPABILITY(mutex_) { return mutex_; }
  void add(fd_operation& op, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);

  /// epoll reported `events`, and has disarmed the descriptor, which is at home in `set` from now
  /// on.
  void on_events(std::uint32_t events, std::uint32_t set, wake_list& wakes) noexcept;
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
  std::uint32_t home_;  // likewise: the set that has it
  mutex mutex_;
  std::uint32_t wanted_home_ WEIR_GUARDED_BY(mutex_);
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

/// Problem: the worker that an event wakes should be the one that had the descriptor's last event,
/// for what it needs is warm there, and Linux has put it where the sender is. Of several threads in
/// one epoll_wait Linux wakes the one that came last.
///
/// So there are two sets of descriptors, each an epoll and an eventfd that ends its sleep, and one
/// thread sleeps in each. Descriptors come to the sets in turn and stay. The price is that an event
/// may wait while the one who slept in its set is at work. That one looks at its set between two
/// runs; whoever sleeps in the other set does so every millisecond; and when the work takes long,
/// the set is lent: who sleeps in the other one is woken by its events too. Of a set that has had
/// twice as many events as the other, descriptors move there that have to be lent, or that wait for
/// another one's event while somebody sleeps there.
///
/// Thread safety: all members.
class reactor {
 public:
  static constexpr std::uint32_t most_sets = 2;

  explicit reactor(std::uint32_t sets = most_sets);
  ~reactor();
  reactor(const reactor&) = delete;
  reactor& operator=(const reactor&) = delete;

  struct polled {
    std::size_t descriptors = 0;  ///< how many had events
    bool kicked = false;          ///< the sleep in this set was to be ended
    bool lent = false;            ///< the other set, which is lent, has something: `look` at it
  };
  /// Sleeps in `set` until something happens, `kick` is called or `longest` has passed (never early
  /// by more than the clock's grain); zero looks only, max() is for ever.
  polled poll(std::uint32_t set, duration longest, wake_list& wakes) noexcept;
  /// What `set` has to tell, for who is at home in the other one. Whoever sees a kick passes it on.
  polled look(std::uint32_t set, wake_list& wakes) noexcept;

  /// Ends the current poll of `set`, or the next one.
  void kick(std::uint32_t set) noexcept;

  /// From here on who polls the other set is told of what happens in `set`, until it is taken back.
  void lend(std::uint32_t set) noexcept;
  void take_back(std::uint32_t set) noexcept;
  [[nodiscard]] bool lent(std::uint32_t set) const noexcept { return sets_[set].lent.load(); }

  [[nodiscard]] std::uint32_t sets() const noexcept { return count_; }

  /// True once a descriptor was ever waited for.
  [[nodiscard]] bool in_use() const noexcept { return in_use_.load(); }

  fd_state& state_of(int fd) { return states_.get(*this, fd); }
  void forget(int fd) noexcept;
  void close_all() noexcept { states_.close_all(); }

  /// Watches `fd` for one event of `events`. Returns 0 or an errno.
  int arm(std::uint32_t set, int fd, fd_state& state, std::uint32_t events, bool known) noexcept;
  void disarm(std::uint32_t set, int fd) noexcept;
  /// Where the next new descriptor is at home.
  [[nodiscard]] std::uint32_t next_home() noexcept { return next_home_.fetch_add(1) % count_; }

 private:
  struct set {
    int epoll = -1;
    int event = -1;
    atomic<bool> lent{false};
    // relaxed, both: a comparison that is a little off moves a descriptor sooner or later.
    atomic<std::uint32_t> events{0};
    atomic<bool> sleeps{false};  // somebody does, here
  };

  polled collect(std::uint32_t set, std::uint32_t looker, duration longest,
                 wake_list& wakes) noexcept;
  void count(std::uint32_t set, std::size_t events) noexcept;
  [[nodiscard]] bool outweighs(std::uint32_t set, std::uint32_t other) noexcept;

  const std::uint32_t count_;
  std::array<set, most_sets> sets_;
  atomic<std::uint32_t> next_home_{0};
  atomic<bool> in_use_{false};
  mutex lending_;  // over the system calls: they are as rare as long work
  fd_table states_;
};

}  // namespace weir::core
