#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include <weir/context/context.hpp>
#include <weir/sql/bind.hpp>
#include <weir/sql/driver.hpp>
#include <weir/sql/queries.hpp>

namespace weir::core {
class sql_db;
}

namespace weir::sql {

/// A statement that was checked once and runs on any connection of its database. Each connection
/// prepares it when it first needs it, and keeps it among its recently used ones.
///
/// Requires: destroyed before the database. Thread safety: all calls, from any number of tasks.
/// Errors: as of `queries`; already_done after `close`.
class [[nodiscard]] stmt {
 public:
  stmt(stmt&&) noexcept = default;
  stmt& operator=(stmt&&) noexcept = default;

  template <parameter... P>
  task<result<exec_result>> exec(context ctx, P&&... parameters) {
    return do_exec(std::move(ctx), arguments::of(std::forward<P>(parameters)...));
  }
  template <parameter... P>
  task<result<rows>> query(context ctx, P&&... parameters) {
    return do_query(std::move(ctx), arguments::of(std::forward<P>(parameters)...));
  }

  /// Its text, to run it in a transaction: `tx.exec(s.text(), …)` finds it prepared.
  [[nodiscard]] statement_text text() const { return text_; }
  [[nodiscard]] std::size_t parameters() const noexcept { return parameters_; }

  /// From now on its calls fail with already_done; calls that run are not disturbed.
  void close() noexcept { db_.reset(); }

 private:
  friend class db;

  stmt(std::shared_ptr<core::sql_db> owner, statement_text text, std::size_t parameters) noexcept
      : db_(std::move(owner)), text_(std::move(text)), parameters_(parameters) {}

  task<result<exec_result>> do_exec(context ctx, arguments a);
  task<result<rows>> do_query(context ctx, arguments a);

  std::shared_ptr<core::sql_db> db_;
  statement_text text_;
  std::size_t parameters_;
};

}  // namespace weir::sql
