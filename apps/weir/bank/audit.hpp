#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <weir/context/context.hpp>
#include <weir/core/error.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/db.hpp>

#include "dialect.hpp"

namespace weir::bank {

/// What an audit found. Without problems it is a PASS.
struct audit_findings {
  std::vector<std::string> problems;  ///< a sentence each, the gravest first

  std::int64_t scale = 0;
  std::uint64_t accounts = 0;
  std::uint64_t history = 0;       ///< transfers in the table, of all runs
  std::uint64_t acknowledged = 0;  ///< lines of the journal
  std::int64_t balance = 0;        ///< what all four tables sum up to, if they agree
  bool torn = false;               ///< the journal's last line was cut off by a kill

  [[nodiscard]] bool passed() const noexcept { return problems.empty(); }
  /// "PASS …" or "FAIL …", in a line.
  [[nodiscard]] std::string verdict() const;
};

/// Where an audit reads a journal, and what it asks.
struct journal_source {
  journal_source(const dialect& database, int number, std::string path)
      : speaks(database), descriptor(number), name(std::move(path)) {}

  const dialect& speaks;  ///< of the database that it is compared with
  int descriptor;         ///< outlives the audit; -1: there is no journal
  std::string name;       ///< for errors
};

/// Compares the books with themselves and with a journal:
/// - the balances of accounts, tellers and branches and the deltas of the history have one sum;
/// - each account, teller and branch has what its transfers in the history add up to;
/// - no transfer is in the history twice, and none in the journal twice;
/// - each transfer of the journal is in the history, with the same teller, branch, account, delta.
///
/// Changes nothing: the journal is copied into a temporary table of one connection, and the
/// database sorts in 32 MiB and files, so the memory is bounded. Others may go on making transfers:
/// the journal is read before the snapshot that it is compared with. Errors: what the database or
/// the journal cannot be read for. A finding is no error.
task<result<audit_findings>> audit_books(context ctx, sql::db& database, journal_source from);

}  // namespace weir::bank
