// expect: name the lambda first
// compiler: gcc
#include <memory>

#include <weir/sql/db.hpp>

weir::task<weir::result<int>> answer(weir::context ctx, weir::sql::db* db) {
  auto owned = std::make_unique<int>(42);
#ifdef CONTROL
  auto body = [owned = std::move(owned)](weir::sql::tx&) -> weir::task<weir::result<int>> {
    co_return *owned;
  };
  co_return co_await db->with_tx(ctx, body);
#else
  co_return co_await db->with_tx(
      ctx, [owned = std::move(owned)](weir::sql::tx&) -> weir::task<weir::result<int>> {
        co_return *owned;
      });
#endif
}
