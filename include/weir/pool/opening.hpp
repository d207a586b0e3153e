#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>
#include <weir/core/list.hpp>

namespace weir::core {

/// One open on its way. Lives in the frame of the task that opens.
struct open_attempt : list_hook {
  time_point began{};
  std::uint64_t covers = 0;  // who queued before this ticket is told if it fails
  std::uint64_t epoch = 0;   // of the pool: a flush retires what was begun before it
  std::uint64_t volley = 0;  // those begun since the last failure
  bool probe = false;        // begun while the server was down
  bool overdue = false;      // open_timeout is over, and it has not ended
};

/// Problem: a queue of fifty does not need fifty connections, if five will have served it before
/// one could be opened; a server that is down does not come up faster for fifty attempts a second;
/// and one open that never ends must not be what everybody waits for.
///
/// Decides how many resources to open now, and when to look again. Pure: no clock, no lock.
///
///                 failed                        a probe failed
///         ┌────────────────────► down ─────────────────────────┐
///         │                      │  ▲                          │
///   up ◄──┘ opened: the limit    │  └─ backoff, doubled, ◄─────┘
///         on opens doubles       │     with jitter
///         ▲                      ▼
///         └─────────────── opened: slow start with a limit of 1
///
/// *Elision*: a waiter that the existing resources will have served in less time than an open takes
/// gets none. Until the first figures are known, one open at a time. Whoever has waited as long as
/// an open takes gets one in any case. Opens that take less than `cheap` are never elided, nor are
/// those that an adaptive limit needs: it cannot judge a number that it is not given.
/// *Down*: the first failure is followed by one attempt at once, a probe; each probe that fails by
/// a longer wait. Never more than one probe, except that one which is overdue is not waited for.
/// Source: HikariCP (opens beside callers), Envoy and gRPC (backoff of reconnects).
///
/// Thread safety: guarded by its pool.
class open_policy {
 public:
  static constexpr duration cheap = std::chrono::milliseconds{1};
  static constexpr duration hanging = std::chrono::milliseconds{200};  // at least

  struct settings {
    std::size_t max_opening;
    duration open_timeout;
    duration backoff_initial;
    duration backoff_max;
    std::uint64_t seed;
  };
  /// What there is and what is wanted, at one moment.
  struct figures {
    std::size_t waiting;    // who could be lent one, if there was one
    std::size_t live;       // open and not being closed
    std::size_t opening;    // on their way, the overdue ones included
    std::size_t on_return;  // being reset or checked: will serve soon
    std::size_t idle;
    std::size_t min_idle;
    std::size_t tried;  // how many an adaptive limit would see in use; 0: there is none
    std::size_t room;   // how many more may be open
    time_point oldest_wait;
  };

  explicit open_policy(const settings& how) noexcept : how_(how), limit_(how.max_opening) {}

  [[nodiscard]] std::size_t wanted(const figures& f, time_point now) const noexcept;
  /// When `wanted` or `find_overdue` may say something else although nothing has happened; max() if
  /// never.
  [[nodiscard]] time_point look_again(const figures& f) noexcept;

  void began(open_attempt& attempt, time_point now) noexcept;
  void succeeded(open_attempt& attempt, time_point now) noexcept;
  void failed(open_attempt& attempt, time_point now, const error& why) noexcept;
  /// The next attempt that is overdue now, and was not before. It counts as failed from here on.
  open_attempt* find_overdue(time_point now) noexcept;

  /// A resource came home and went to a waiter. `since`: when it began to be waited for.
  void served(duration since, std::size_t live) noexcept;
  /// How long `ahead` waiters take, all resources being lent; nothing before it is known.
  [[nodiscard]] std::optional<duration> predicted_wait(std::size_t ahead,
                                                       std::size_t live) const noexcept;

  [[nodiscard]] bool down() const noexcept { return failures_ != 0; }
  [[nodiscard]] const std::optional<error>& last_error() const noexcept { return last_error_; }
  /// An open on its way takes so much longer than usual that it is not likely to end well.
  [[nodiscard]] bool hangs(time_point now) noexcept;

 private:
  [[nodiscard]] std::size_t soon_served(const figures& f, time_point now) const noexcept;
  void end(open_attempt& attempt) noexcept;
  void note_failure(const open_attempt& attempt, time_point now, const error& why) noexcept;
  [[nodiscard]] time_point overdue_at(const open_attempt& attempt) const noexcept;

  const settings how_;
  std::size_t limit_;  // of opens at once
  intrusive_list<open_attempt> attempts_;
  std::size_t overdue_ = 0;
  std::uint32_t failures_ = 0;  // in a row
  std::uint64_t volley_ = 0;
  time_point next_probe_{};
  std::optional<error> last_error_;
  std::uint64_t draws_ = 0;
  duration open_time_{};  // smoothed; zero: not known
  duration holding_{};    // smoothed: between two returns, times the resources; zero: not known
};

}  // namespace weir::core
