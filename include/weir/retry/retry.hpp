#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <weir/context/context.hpp>
#include <weir/context/operation.hpp>
#include <weir/context/wait.hpp>
#include <weir/retry/backoff.hpp>
#include <weir/retry/hooks.hpp>
#include <weir/retry/options.hpp>
#include <weir/retry/verdict.hpp>

namespace weir {

/// One attempt that a loop has granted.
struct retry_attempt {
  const weir::context& context;  ///< the attempt's own; ends with the next call of next()
  int number;                    ///< from 0
};

/// Carried by each attempt's context: an outer loop is retrying already.
struct retry_mark {
  int attempt;
};
inline constexpr context_key<retry_mark> retrying;

class retry_operation;

/// Problem: trying again needs growing, jittered waits, limits that hold at the boundary, and an
/// end at once when the program shuts down. A loop of sleeps gets each of these wrong in turn.
///
/// A loop whose body is the attempt:
///
///     weir::retry attempts{ctx, {.initial_backoff = 20ms, .max_retries = 5}};
///     while (auto attempt = co_await attempts.next()) {          // a thread: weir::wait(…)
///       auto done = co_await send(attempt->context, message);
///       if (done) co_return done;
///       attempts.failed(done.error());
///     }
///     co_return attempts.failure();
///
///   ready ──next()──► attempting ──next()──► waiting ──time──► attempting
///     ▲                   │  ▲                  │
///     │ reset()           │  └── reset(), next()│ a stop reason
///     └───────────────────┼──────────────────► ended ◄── succeeded(), failed(…, permanent)
///
/// Requires: no copy of an attempt's context outlives the attempt (asserted). The context, and what
/// `until` refers to, outlive the loop.
/// Guarantees: the first next() is granted at once and always, even when cancelled (do-while),
/// unless the options are invalid. Every later one looks at the stop reasons first (cancelled,
/// shutdown, until, nested, attempts, duration, budget), then waits; a reason that turns up ends
/// the wait at once, and beats a timer that is due at the same moment. A loop that ended stays
/// ended, with a reason. Blocks or suspends: in next() alone. Errors: next() and failure() give the
/// same one, see there. Cancellation, draining: end the loop. Thread safety: one flow of control.
/// Cost: no allocation but for the error at the end.
/// Clock: that of the context; for a context that never ends, that of the task that makes the loop.
/// Source: CockroachDB pkg/util/retry.
class retry {
 public:
  explicit retry(const context& ctx, retry_options options = {}) noexcept;
  retry(const retry&) = delete;
  retry& operator=(const retry&) = delete;
  ~retry();

  /// Grants the next attempt, when it is time. Ends the context of the attempt before. Losing a
  /// select costs nothing: called again, it goes on with the same wait.
  retry_operation next() noexcept;

  /// The attempt succeeded, which ends the loop. Who leaves the loop then needs to call it only for
  /// hooks, and for a budget that earns by successes.
  void succeeded() noexcept;

  /// The attempt failed, and what that means; without a verdict, what the error itself says. The
  /// last errors are kept for failure().
  void failed(error why, retry_verdict verdict) noexcept;
  void failed(error why) noexcept {
    const retry_verdict told = retry_verdict::told_by(why);
    failed(std::move(why), told);
  }

  /// Makes the next attempt immediate, and counts attempts, waits and duration from now. No effect
  /// once the context is cancelled or drains, or `until` ended the loop.
  void reset() noexcept;

  /// Goes on with other options, and as after a reset. No effect where that has none.
  void switch_to(const retry_options& options) noexcept;

  /// Ends the loop for a reason of the caller's. The first reason counts.
  void end(retry_reason why) noexcept;

  /// Attempts begun, since the last reset.
  [[nodiscard]] int attempts() const noexcept { return attempts_; }
  /// Since the start or the last reset.
  [[nodiscard]] duration elapsed() const noexcept;
  /// Why it ended; nothing while it goes on.
  [[nodiscard]] std::optional<retry_reason> reason() const noexcept { return reason_; }
  /// The last error, and those before it: error_before(0) is the last. Null: there is none.
  [[nodiscard]] const error* error_before(std::size_t steps) const noexcept;

  /// What to return when the loop has ended. Converts to every `result<T>`.
  ///
  /// Its cause is the last error; it has the texts "reason" and "error before", and the numbers
  /// "attempts" and "elapsed", and "wait" for a wait that did not fit the time left. Its code is
  /// the last error's if the loop ran into a limit or a permanent error; cancelled or
  /// deadline_exceeded if the context ended it; unavailable if it drains; closed for `until`;
  /// invalid_argument for invalid options.
  [[nodiscard]] std::unexpected<error> failure() const;

 private:
  friend class retry_operation;

  static constexpr std::size_t kept_errors = 3;

  /// True if the next attempt, or the end, is known now; else `wake_at` is when to look again.
  bool decided_now(time_point& wake_at) noexcept;
  result<retry_attempt> conclude();
  [[nodiscard]] std::optional<retry_reason> stop_reason(time_point now) const noexcept;
  [[nodiscard]] errc code_of_end() const noexcept;
  retry_attempt begin_attempt(time_point now) noexcept;
  void end_attempt() noexcept;
  [[nodiscard]] bool stopped() const noexcept;
  [[nodiscard]] bool repeats() const noexcept { return began_ && (!immediate_ || failed_); }
  bool pay(time_point now) noexcept;
  void unpay() noexcept;
  [[nodiscard]] retry_step step(time_point now) const noexcept;
  void start_over(time_point now) noexcept;

  context context_;
  retry_options options_;
  clock& clock_;
  time_point start_;
  time_point stop_at_;  // start + max_duration, or max()
  time_point attempt_begun_{};
  time_point due_{};  // when the pending wait ends
  weir::backoff backoff_;
  std::optional<duration> hint_;
  std::optional<retry_reason> reason_;
  std::optional<context_scope> attempt_;
  retry_mark mark_{};
  duration wait_{};  // until due_, when it was decided on
  int attempts_ = 0;
  bool began_ = false;      // the first attempt, which nothing can refuse, was granted
  bool immediate_ = false;  // after a reset
  bool waiting_ = false;    // due_ holds
  bool failed_ = false;     // the last attempt, as it said
  bool paid_ = false;       // for the retry that is decided on
  bool nested_ = false;     // an outer loop retries
  bool until_ready_ = false;
  std::size_t errors_ = 0;
  std::array<std::optional<error>, kept_errors> last_errors_;
};

/// The wait for the next attempt.
///
/// It waits for three things: a timer, a level of the context, and `until`. The timer's lock is its
/// guard. The other two are watched from `bind` on, without a lock, and come in through
/// `interrupt`; so nothing is locked under a guard, and a select may contain the very things that
/// are watched.
class [[nodiscard]] retry_operation : private core::timer_node, private core::context_callback {
 public:
  using value_type = retry_attempt;

  explicit retry_operation(retry& owner) noexcept;
  retry_operation(const retry_operation&) = delete;
  retry_operation& operator=(const retry_operation&) = delete;
  ~retry_operation() { unwatch(); }

  core::context_state* bound() noexcept;
  core::mutex& guard() noexcept { return timers_ != nullptr ? timers_->guard() : own_guard_; }
  [[nodiscard]] static guard_rank rank() noexcept { return timers_rank; }
  bool try_locked(core::wake_list&) noexcept { return ready_; }
  void enqueue(core::waiter& who, std::uint32_t index, core::wake_list& wakes) noexcept;
  void withdraw(core::wake_list&) noexcept;
  result<retry_attempt> take();

  void bind(core::timer_service* timers, clock& time) noexcept;
  time_point deadline() noexcept;

 private:
  /// Stands in the queue of `until`, whose lock must not be taken under the guard.
  struct until_waiter final : core::waiter {
    explicit until_waiter(retry_operation& owner) noexcept;
    retry_operation& op;
    bool woken = false;  // guarded by the guard
  };

  void watch() noexcept;
  void unwatch() noexcept;
  void watch_until() noexcept;
  void watch_deadline(core::context_state& watched) noexcept;
  void unwatch_until() noexcept;
  void interrupt(bool* told) noexcept;
  void leave() noexcept;

  retry& owner_;
  core::timer_service* timers_ = nullptr;
  time_point wake_at_{};
  core::wait_node node_;
  core::mutex own_guard_;  // for a thread on real time
  bool ready_ = false;
  bool queued_ = false;
  bool watching_context_ = false;
  bool watching_until_ = false;
  until_waiter until_{*this};
};

inline retry_operation retry::next() noexcept {
  end_attempt();
  return retry_operation{*this};
}

}  // namespace weir
