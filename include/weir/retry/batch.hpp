#pragma once

#include <algorithm>
#include <cstddef>
#include <span>

#include <weir/retry/call.hpp>

namespace weir {
namespace core {

/// Which items come next, and how many of them at once.
class batch_window {
 public:
  batch_window(std::size_t items, std::size_t largest) noexcept
      : items_(items), largest_(largest), size_(largest) {}

  [[nodiscard]] bool done() const noexcept { return begin_ == items_; }
  template <class T>
  [[nodiscard]] std::span<T> of(std::span<T> items) const noexcept {
    return items.subspan(begin_, count());
  }

  /// The batch succeeded: goes on behind it, with up to twice as many.
  void advance() noexcept {
    begin_ += count();
    size_ = size_ > largest_ / 2 ? largest_ : size_ * 2;
  }

  /// The batch failed: half of it next. False if it was one item.
  bool halve() noexcept {
    size_ = count() / 2;
    return size_ > 0;
  }

  /// What to return when the loop has ended.
  [[nodiscard]] error failure(error why) const {
    return std::move(why).with("items done", static_cast<std::int64_t>(begin_));
  }

 private:
  [[nodiscard]] std::size_t count() const noexcept { return std::min(size_, items_ - begin_); }

  std::size_t items_;
  std::size_t largest_;
  std::size_t size_;
  std::size_t begin_ = 0;
};

/// Batches of nothing would have no end.
result<void> check_batch(std::size_t largest);

/// Books what came of a batch.
template <class C>
void settle_batch(retry& attempts, batch_window& window, result<void> outcome, C& classify) {
  if (outcome) {
    window.advance();
    attempts.reset();
    return;
  }
  retry_verdict verdict = classify(std::as_const(outcome).error());
  if (verdict.again() && !window.halve()) verdict = retry_verdict::permanent();
  attempts.failed(std::move(outcome).error(), verdict);
}

template <class F, class T>
auto call_batch(F& fn, const context& ctx, std::span<T> batch) {
  if constexpr (std::invocable<F&, const context&, std::span<T>>) {
    return fn(ctx, batch);
  } else {
    return fn(batch);
  }
}

template <class T, class F, class C>
task<result<void>> batch_task(context ctx, retry_options options, std::span<T> items,
                              std::size_t largest, given<F> fn, given<C> classify) {
  if (auto sized = check_batch(largest); !sized) co_return sized;
  retry attempts{ctx, options};
  batch_window window{items.size(), largest};
  while (!window.done()) {
    auto attempt = co_await attempts.next();
    if (!attempt) co_return std::unexpected(window.failure(attempts.failure().error()));
    auto trying = call_batch(fn.get(), attempt->context, window.of(items));
    settle_batch(attempts, window, co_await std::move(trying), classify.get());
  }
  co_return result<void>{};
}

}  // namespace core

/// Problem: a large batch fails where parts of it would pass: a transaction that is too big, a
/// request that takes too long, one bad row in a thousand.
///
/// Calls `fn` with consecutive parts of `items`, at first `largest` at a time. After an error that
/// another attempt may help it waits as `retry` does and goes on with half as many; after a success
/// with up to twice as many. An error of a batch of one ends the loop.
///
/// `fn` takes the attempt's context and a span, or the span alone, and returns `result<void>`
/// (blocks) or `task<result<void>>` (a task, as in `retry_call`). Limits and waits count anew
/// after each success.
/// Errors: `retry::failure()`, with the number "items done": those before it are all done.
/// invalid_argument if `largest` is 0.
/// Source: CockroachDB's batch retry of its jobs.
template <class T, class F, retry_classifier C = retry_verdict(*)(const error&) noexcept>
auto for_each_batch(const context& ctx, const retry_options& options, std::span<T> items,
                    std::size_t largest, F&& fn, C&& classify = &retry_if_transient) {
  using returned = decltype(core::call_batch(fn, ctx, items));
  static_assert(
      std::is_same_v<returned, result<void>> || std::is_same_v<returned, task<result<void>>>,
      "fn returns weir::result<void>, or a weir::task of it");
  if constexpr (is_task<returned>) {
    static_assert(core::safe_in_co_await<F> && core::safe_in_co_await<C>,
                  "name the lambda first: g++ 12 destroys a temporary twice inside a co_await");
    return core::batch_task<T, F, C>(ctx, options, items, largest,
                                     core::given<F>{std::forward<F>(fn)},
                                     core::given<C>{std::forward<C>(classify)});
  } else {
    if (returned sized = core::check_batch(largest); !sized) return sized;
    retry attempts{ctx, options};
    core::batch_window window{items.size(), largest};
    while (!window.done()) {
      auto attempt = wait(attempts.next());
      if (!attempt) return returned{std::unexpected(window.failure(attempts.failure().error()))};
      auto outcome = core::call_batch(fn, attempt->context, window.of(items));
      core::settle_batch(attempts, window, std::move(outcome), classify);
    }
    return returned{};
  }
}

}  // namespace weir
