// A database: statements with parameters, rows, and a transaction that is whole or not at all.

#include <cstdint>
#include <cstdio>
#include <string>

#include <weir/runtime/runtime.hpp>
#include <weir/sqlite/sqlite.hpp>
#include <weir/stopper/stopper.hpp>

namespace {

namespace sql = weir::sql;

weir::task<weir::result<void>> fill(weir::context ctx, sql::db* db) {
  auto made = co_await db->exec(ctx, "CREATE TABLE accounts(name TEXT PRIMARY KEY, cents INTEGER)");
  if (!made) co_return std::unexpected(made.error());
  for (const char* name : {"anna", "bert", "cleo"}) {
    auto put = co_await db->exec(ctx, "INSERT INTO accounts VALUES (?, ?)", name, 100);
    if (!put) co_return std::unexpected(put.error());
  }
  co_return weir::result<void>{};
}

struct transfer {
  const char* from;  // trivial: g++ 12 destroys an owning aggregate in a co_await twice
  const char* to;
  int cents;
};

weir::task<weir::result<std::int64_t>> take_and_give(sql::tx* tx, transfer t) {
  auto left = co_await tx->query_row<std::int64_t>(
      "UPDATE accounts SET cents = cents - ? WHERE name = ? RETURNING cents", t.cents, t.from);
  if (!left) co_return std::unexpected(left.error());
  if (*left < 0) co_return weir::fail(weir::errc::constraint, "not enough on the account");
  auto given =
      co_await tx->exec("UPDATE accounts SET cents = cents + ? WHERE name = ?", t.cents, t.to);
  if (!given) co_return std::unexpected(given.error());
  if (given->rows_affected != 1) co_return weir::fail(weir::errc::not_found, "no such account");
  co_return *left;
}

/// Both or neither. Run again from the start if it loses against another transaction.
weir::task<weir::result<std::int64_t>> move(weir::context ctx, sql::db* db, transfer t) {
  auto both = [&t](sql::tx& tx) { return take_and_give(&tx, t); };
  co_return co_await db->with_tx(ctx, both);
}

weir::task<weir::result<void>> print(weir::context ctx, sql::db* db) {
  auto rows = co_await db->query(ctx, "SELECT name, cents FROM accounts ORDER BY name");
  if (!rows) co_return std::unexpected(rows.error());
  while (co_await rows->next()) {
    const auto row = rows->as<std::string, std::int64_t>();
    if (!row) co_return std::unexpected(row.error());
    std::printf("%-5s %4ld\n", std::get<0>(*row).c_str(), static_cast<long>(std::get<1>(*row)));
  }
  co_return rows->finish();
}

weir::task<weir::result<void>> ledger(weir::context ctx, sql::db* db) {
  if (auto filled = co_await fill(ctx, db); !filled) co_return filled;
  // Named first: g++ 12 destroys an aggregate that is made inside a co_await twice.
  const transfer rent{"anna", "bert", 30};
  if (auto moved = co_await move(ctx, db, rent); !moved) co_return std::unexpected(moved.error());
  const transfer too_much{"anna", "cleo", 500};
  auto refused = co_await move(ctx, db, too_much);
  std::printf("500 more: %s\n", refused ? "moved" : refused.error().to_string().c_str());
  co_return co_await print(ctx, db);
}

}  // namespace

int main() {
  weir::runtime rt;
  weir::stopper stopper{rt, {.name = "ledger"}};
  auto opened = weir::sqlite::open(stopper, "sqlite::memory:");
  if (!opened) return 2;
  sql::db db = *std::move(opened);
  auto done = weir::wait(ledger({}, &db));
  if (!done) std::printf("failed: %s\n", done.error().to_string().c_str());
  auto stopped = weir::wait(stopper.stop());
  return done && stopped ? 0 : 1;
}
