#pragma once

#include <cstdint>
#include <functional>

#include <weir/context/context.hpp>
#include <weir/core/error.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/db.hpp>

#include "dialect.hpp"

namespace weir::bank {

/// What a database has of pgbench's four tables.
struct books {
  enum class state : std::uint8_t {
    none,        ///< not one of the tables
    unfinished,  ///< a load that was interrupted; there was no transfer yet
    complete,
  };
  state what = state::none;
  std::int64_t scale = 0;  ///< number of branches
};

/// Looks. Errors: corrupt for tables that are not pgbench's; the database's own.
task<result<books>> inspect_books(context ctx, sql::db& database, const dialect& speaks);

/// Makes the four tables and fills them, in transactions of 10,000 accounts; the branches come
/// last, so that books with branches are complete. What an interrupted load left is dropped first.
///
/// Error: unavailable if `ctx` begins to drain, after the transaction in progress.
task<result<void>> load_books(context ctx, sql::db& database, const dialect& speaks,
                              std::int64_t scale, std::function<void(double)> progress);

}  // namespace weir::bank
