#include "books.hpp"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

#include "transfer.hpp"

namespace weir::bank {

namespace {

constexpr std::int64_t batch_rows = 10'000;

// pgbench's accounts carry 84 blanks; they decide how many rows fit on a page.
task<result<void>> insert_accounts(sql::tx& tx, std::int64_t first, std::int64_t last) {
  const auto done = co_await tx.exec(
      "WITH RECURSIVE n(i) AS (SELECT CAST($1 AS BIGINT)"
      " UNION ALL SELECT i + 1 FROM n WHERE i < CAST($2 AS BIGINT))"
      " INSERT INTO pgbench_accounts(aid, bid, abalance, filler)"
      " SELECT i, (i - 1) / CAST($3 AS BIGINT) + 1, 0, CAST($4 AS TEXT) FROM n",
      first, last, accounts_per_branch, std::string(84, ' '));
  if (!done) co_return std::unexpected(done.error());
  co_return result<void>{};
}

task<result<void>> create_tables(sql::tx& tx, const dialect& speaks) {
  static constexpr std::string_view drops[] = {
      "DROP TABLE IF EXISTS pgbench_branches", "DROP TABLE IF EXISTS pgbench_tellers",
      "DROP TABLE IF EXISTS pgbench_accounts", "DROP TABLE IF EXISTS pgbench_history"};
  for (const auto statements : {std::span<const std::string_view>{drops}, speaks.create_tables}) {
    for (const std::string_view text : statements) {
      const auto done = co_await tx.exec(sql::statement_text{text});
      if (!done) co_return std::unexpected(done.error());
    }
  }
  co_return result<void>{};
}

task<result<void>> insert_branches(sql::tx& tx, std::int64_t scale) {
  const auto tellers = co_await tx.exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < CAST($1 AS BIGINT))"
      " INSERT INTO pgbench_tellers(tid, bid, tbalance)"
      " SELECT i, (i - 1) / CAST($2 AS BIGINT) + 1, 0 FROM n",
      scale * tellers_per_branch, tellers_per_branch);
  if (!tellers) co_return std::unexpected(tellers.error());
  const auto branches = co_await tx.exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < CAST($1 AS BIGINT))"
      " INSERT INTO pgbench_branches(bid, bbalance) SELECT i, 0 FROM n",
      scale);
  if (!branches) co_return std::unexpected(branches.error());
  co_return result<void>{};
}

}  // namespace

task<result<books>> inspect_books(context ctx, sql::db& database, const dialect& speaks) {
  const auto tables =
      co_await database.query_row<std::int64_t>(ctx, sql::statement_text{speaks.count_tables});
  if (!tables) co_return std::unexpected(tables.error());
  if (*tables == 0) co_return books{};
  if (*tables != 4) {
    co_return fail(errc::corrupt,
                   "some of pgbench's four tables are missing; restore them, or give another "
                   "database with --db");
  }
  const auto rows = co_await database.query_row<std::int64_t, bool>(
      ctx,
      "SELECT (SELECT count(*) FROM pgbench_branches), EXISTS (SELECT 1 FROM pgbench_history)");
  if (!rows) co_return std::unexpected(rows.error());
  const auto [branches, transferred] = *rows;
  if (branches == 0 && !transferred) co_return books{books::state::unfinished, 0};
  co_return books{books::state::complete, branches};
}

task<result<void>> load_books(context ctx, sql::db& database, const dialect& speaks,
                              std::int64_t scale, std::function<void(double)> progress) {
  auto create = [&](sql::tx& tx) { return create_tables(tx, speaks); };
  if (auto done = co_await database.with_tx(ctx, create); !done) co_return done;
  const std::int64_t accounts = scale * accounts_per_branch;
  for (std::int64_t first = 1; first <= accounts; first += batch_rows) {
    if (ctx.draining()) co_return fail(errc::unavailable, "the load was interrupted");
    const std::int64_t last = std::min(accounts, first + batch_rows - 1);
    auto insert = [&](sql::tx& tx) { return insert_accounts(tx, first, last); };
    if (auto done = co_await database.with_tx(ctx, insert); !done) co_return done;
    progress(static_cast<double>(last) / static_cast<double>(accounts));
  }
  auto finish = [&](sql::tx& tx) { return insert_branches(tx, scale); };
  co_return co_await database.with_tx(ctx, finish);
}

}  // namespace weir::bank
