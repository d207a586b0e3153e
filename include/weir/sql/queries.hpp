#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <weir/context/context.hpp>
#include <weir/core/error.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/bind.hpp>
#include <weir/sql/column_names.hpp>
#include <weir/sql/driver.hpp>
#include <weir/sql/row.hpp>
#include <weir/sql/rows.hpp>
#include <weir/sql/value.hpp>

namespace weir::sql {

/// What a `db`, a `conn` and a `tx` have in common: running statements. Code that takes a
/// `sql::queries&` works with each of them.
///
/// Every call takes a context, which bounds all of it: waiting for a connection, and the statement.
/// Text and parameters are copied before the call returns its task. Threads use
/// `weir::wait(db.exec(…))`.
///
/// Parameters are bound, never spliced: by position, as the database writes them (`$1` in
/// PostgreSQL,
/// `?` or `$1` in SQLite), or by `sql::named` where it has names. Errors: what the database
/// says, as one of weir's codes with the database's own as text; invalid_argument with both numbers
/// for a wrong number of parameters; what the context ended with. `outcome_of` tells whether the
/// statement may have been done.
class queries {
 public:
  /// Runs a statement. Rows it may give are not read.
  template <parameter... P>
  task<result<exec_result>> exec(context ctx, statement_text text, P&&... parameters) {
    return do_exec(std::move(ctx), std::move(text), arguments::of(std::forward<P>(parameters)...));
  }

  /// Runs a statement and gives its rows as they are asked for.
  template <parameter... P>
  task<result<rows>> query(context ctx, statement_text text, P&&... parameters) {
    return do_query(std::move(ctx), std::move(text), arguments::of(std::forward<P>(parameters)...));
  }

  /// The first row as T (one type) or std::tuple<T...>; errc::not_found if there is none.
  ///
  ///     auto balance = co_await db.query_row<std::int64_t>(ctx, "SELECT …", aid);
  template <class... T, parameter... P>
    requires readable<T...>
  task<result<row_of<T...>>> query_row(context ctx, statement_text text, P&&... parameters) {
    static_assert(!(borrows<T> || ...), "the row is gone when query_row returns: ask for an owner");
    return typed_row<T...>(do_query_row(std::move(ctx), std::move(text),
                                        arguments::of(std::forward<P>(parameters)...)));
  }

  /// All rows. For results known to be small: the memory is the caller's.
  template <class... T, parameter... P>
    requires readable<T...>
  task<result<std::vector<row_of<T...>>>> query_all(context ctx, statement_text text,
                                                    P&&... parameters) {
    static_assert(!(borrows<T> || ...), "the rows are gone when query_all returns");
    return typed_rows<T...>(
        do_query(std::move(ctx), std::move(text), arguments::of(std::forward<P>(parameters)...)));
  }

  // The same with parameters that are known at run time only.
  task<result<exec_result>> exec_with(context ctx, statement_text text, arguments parameters) {
    return do_exec(std::move(ctx), std::move(text), std::move(parameters));
  }
  task<result<rows>> query_with(context ctx, statement_text text, arguments parameters) {
    return do_query(std::move(ctx), std::move(text), std::move(parameters));
  }

 protected:
  queries() noexcept = default;
  queries(const queries&) noexcept = default;
  queries& operator=(const queries&) noexcept = default;
  ~queries() = default;

  virtual task<result<exec_result>> do_exec(context ctx, statement_text text, arguments a) = 0;
  virtual task<result<rows>> do_query(context ctx, statement_text text, arguments a) = 0;
  virtual task<result<reply>> do_query_row(context ctx, statement_text text, arguments a) = 0;

 private:
  template <class... T>
  static task<result<row_of<T...>>> typed_row(task<result<reply>> asked) {
    const auto found = co_await std::move(asked);
    if (!found) co_return std::unexpected(found.error());
    if (found->rows.rows() == 0) co_return fail(errc::not_found, "the query gave no row");
    co_return row{found->rows, found->names, 0}.template as<T...>();
  }

  template <class... T>
  static task<result<std::vector<row_of<T...>>>> typed_rows(task<result<rows>> asked) {
    auto found = co_await std::move(asked);
    if (!found) co_return std::unexpected(found.error());
    std::vector<row_of<T...>> all;
    while (co_await found->next()) {
      auto one = found->template as<T...>();
      if (!one) co_return std::unexpected(std::move(one).error());
      all.push_back(*std::move(one));
    }
    if (auto ended = found->finish(); !ended) co_return std::unexpected(std::move(ended).error());
    co_return all;
  }
};

}  // namespace weir::sql
