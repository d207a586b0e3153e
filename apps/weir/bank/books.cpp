#include "books.hpp"

#include <algorithm>

#include "transfer.hpp"

namespace weir::bank {

namespace {

constexpr std::int64_t batch_rows = 10'000;

// pgbench's accounts carry 84 blanks; they decide how many rows fit on a page.
task<result<void>> insert_accounts(sql::tx& tx, std::int64_t first, std::int64_t last) {
  const auto done = co_await tx.exec(
      "WITH RECURSIVE n(i) AS (SELECT ? UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
      " INSERT INTO pgbench_accounts(aid, bid, abalance, filler)"
      " SELECT i, (i - 1) / ? + 1, 0, printf('%84s', '') FROM n",
      first, last, accounts_per_branch);
  if (!done) co_return std::unexpected(done.error());
  co_return result<void>{};
}

task<result<void>> create_tables(sql::tx& tx) {
  static constexpr const char* statements[] = {
      "DROP TABLE IF EXISTS pgbench_branches",
      "DROP TABLE IF EXISTS pgbench_tellers",
      "DROP TABLE IF EXISTS pgbench_accounts",
      "DROP TABLE IF EXISTS pgbench_history",
      "CREATE TABLE pgbench_branches(bid INTEGER PRIMARY KEY, bbalance INTEGER, filler TEXT)",
      "CREATE TABLE pgbench_tellers(tid INTEGER PRIMARY KEY, bid INTEGER, tbalance INTEGER,"
      " filler TEXT)",
      "CREATE TABLE pgbench_accounts(aid INTEGER PRIMARY KEY, bid INTEGER, abalance INTEGER,"
      " filler TEXT)",
      "CREATE TABLE pgbench_history(tid INTEGER, bid INTEGER, aid INTEGER, delta INTEGER,"
      " mtime INTEGER, filler TEXT)"};
  for (const char* text : statements) {
    const auto done = co_await tx.exec(sql::statement_text{std::string_view{text}});
    if (!done) co_return std::unexpected(done.error());
  }
  co_return result<void>{};
}

task<result<void>> insert_branches(sql::tx& tx, std::int64_t scale) {
  const auto tellers = co_await tx.exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
      " INSERT INTO pgbench_tellers(tid, bid, tbalance) SELECT i, (i - 1) / ? + 1, 0 FROM n",
      scale * tellers_per_branch, tellers_per_branch);
  if (!tellers) co_return std::unexpected(tellers.error());
  const auto branches = co_await tx.exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)"
      " INSERT INTO pgbench_branches(bid, bbalance) SELECT i, 0 FROM n",
      scale);
  if (!branches) co_return std::unexpected(branches.error());
  co_return result<void>{};
}

}  // namespace

task<result<books>> inspect_books(context ctx, sql::db& database) {
  const auto tables = co_await database.query_row<std::int64_t>(
      ctx,
      "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN"
      " ('pgbench_branches', 'pgbench_tellers', 'pgbench_accounts', 'pgbench_history')");
  if (!tables) co_return std::unexpected(tables.error());
  if (*tables == 0) co_return books{};
  if (*tables != 4) {
    co_return fail(errc::corrupt,
                   "some of pgbench's four tables are missing; restore them, or give another file "
                   "with --db");
  }
  const auto rows = co_await database.query_row<std::int64_t, bool>(
      ctx,
      "SELECT (SELECT count(*) FROM pgbench_branches), EXISTS (SELECT 1 FROM pgbench_history)");
  if (!rows) co_return std::unexpected(rows.error());
  const auto [branches, transferred] = *rows;
  if (branches == 0 && !transferred) co_return books{books::state::unfinished, 0};
  co_return books{books::state::complete, branches};
}

task<result<void>> load_books(context ctx, sql::db& database, std::int64_t scale,
                              std::function<void(double)> progress) {
  auto create = [](sql::tx& tx) { return create_tables(tx); };
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
