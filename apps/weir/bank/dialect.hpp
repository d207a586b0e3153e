#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/context/context.hpp>
#include <weir/core/error.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/db.hpp>

namespace weir::bank {

/// What SQLite and PostgreSQL want to be told differently. All other statements of the bank are
/// written so that both understand them: parameters are `$1`, `$2`, … in the order of their first
/// use, and sums are cast, since PostgreSQL's are wider than what they add up.
struct dialect {
  std::string_view name;  ///< "SQLite", "PostgreSQL"

  std::string_view count_tables;  ///< how many of the four tables there are
  std::span<const std::string_view> create_tables;
  /// How many lines of the journal are in the history as they are.
  std::string_view count_acknowledged;

  /// An audit copies the journal into a temporary table, and then compares in one snapshot.
  sql::tx_options import;
  sql::tx_options compare;

  bool is_file;  ///< the database is a file of this program's

  /// A server that went away comes back; a file that stays locked belongs to somebody else.
  bool waits_for_ever;
};

extern const dialect sqlite_dialect;
extern const dialect postgres_dialect;

/// Where a database is, and what it speaks.
struct place {
  const dialect* speaks = nullptr;
  std::string file;     ///< SQLite's; else empty
  std::string journal;  ///< if the options name no other
};

/// Errors: invalid_argument for an address that this program cannot use, naming those it can.
result<place> find_place(const std::string& address);

/// What the server says about itself and about durability, by name, as a report tells it.
using settings_told = std::vector<std::pair<std::string, std::string>>;
task<result<settings_told>> ask_settings(context ctx, sql::db& database, const dialect& speaks);

/// Memory for an audit's sorting: 32 MiB, beyond which the database sorts in files.
///
/// Requires: `on` outlives it.
class sorting_memory {
 public:
  sorting_memory(sql::conn& on, const dialect& speaks) noexcept : on_(on), speaks_(speaks) {}

  task<result<void>> take(context ctx);
  /// As it was.
  task<result<void>> give_back(context ctx);

 private:
  task<result<void>> run(context ctx, std::string text);
  task<result<void>> set_cache(context ctx, std::int64_t size);

  sql::conn& on_;
  const dialect& speaks_;
  std::int64_t usual_ = 0;
};

}  // namespace weir::bank
