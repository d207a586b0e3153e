#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weir/context/context.hpp>
#include <weir/sql/driver.hpp>
#include <weir/sql/queries.hpp>

namespace weir::sql {

/// A transaction: all of it happens, or nothing.
///
///             commit()                       rollback(), destructor, cancellation,
///   open ──────────────► committed   open ──────────────────────────────► rolled back
///     │                                       or the database itself
///     └──────────────► unknown      the answer to COMMIT was lost (errc::commit_unknown)
///
/// Holds one connection. Its statements run one after another, and with a connection that has a
/// thread of its own, on that thread.
///
/// Guarantees: no statement runs after the transaction has ended: it gets errc::already_done. A
/// transaction that is destroyed open, or whose context is cancelled, is rolled back in the
/// background; its connection reaches another caller only when provably clean.
/// Cancellation: by the context of `begin`, and for one statement by the context given to it.
/// Thread safety: one owner, movable; one call at a time (asserted).
///
/// Prefer `db.with_tx`, which begins, ends and repeats it.
class [[nodiscard]] tx final : public queries {
 public:
  tx(tx&& other) noexcept;
  tx& operator=(tx&& other) noexcept;
  ~tx();

  // Bounded by the transaction's own context; those of `queries` take a narrower one first.
  using queries::exec;
  using queries::query;
  using queries::query_all;
  using queries::query_row;
  template <parameter... P>
  task<result<exec_result>> exec(statement_text text, P&&... parameters) {
    return exec(ctx(), std::move(text), std::forward<P>(parameters)...);
  }
  template <parameter... P>
  task<result<rows>> query(statement_text text, P&&... parameters) {
    return query(ctx(), std::move(text), std::forward<P>(parameters)...);
  }
  template <class... T, parameter... P>
    requires readable<T...>
  task<result<row_of<T...>>> query_row(statement_text text, P&&... parameters) {
    return queries::query_row<T...>(ctx(), std::move(text), std::forward<P>(parameters)...);
  }
  template <class... T, parameter... P>
    requires readable<T...>
  task<result<std::vector<row_of<T...>>>> query_all(statement_text text, P&&... parameters) {
    return queries::query_all<T...>(ctx(), std::move(text), std::forward<P>(parameters)...);
  }

  /// Makes it permanent. Errors: commit_unknown if the answer was lost; already_done; whatever the
  /// database refused it with, after which it is rolled back.
  task<result<void>> commit();

  /// Undoes it. Errors: already_done. A connection that does not confirm it is closed, which rolls
  /// back as well.
  task<result<void>> rollback();

  // A point to go back to. `name` is an identifier: letters, digits and '_'.
  task<result<void>> savepoint(std::string_view name);
  task<result<void>> rollback_to(std::string_view name);
  task<result<void>> release(std::string_view name);

  [[nodiscard]] const context& ctx() const noexcept { return ctx_; }
  /// False once it has ended, in whatever way.
  [[nodiscard]] bool open() const noexcept;

 private:
  friend class core::sql_session;

  tx(std::shared_ptr<core::sql_session> session, context ctx, std::uint64_t serial) noexcept;

  task<result<exec_result>> do_exec(context ctx, statement_text text, arguments a) override;
  task<result<rows>> do_query(context ctx, statement_text text, arguments a) override;
  task<result<reply>> do_query_row(context ctx, statement_text text, arguments a) override;

  task<result<void>> point(std::string verb, std::string name);

  std::shared_ptr<core::sql_session> session_;
  context ctx_;
  std::uint64_t serial_;  // which of the session's transactions this is
};

}  // namespace weir::sql
