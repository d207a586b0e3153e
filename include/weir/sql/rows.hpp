#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <weir/core/error.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/row.hpp>

namespace weir::sql {
class rows;
}
namespace weir::core {
class sql_session;
class sql_stream;
task<result<sql::rows>> owning_rows(task<result<sql::rows>> asked);
}  // namespace weir::core

namespace weir::sql {

/// The rows of a query, read as they are asked for.
///
/// Holds its connection until the last row was read, `close()` or its end; rows of a transaction or
/// of a pinned connection borrow that one's, and end with it. Bounded by the context that the query
/// was given. Read in batches, so that a row rarely costs a trip to the connection's thread.
///
///             next() gives a row             no more rows, an error, the context
///   open ───────────────────────► open     open ─────────────────────────────► ended
///             close(), destructor, end of the transaction
///   open ──────────────────────────────────────────────────► ended
///
/// Guarantees: borrowed text stays valid until the next `next`, whatever is cancelled meanwhile.
/// Once the last row is read, a later cancellation is no error. Destroying it early returns the
/// connection, which stops the query in the background.
/// Thread safety: one owner, movable.
///
///     auto found = co_await db.query(ctx, "SELECT aid, abalance FROM accounts WHERE bid = ?", 7);
///     if (!found) co_return std::unexpected(found.error());
///     while (co_await found->next()) sum += found->get<std::int64_t>("abalance").value();
///     if (const auto ended = found->finish(); !ended) co_return ended;
class [[nodiscard]] rows {
 public:
  rows(rows&& other) noexcept;
  rows& operator=(rows&& other) noexcept;
  ~rows();

  /// Goes to the next row. False: no more, or an error, which `finish` tells.
  task<bool> next();

  /// The row that `next` went to. Requires: next() gave true.
  [[nodiscard]] row current() const noexcept;
  template <scannable T, class W>
  [[nodiscard]] result<T> get(W which) const {
    return current().get<T>(which);
  }
  template <class... T>
    requires readable<T...>
  [[nodiscard]] result<row_of<T...>> as() const {
    return current().as<T...>();
  }

  [[nodiscard]] std::span<const std::string> columns() const noexcept;

  /// Success if the rows were read to their end or closed without an error.
  [[nodiscard]] result<void> finish() const;

  /// Stops reading and gives the connection back. No error, however early.
  task<void> close();

 private:
  friend class core::sql_session;
  friend task<result<rows>> core::owning_rows(task<result<rows>> asked);

  explicit rows(std::shared_ptr<core::sql_stream> stream) noexcept;

  std::shared_ptr<core::sql_stream> stream_;
};

}  // namespace weir::sql
