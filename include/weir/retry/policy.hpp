#pragma once

#include <span>
#include <string_view>

#include <weir/retry/call.hpp>

namespace weir {

/// A way to retry, by name.
struct retry_policy {
  std::string_view name;
  retry_options options;
};

/// Several policies that one call may go through.
struct retry_plan {
  std::span<const retry_policy> policies;  ///< the first one is where it starts
  int max_attempts = 100;  ///< over all policies and resets: switching cannot go on for ever
};
static_assert(std::is_trivially_destructible_v<retry_plan>);

/// A failed attempt, as a strategy and a hook see it.
struct retry_event {
  const error& why;
  std::string_view policy;
  int attempt;       ///< in this policy, since it was chosen or reset; from 0
  int total;         ///< over all policies; from 0
  duration elapsed;  ///< in this policy, since it was chosen or reset
};

/// What a strategy makes of a failed attempt.
class retry_decision {
 public:
  enum class step : std::uint8_t { go_on, fail_fast, reset, switch_policy };

  /// Goes on under the limits of the policy.
  static constexpr retry_decision go_on() noexcept { return retry_decision{step::go_on, {}}; }
  /// Ends the call.
  static constexpr retry_decision fail_fast() noexcept {
    return retry_decision{step::fail_fast, {}};
  }
  /// Starts the policy over; the next attempt is immediate.
  static constexpr retry_decision reset() noexcept { return retry_decision{step::reset, {}}; }
  /// Starts another policy; the next attempt is immediate.
  static constexpr retry_decision switch_to(std::string_view policy) noexcept {
    return retry_decision{step::switch_policy, policy};
  }

  [[nodiscard]] constexpr step what() const noexcept { return what_; }
  [[nodiscard]] constexpr std::string_view policy() const noexcept { return policy_; }

 private:
  constexpr retry_decision(step what, std::string_view policy) noexcept
      : policy_(policy), what_(what) {}

  std::string_view policy_;
  step what_;
};

/// The hook if none is given.
struct no_retry_hook {
  result<void> operator()(const retry_event&) const noexcept { return {}; }
};

namespace core {

/// A loop that goes through a plan.
class planned_retry {
 public:
  planned_retry(const context& ctx, const retry_plan& plan) noexcept;

  retry_operation next() noexcept { return attempts_.next(); }
  void succeeded() noexcept { attempts_.succeeded(); }

  template <class Strategy, class Hook>
  void failed(error why, Strategy& decide, Hook& hook) {
    const retry_event event{.why = why,
                            .policy = policy_,
                            .attempt = attempts_.attempts() - 1,
                            .total = total_,
                            .elapsed = attempts_.elapsed()};
    ++total_;
    if (result<void> heard = hook(event); !heard) {
      attempts_.failed(std::move(heard).error().caused_by(std::move(why)),
                       retry_verdict::permanent());
      return;
    }
    const retry_decision decision = decide(event);
    follow(decision, std::move(why));
  }

  /// What to return when next() has refused.
  [[nodiscard]] error failure() const;

 private:
  void follow(retry_decision decision, error why) noexcept;

  retry_plan plan_;
  retry attempts_;
  std::string_view policy_;
  int total_ = 0;
};

template <class T, class F, class S, class H>
task<T> planned_task(context ctx, retry_plan plan, given<F> fn, given<S> decide, given<H> hook) {
  planned_retry attempts{ctx, plan};
  for (;;) {
    auto attempt = co_await attempts.next();
    if (!attempt) co_return std::unexpected(attempts.failure());
    auto trying = call_attempt(fn.get(), *attempt);
    auto done = co_await std::move(trying);
    if (done) {
      attempts.succeeded();
      co_return done;
    }
    attempts.failed(std::move(done).error(), decide.get(), hook.get());
  }
}

}  // namespace core

/// Problem: one set of limits does not fit a call whose errors mean different things: a lock that
/// is held wants three quick tries, a server that restarts wants patience.
///
/// As `retry_call`, under the first policy of `plan` until `decide`, asked after each failed
/// attempt, says otherwise. `hook` sees the attempt before that; an error of its own ends the call.
///
/// Requires: the policies' names and options outlive the call.
/// Errors: `retry::failure()`, with the number "total attempts" and the text "policy".
/// invalid_argument for a plan without policies or attempts, and for a name that is in none of
/// them. Everything else as `retry_call`.
template <class F, class S, class H = no_retry_hook>
auto retry_with_policies(const context& ctx, const retry_plan& plan, F&& fn, S&& decide,
                         H&& hook = H{}) {
  using returned = core::attempt_result<std::remove_reference_t<F>>;
  static_assert(core::is_result<returned>, "fn returns weir::result<T>, or a weir::task of it");
  if constexpr (is_task<returned>) {
    static_assert(
        core::safe_in_co_await<F> && core::safe_in_co_await<S> && core::safe_in_co_await<H>,
        "name the lambda first: g++ 12 destroys a temporary twice inside a co_await");
    return core::planned_task<typename returned::value_type, F, S, H>(
        ctx, plan, core::given<F>{std::forward<F>(fn)}, core::given<S>{std::forward<S>(decide)},
        core::given<H>{std::forward<H>(hook)});
  } else {
    core::planned_retry attempts{ctx, plan};
    for (;;) {
      auto attempt = wait(attempts.next());
      if (!attempt) {
        return returned{std::unexpected(attempts.failure())};
      }
      returned done = core::call_attempt(fn, *attempt);
      if (done) {
        attempts.succeeded();
        return done;
      }
      attempts.failed(std::move(done).error(), decide, hook);
    }
  }
}

}  // namespace weir
