#include "audit.hpp"

#include <string_view>
#include <tuple>
#include <utility>

#include "../text.hpp"
#include "journal.hpp"

namespace weir::bank {

namespace {

std::string number(std::int64_t value) {
  return app::with_commas(value);
}

// Copies the journal into a table that lives and dies with the connection. In a transaction, that
// is: all of it on the connection's thread.
task<result<void>> import_journal(sql::tx& tx, const journal_source& from, audit_findings& found) {
  found = audit_findings{};  // a transaction may be run again
  const auto made = co_await tx.exec(
      "CREATE TEMP TABLE bank_journal(line BIGINT PRIMARY KEY, id TEXT, tid BIGINT,"
      " bid BIGINT, aid BIGINT, delta BIGINT)");
  if (!made) co_return std::unexpected(made.error());
  journal_reader reader{from.descriptor, from.name};
  std::uint64_t damaged = 0;
  std::uint64_t first_damaged = 0;
  for (;;) {
    const auto step = reader.next();
    if (!step) co_return std::unexpected(step.error());
    if (*step == journal_reader::step::end) break;
    if (*step == journal_reader::step::damaged) {
      if (damaged++ == 0) first_damaged = reader.line_number();
      continue;
    }
    const journal_line& line = reader.entry();
    const auto done = co_await tx.exec(
        "INSERT INTO bank_journal(line, id, tid, bid, aid, delta) VALUES ($1, $2, $3, $4, $5, $6)",
        reader.line_number(), line.id, line.what.teller, line.what.branch, line.what.account,
        line.what.delta);
    if (!done) co_return std::unexpected(done.error());
    ++found.acknowledged;
  }
  found.torn = reader.torn();
  if (damaged != 0) {
    found.problems.push_back(app::counted(damaged, "line") +
                             " of the journal damaged (first: line " +
                             number(static_cast<std::int64_t>(first_damaged)) + ")");
  }
  const auto indexed = co_await tx.exec("CREATE INDEX bank_journal_id ON bank_journal(id)");
  if (!indexed) co_return std::unexpected(indexed.error());
  co_return result<void>{};
}

// The four sums, and whether every row is there.
task<result<void>> check_sums(sql::tx& tx, audit_findings& found) {
  using four = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
  const auto sums = co_await tx.query_row<std::int64_t, std::int64_t, std::int64_t, std::int64_t>(
      "SELECT (SELECT CAST(coalesce(sum(abalance), 0) AS BIGINT) FROM pgbench_accounts),"
      " (SELECT CAST(coalesce(sum(tbalance), 0) AS BIGINT) FROM pgbench_tellers),"
      " (SELECT CAST(coalesce(sum(bbalance), 0) AS BIGINT) FROM pgbench_branches),"
      " (SELECT CAST(coalesce(sum(delta), 0) AS BIGINT) FROM pgbench_history)");
  if (!sums) co_return std::unexpected(sums.error());
  const auto counts = co_await tx.query_row<std::int64_t, std::int64_t, std::int64_t, std::int64_t>(
      "SELECT (SELECT count(*) FROM pgbench_accounts), (SELECT count(*) FROM pgbench_tellers),"
      " (SELECT count(*) FROM pgbench_branches), (SELECT count(*) FROM pgbench_history)");
  if (!counts) co_return std::unexpected(counts.error());
  const auto [accounts, tellers, branches, history] = *counts;
  found.accounts = static_cast<std::uint64_t>(accounts);
  found.history = static_cast<std::uint64_t>(history);
  found.scale = branches;
  const auto [in_accounts, in_tellers, in_branches, in_history] = *sums;
  found.balance = in_accounts;
  if (*sums != four{in_accounts, in_accounts, in_accounts, in_accounts}) {
    found.problems.push_back("sums differ: accounts " + number(in_accounts) + ", tellers " +
                             number(in_tellers) + ", branches " + number(in_branches) +
                             ", history " + number(in_history));
  }
  if (accounts != branches * accounts_per_branch || tellers != branches * tellers_per_branch) {
    found.problems.push_back("rows are missing: " + number(accounts) + " accounts and " +
                             number(tellers) + " tellers for " + number(branches) + " branches");
  }
  co_return result<void>{};
}

// A table whose balances the history explains.
struct ledger {
  std::string noun;
  std::string table;
  std::string key;
  std::string balance;
};

// How many rows disagree with the history, and the first of them. Only then what it has: a plain
// count is what the databases plan well, also before they have statistics.
task<result<void>> check_ledger(sql::tx& tx, const ledger& which, audit_findings& found) {
  using maybe = std::optional<std::int64_t>;
  const std::string count =
      "SELECT count(*), min(t." + which.key + ") FROM " + which.table + " t LEFT JOIN (SELECT " +
      which.key + " AS k, CAST(sum(delta) AS BIGINT) AS s FROM pgbench_history GROUP BY " +
      which.key + ") h ON h.k = t." + which.key + " WHERE t." + which.balance +
      " IS DISTINCT FROM coalesce(h.s, 0)";
  const auto wrong = co_await tx.query_row<std::int64_t, maybe>(count);
  if (!wrong) co_return std::unexpected(wrong.error());
  const auto [rows, key] = *wrong;
  if (rows == 0) co_return result<void>{};

  const std::string details = "SELECT " + which.balance +
                              ", (SELECT CAST(coalesce(sum(delta), 0) AS BIGINT)"
                              " FROM pgbench_history WHERE " +
                              which.key + " = $1) FROM " + which.table + " WHERE " + which.key +
                              " = $1";
  const auto row = co_await tx.query_row<maybe, std::int64_t>(details, key);
  if (!row) co_return std::unexpected(row.error());
  const auto [balance, expected] = *row;
  std::string text = which.noun + ' ' + std::to_string(key.value_or(0)) + " has " +
                     (balance ? number(*balance) : "no balance") + ", its history says " +
                     number(expected);
  if (rows > 1) text += " (and " + number(rows - 1) + " more)";
  found.problems.push_back(std::move(text));
  co_return result<void>{};
}

task<result<void>> check_ledgers(sql::tx& tx, audit_findings& found) {
  const ledger ledgers[] = {{"account", "pgbench_accounts", "aid", "abalance"},
                            {"teller", "pgbench_tellers", "tid", "tbalance"},
                            {"branch", "pgbench_branches", "bid", "bbalance"}};
  for (const ledger& one : ledgers) {
    if (auto done = co_await check_ledger(tx, one, found); !done) co_return done;
  }
  co_return result<void>{};
}

task<result<void>> check_twice(sql::tx& tx, audit_findings& found) {
  const auto in_table = co_await tx.query_row<std::int64_t, std::optional<std::string>>(
      "SELECT count(*), min(id) FROM (SELECT filler AS id FROM pgbench_history"
      " WHERE filler IS NOT NULL GROUP BY filler HAVING count(*) > 1) AS twice");
  if (!in_table) co_return std::unexpected(in_table.error());
  if (const auto& [count, first] = *in_table; count != 0) {
    found.problems.push_back(app::counted(static_cast<std::uint64_t>(count), "transfer") +
                             " more than once in the history (first: " + first.value_or("?") + ")");
  }
  const auto in_journal = co_await tx.query_row<std::int64_t, std::optional<std::int64_t>>(
      "SELECT count(*), min(line) FROM (SELECT max(line) AS line FROM bank_journal"
      " GROUP BY id HAVING count(*) > 1) AS twice");
  if (!in_journal) co_return std::unexpected(in_journal.error());
  if (const auto& [count, line] = *in_journal; count != 0) {
    found.problems.push_back(app::counted(static_cast<std::uint64_t>(count), "transfer") +
                             " more than once in the journal (first: line " +
                             number(line.value_or(0)) + ")");
  }
  co_return result<void>{};
}

task<result<void>> check_acknowledged(sql::tx& tx, const dialect& speaks, audit_findings& found) {
  // Which are missing is asked only if some are.
  const auto present =
      co_await tx.query_row<std::int64_t>(sql::statement_text{speaks.count_acknowledged});
  if (!present) co_return std::unexpected(present.error());
  if (static_cast<std::uint64_t>(*present) == found.acknowledged) co_return result<void>{};

  const auto lost = co_await tx.query_row<std::int64_t, std::optional<std::int64_t>>(
      "SELECT count(*), min(line) FROM bank_journal WHERE id NOT IN"
      " (SELECT filler FROM pgbench_history WHERE filler IS NOT NULL)");
  if (!lost) co_return std::unexpected(lost.error());
  const auto [missing, line] = *lost;
  if (missing != 0) {
    found.problems.push_back("acknowledged but not in the table: " +
                             app::counted(static_cast<std::uint64_t>(missing), "transfer") +
                             " (first: line " + number(line.value_or(0)) + " of the journal)");
  }
  const std::int64_t changed = static_cast<std::int64_t>(found.acknowledged) - *present - missing;
  if (changed > 0) {
    found.problems.push_back(app::counted(static_cast<std::uint64_t>(changed), "transfer") +
                             " other in the table than acknowledged");
  }
  co_return result<void>{};
}

// Everything in one transaction, that is: one snapshot.
task<result<void>> compare(sql::tx& tx, const dialect& speaks, const audit_findings& imported,
                           audit_findings& found) {
  found = imported;  // a transaction may be run again
  if (auto done = co_await check_acknowledged(tx, speaks, found); !done) co_return done;
  if (auto done = co_await check_twice(tx, found); !done) co_return done;
  if (auto done = co_await check_sums(tx, found); !done) co_return done;
  co_return co_await check_ledgers(tx, found);
}

task<result<void>> audit_on(context ctx, sql::conn& on, const journal_source& from,
                            audit_findings& found) {
  const dialect& speaks = from.speaks;
  // Neither writes to the tables. The journal is read before the other one's snapshot begins.
  auto import = [&](sql::tx& tx) { return import_journal(tx, from, found); };
  if (auto done = co_await on.with_tx(ctx, speaks.import, import); !done) co_return done;
  const audit_findings imported = found;
  auto body = [&](sql::tx& tx) { return compare(tx, speaks, imported, found); };
  co_return co_await on.with_tx(ctx, speaks.compare, body);
}

}  // namespace

std::string audit_findings::verdict() const {
  if (passed()) {
    return "PASS " + app::counted(acknowledged, "transfer") +
           " acknowledged, none lost, none twice, sums agree";
  }
  std::string text = "FAIL " + problems.front();
  if (problems.size() > 1) text += " (and " + std::to_string(problems.size() - 1) + " more)";
  return text;
}

task<result<audit_findings>> audit_books(context ctx, sql::db& database, journal_source from) {
  auto on = co_await database.connect(ctx);
  if (!on) co_return std::unexpected(std::move(on).error());
  audit_findings found;
  sorting_memory memory{*on, from.speaks};
  auto done = co_await memory.take(ctx);
  if (done) done = co_await audit_on(ctx, *on, from, found);
  // The connection goes back to the pool as it was; if that fails, it does not go back.
  const auto dropped = co_await on->exec(ctx, "DROP TABLE bank_journal");
  const auto reset = co_await memory.give_back(ctx);
  if (!dropped || !reset) on->discard();
  if (!done) co_return std::unexpected(std::move(done).error());
  co_return found;
}

}  // namespace weir::bank
