#include "audit.hpp"

#include <string_view>
#include <tuple>
#include <utility>

#include "../text.hpp"
#include "journal.hpp"

namespace weir::bank {

namespace {

// 5 parameters each; SQLite takes 32,766 in one statement.
constexpr std::size_t import_rows = 200;

std::string insert_rows(std::size_t rows) {
  std::string text = "INSERT INTO temp.bank_journal(line, id, tid, bid, aid, delta) VALUES ";
  for (std::size_t i = 0; i < rows; ++i) text += i == 0 ? "(?,?,?,?,?,?)" : ",(?,?,?,?,?,?)";
  return text;
}

std::string number(std::int64_t value) {
  return app::with_commas(value);
}

// Copies the journal into a table that lives and dies with the connection.
task<result<void>> import_journal(context ctx, sql::conn& on, journal_reader& reader,
                                  audit_findings& found) {
  auto made = co_await on.exec(
      ctx,
      "CREATE TEMP TABLE bank_journal(line INTEGER PRIMARY KEY, id TEXT, tid INTEGER,"
      " bid INTEGER, aid INTEGER, delta INTEGER)");
  if (!made) co_return std::unexpected(std::move(made).error());
  const std::string full_batch = insert_rows(import_rows);
  sql::arguments batch;
  std::size_t rows = 0;
  std::uint64_t damaged = 0;
  std::uint64_t first_damaged = 0;
  for (bool more = true; more;) {
    const auto step = reader.next();
    if (!step) co_return std::unexpected(step.error());
    more = *step != journal_reader::step::end;
    if (*step == journal_reader::step::damaged && damaged++ == 0) {
      first_damaged = reader.line_number();
    }
    if (*step == journal_reader::step::entry) {
      const journal_line& line = reader.entry();
      batch.add(reader.line_number());
      batch.add(line.id);
      batch.add(line.what.teller);
      batch.add(line.what.branch);
      batch.add(line.what.account);
      batch.add(line.what.delta);
      ++found.acknowledged;
      ++rows;
    }
    if (rows == import_rows || (!more && rows != 0)) {
      const std::string text = rows == import_rows ? full_batch : insert_rows(rows);
      auto done = co_await on.exec_with(ctx, text, std::exchange(batch, {}));
      if (!done) co_return std::unexpected(std::move(done).error());
      rows = 0;
    }
  }
  found.torn = reader.torn();
  if (damaged != 0) {
    found.problems.push_back(app::counted(damaged, "line") +
                             " of the journal damaged (first: line " +
                             number(static_cast<std::int64_t>(first_damaged)) + ")");
  }
  auto indexed = co_await on.exec(ctx, "CREATE INDEX temp.bank_journal_id ON bank_journal(id)");
  if (!indexed) co_return std::unexpected(std::move(indexed).error());
  co_return result<void>{};
}

// The four sums, and whether every row is there.
task<result<void>> check_sums(sql::tx& tx, audit_findings& found) {
  using four = std::tuple<std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
  const auto sums = co_await tx.query_row<std::int64_t, std::int64_t, std::int64_t, std::int64_t>(
      "SELECT (SELECT coalesce(sum(abalance), 0) FROM pgbench_accounts),"
      " (SELECT coalesce(sum(tbalance), 0) FROM pgbench_tellers),"
      " (SELECT coalesce(sum(bbalance), 0) FROM pgbench_branches),"
      " (SELECT coalesce(sum(delta), 0) FROM pgbench_history)");
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

// How many rows of a table disagree with the history, and the first of them.
struct ledger {
  std::string_view noun;
  sql::statement_text query;  // count, key, balance, sum of the history
};

task<result<void>> check_ledger(sql::tx& tx, const ledger& which, audit_findings& found) {
  using maybe = std::optional<std::int64_t>;
  const auto row = co_await tx.query_row<std::int64_t, maybe, maybe, maybe>(which.query);
  if (!row) co_return std::unexpected(row.error());
  const auto [count, key, balance, expected] = *row;
  if (count == 0) co_return result<void>{};
  std::string text{which.noun};
  text += ' ' + std::to_string(key.value_or(0)) + " has ";
  text += balance ? number(*balance) : "no balance";
  text += ", its history says " + number(expected.value_or(0));
  if (count > 1) text += " (and " + number(count - 1) + " more)";
  found.problems.push_back(std::move(text));
  co_return result<void>{};
}

// min() makes the bare columns those of its row, as SQLite documents.
task<result<void>> check_ledgers(sql::tx& tx, audit_findings& found) {
  const ledger ledgers[] = {
      {"account",
       "SELECT count(*), min(a.aid), a.abalance, coalesce(h.s, 0) FROM pgbench_accounts a"
       " LEFT JOIN (SELECT aid, sum(delta) AS s FROM pgbench_history GROUP BY aid) h"
       " ON h.aid = a.aid WHERE a.abalance IS NOT coalesce(h.s, 0)"},
      {"teller",
       "SELECT count(*), min(t.tid), t.tbalance, coalesce(h.s, 0) FROM pgbench_tellers t"
       " LEFT JOIN (SELECT tid, sum(delta) AS s FROM pgbench_history GROUP BY tid) h"
       " ON h.tid = t.tid WHERE t.tbalance IS NOT coalesce(h.s, 0)"},
      {"branch",
       "SELECT count(*), min(b.bid), b.bbalance, coalesce(h.s, 0) FROM pgbench_branches b"
       " LEFT JOIN (SELECT bid, sum(delta) AS s FROM pgbench_history GROUP BY bid) h"
       " ON h.bid = b.bid WHERE b.bbalance IS NOT coalesce(h.s, 0)"}};
  for (const ledger& one : ledgers) {
    if (auto done = co_await check_ledger(tx, one, found); !done) co_return done;
  }
  co_return result<void>{};
}

task<result<void>> check_twice(sql::tx& tx, audit_findings& found) {
  const auto in_table = co_await tx.query_row<std::int64_t, std::optional<std::string>>(
      "SELECT count(*), min(id) FROM (SELECT filler AS id FROM pgbench_history"
      " WHERE filler IS NOT NULL GROUP BY filler HAVING count(*) > 1)");
  if (!in_table) co_return std::unexpected(in_table.error());
  if (const auto& [count, first] = *in_table; count != 0) {
    found.problems.push_back(app::counted(static_cast<std::uint64_t>(count), "transfer") +
                             " more than once in the history (first: " + first.value_or("?") + ")");
  }
  const auto in_journal = co_await tx.query_row<std::int64_t, std::optional<std::int64_t>>(
      "SELECT count(*), min(line) FROM (SELECT max(line) AS line FROM temp.bank_journal"
      " GROUP BY id HAVING count(*) > 1)");
  if (!in_journal) co_return std::unexpected(in_journal.error());
  if (const auto& [count, line] = *in_journal; count != 0) {
    found.problems.push_back(app::counted(static_cast<std::uint64_t>(count), "transfer") +
                             " more than once in the journal (first: line " +
                             number(line.value_or(0)) + ")");
  }
  co_return result<void>{};
}

task<result<void>> check_acknowledged(sql::tx& tx, audit_findings& found) {
  // CROSS fixes the order of the loops: one pass over the history, instead of an index made for it.
  // Which are missing is asked only if some are.
  const auto present = co_await tx.query_row<std::int64_t>(
      "SELECT count(DISTINCT j.line) FROM pgbench_history h CROSS JOIN temp.bank_journal j"
      " ON j.id = h.filler"
      " AND j.tid = h.tid AND j.bid = h.bid AND j.aid = h.aid AND j.delta = h.delta");
  if (!present) co_return std::unexpected(present.error());
  if (static_cast<std::uint64_t>(*present) == found.acknowledged) co_return result<void>{};

  const auto lost = co_await tx.query_row<std::int64_t, std::optional<std::int64_t>>(
      "SELECT count(*), min(line) FROM temp.bank_journal WHERE id NOT IN"
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
task<result<void>> compare(sql::tx& tx, const audit_findings& imported, audit_findings& found) {
  found = imported;  // a transaction may be run again
  if (auto done = co_await check_acknowledged(tx, found); !done) co_return done;
  if (auto done = co_await check_twice(tx, found); !done) co_return done;
  if (auto done = co_await check_sums(tx, found); !done) co_return done;
  co_return co_await check_ledgers(tx, found);
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

task<result<audit_findings>> audit_books(context ctx, sql::db& database, int journal,
                                         std::string name) {
  audit_findings found;
  auto on = co_await database.connect(ctx);
  if (!on) co_return std::unexpected(std::move(on).error());
  journal_reader reader{journal, std::move(name)};
  auto done = co_await import_journal(ctx, *on, reader, found);
  if (done) {
    const audit_findings imported = found;
    auto body = [&](sql::tx& tx) { return compare(tx, imported, found); };
    done = co_await on->with_tx(ctx, {.access = sql::access::read_only}, body);
  }
  // The connection goes back to the pool, without the table. What fails goes with the connection.
  const auto dropped = co_await on->exec(ctx, "DROP TABLE temp.bank_journal");
  if (!dropped) on->discard();
  if (!done) co_return std::unexpected(std::move(done).error());
  co_return found;
}

}  // namespace weir::bank
