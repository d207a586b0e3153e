#pragma once

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

#include <weir/retry/retry.hpp>
#include <weir/runtime/task.hpp>

namespace weir {

/// Says of an error whether another attempt may help.
template <class C>
concept retry_classifier = requires(C& classify, const error& why) {
  { classify(why) } -> std::same_as<retry_verdict>;
};

namespace core {

/// A callable as it was given: a temporary is stored, a named one referred to.
template <class F>
class given {
 public:
  explicit given(F&& fn) noexcept(std::is_nothrow_move_constructible_v<F>) : fn_(std::move(fn)) {}
  F& get() noexcept { return fn_; }

 private:
  F fn_;
};
template <class F>
class given<F&> {
 public:
  explicit given(F& fn) noexcept : fn_(std::addressof(fn)) {}
  F& get() noexcept { return *fn_; }

 private:
  F* fn_;
};

/// False for what g++ 12 destroys twice inside a co_await operand.
template <class F>
inline constexpr bool safe_in_co_await =
#if defined(__GNUC__) && !defined(__clang__)
    std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<F>;
#else
    true;
#endif

template <class F>
decltype(auto) call_attempt(F& fn, const retry_attempt& attempt) {
  if constexpr (std::invocable<F&, const context&>) {
    return fn(attempt.context);
  } else if constexpr (std::invocable<F&, const retry_attempt&>) {
    return fn(attempt);
  } else {
    return fn();
  }
}
template <class F>
using attempt_result = std::remove_cvref_t<decltype(call_attempt(
    std::declval<F&>(), std::declval<const retry_attempt&>()))>;

template <class R>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<result<T>> = true;
template <class T>
inline constexpr bool is_result<task<result<T>>> = true;

template <class T, class F, class C>
task<T> retry_task(context ctx, retry_options options, given<F> fn, given<C> classify) {
  retry attempts{ctx, options};
  for (;;) {
    auto attempt = co_await attempts.next();
    if (!attempt) co_return attempts.failure();
    auto trying = call_attempt(fn.get(), *attempt);
    auto done = co_await std::move(trying);
    if (done) {
      attempts.succeeded();
      co_return done;
    }
    const retry_verdict verdict = classify.get()(std::as_const(done).error());
    attempts.failed(std::move(done).error(), verdict);
  }
}

}  // namespace core

/// Calls `fn` until it succeeds or nothing is left to try.
///
/// `fn` takes the attempt's context, or the `retry_attempt`, or nothing. If it returns `result<T>`,
/// this blocks the thread and returns `result<T>`; if it returns `task<result<T>>`, this is a task
/// of the same, to be awaited. `classify` says of each error whether to go on.
///
/// Requires: a callable that is named, rather than a temporary, outlives the task. g++ 12: a
/// temporary that is not trivially destructible is refused in the task's form.
/// Guarantees: the first value that `fn` returns is returned, whatever the limits say by then.
/// Errors: `retry::failure()`. What `fn` throws ends the loop and is passed on.
/// Cancellation: as `retry`. An `fn` that ignores its context is not interrupted.
///
///     auto row = weir::retry_call(ctx, {.max_retries = 3}, [&](const weir::context& attempt) {
///       return fetch(attempt, key);
///     });
template <class F, retry_classifier C = retry_verdict(*)(const error&) noexcept>
auto retry_call(const context& ctx, const retry_options& options, F&& fn,
                C&& classify = &retry_if_transient) {
  using returned = core::attempt_result<std::remove_reference_t<F>>;
  static_assert(core::is_result<returned>, "fn returns weir::result<T>, or a weir::task of it");
  if constexpr (is_task<returned>) {
    static_assert(core::safe_in_co_await<F> && core::safe_in_co_await<C>,
                  "name the lambda first: g++ 12 destroys a temporary twice inside a co_await");
    return core::retry_task<typename returned::value_type, F, C>(
        ctx, options, core::given<F>{std::forward<F>(fn)},
        core::given<C>{std::forward<C>(classify)});
  } else {
    retry attempts{ctx, options};
    for (;;) {
      auto attempt = wait(attempts.next());
      if (!attempt) return returned{attempts.failure()};
      returned done = core::call_attempt(fn, *attempt);
      if (done) {
        attempts.succeeded();
        return done;
      }
      const retry_verdict verdict = classify(std::as_const(done).error());
      attempts.failed(std::move(done).error(), verdict);
    }
  }
}

}  // namespace weir
