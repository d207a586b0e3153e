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
/// ended, with a reason.
/// Blocks or suspends: in next() alone. Cancellation, draining: end the loop.
/// Errors: those of failure(), see there; next() refuses with the code and the message of it alone.
/// Thread safety: one flow of control.
/// Cost: no allocation in a task but for the error at the end; on a thread one for the first
/// attempt. A loop that waits is small: the context of an attempt is there while the attempt lasts.
/// Clock: that of the context; for a context that never ends, that of the task that makes the loop.
/// Source: CockroachDB pkg/util/retry.
class retry {
 public:
  explicit retry(const context& ctx, const retry_options& options = {}) noexcept;
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

  static constexpr std::size_t kept_errors = 2;
  static constexpr duration never = duration::max();
  static constexpr duration none{-1};

  /// What the loop keeps of its options: a loop that waits should be small.
  struct settings {
    explicit settings(const retry_options& options) noexcept;
    duration longest;  // the less of max_duration and total_timeout
    duration total_timeout;
    duration attempt_timeout;
    duration reset_after;
    operation_ref until;
    retry_budget* budget;
    retry_hooks* hooks;
    int max_retries;
    weir::while_draining while_draining;
    weir::doomed_wait doomed_wait;
    weir::idempotency idempotency;
    weir::nested_retry nested;
  };

  /// What there is of an attempt while it lasts.
  struct granted {
    granted(const context& parent, context_options limits, int number, time_point now) noexcept;
    retry_mark mark;
    time_point begun;
    context_scope scope;
  };

  /// True if the next attempt, or the end, is known now; else `wake_at` is when to look again.
  bool decided_now(time_point& wake_at) noexcept;
  result<retry_attempt> conclude();
  [[nodiscard]] std::optional<retry_reason> stop_reason(time_point now) const noexcept;
  [[nodiscard]] errc code_of_end() const noexcept;
  retry_attempt begin_attempt(time_point now);
  void end_attempt() noexcept {
    if (running_) end_running();
  }
  void end_running() noexcept;
  void* block();
  void check(const retry_options& options) noexcept;
  [[nodiscard]] bool cancelled(time_point now) const noexcept;
  [[nodiscard]] bool stopped(time_point now) const noexcept;
  [[nodiscard]] bool repeats() const noexcept { return began_ && (!immediate_ || failed_); }
  [[nodiscard]] time_point stop_at() const noexcept {
    return saturating_add(start_, settings_.longest);
  }
  bool pay(time_point now) noexcept;
  void unpay() noexcept;
  [[nodiscard]] retry_step step(time_point now) const noexcept;
  void start_over(time_point now) noexcept;
  void reset(time_point now) noexcept;

  context context_;
  settings settings_;
  clock& clock_;
  time_point start_;
  time_point due_{};  // when the pending wait ends
  duration wait_{};   // until due_, when it was decided on
  weir::backoff backoff_;
  granted* attempt_ = nullptr;  // memory for one; holds one while running_, and `until` waits there
  std::array<error, kept_errors> last_errors_;
  std::uint32_t errors_ = 0;
  int attempts_ = 0;
  std::optional<retry_reason> reason_;
  bool running_ : 1 = false;
  bool began_ : 1 = false;      // the first attempt, which nothing can refuse, was granted
  bool immediate_ : 1 = false;  // after a reset
  bool waiting_ : 1 = false;    // due_ holds
  bool failed_ : 1 = false;     // the last attempt, as it said
  bool paid_ : 1 = false;       // for the retry that is decided on
  bool nested_ : 1 = false;     // an outer loop retries
  bool until_ready_ : 1 = false;
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
  /// Stands in the queue of `until`, whose lock must not be taken under the guard. In the loop's
  /// block, so that a loop without `until` has no room for it.
  struct until_waiter final : core::waiter {
    explicit until_waiter(retry_operation& owner) noexcept;
    retry_operation& op;
    bool woken = false;  // guarded by the guard
  };

  [[nodiscard]] until_waiter& until() noexcept;
  void watch() noexcept;
  void unwatch() noexcept;
  void watch_until() noexcept;
  void watch_deadline(core::context_state& watched) noexcept;
  void unwatch_until() noexcept;
  void interrupt(bool* told) noexcept;
  void leave() noexcept;
  void grant(core::wake_list& wakes) noexcept {
    if (who_->claim(index_)) wakes.push(*who_);
  }

  retry& owner_;
  core::timer_service* timers_ = nullptr;
  time_point wake_at_{};
  core::waiter* who_ = nullptr;
  std::uint32_t index_ = 0;  // as which case of `who_`
  core::mutex own_guard_;    // for a thread on real time
  bool ready_ = false;
  bool queued_ = false;
  bool watching_context_ = false;
  bool watching_until_ = false;
};

inline retry_operation retry::next() noexcept {
  end_attempt();
  return retry_operation{*this};
}

}  // namespace weir
