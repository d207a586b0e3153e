// expect: name the lambda first
// compiler: gcc
#include <memory>

#include <weir/retry/call.hpp>

weir::task<weir::result<int>> answer(weir::context ctx) {
  auto owned = std::make_unique<int>(42);
#ifdef CONTROL
  auto fetch = [owned = std::move(owned)]() -> weir::task<weir::result<int>> { co_return *owned; };
  co_return co_await weir::retry_call(ctx, {.max_retries = 3}, fetch);
#else
  co_return co_await weir::retry_call(
      ctx, {.max_retries = 3},
      [owned = std::move(owned)]() -> weir::task<weir::result<int>> { co_return *owned; });
#endif
}
