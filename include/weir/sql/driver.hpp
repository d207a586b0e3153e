#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <weir/context/context.hpp>
#include <weir/core/error.hpp>
#include <weir/core/executor.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/errors.hpp>
#include <weir/sql/row_buffer.hpp>
#include <weir/sql/value.hpp>

namespace weir::sql {

/// What a statement, a transaction or a connection is for.
enum class access : std::uint8_t { read_write, read_only };

enum class isolation : std::uint8_t {
  driver_default,
  read_uncommitted,
  read_committed,
  repeatable_read,
  snapshot,
  serializable,
};
std::string_view name_of(isolation level) noexcept;

/// How a transaction runs. An isolation that the database does not have is an error (unsupported),
/// never something weaker.
struct tx_options {
  isolation level = isolation::driver_default;
  sql::access access = sql::access::read_write;

  /// with_tx: how often the closure is run again after a conflict or a held lock.
  std::size_t max_retries = 16;
};
static_assert(std::is_trivially_destructible_v<tx_options>);

struct exec_result {
  std::int64_t rows_affected = 0;
  std::int64_t last_insert_id = 0;  ///< of the last row inserted through this connection; 0: none
};

/// How much of a result to read at once.
struct fetch_limits {
  std::size_t rows;
  std::size_t bytes;
};

/// A statement that was prepared on one connection. One execution at a time.
///
/// Called on the connection's home, by one caller at a time. After an error the statement is reset.
class driver_statement {
 public:
  virtual ~driver_statement() = default;

  /// How many parameters it has, and where a named one goes (counted from 0).
  [[nodiscard]] virtual std::size_t parameters() const noexcept = 0;
  [[nodiscard]] virtual std::optional<std::size_t> position(std::string_view name) const noexcept {
    static_cast<void>(name);
    return std::nullopt;
  }
  /// The names of its columns; empty if it gives no rows.
  [[nodiscard]] virtual std::span<const std::string> columns() const noexcept = 0;
  /// False if it cannot change the database.
  [[nodiscard]] virtual bool writes() const noexcept { return true; }

  /// Runs it to its end; rows it may give are not read. `values` stay alive until then.
  virtual task<result<exec_result>> exec(context ctx, std::span<const value> values) = 0;

  /// Starts it; `fetch` reads the rows. `values` stay alive until `stop`.
  virtual task<result<void>> start(context ctx, std::span<const value> values) = 0;
  /// Adds rows to `into`, up to the limits but at least one. False: that was the last of them, and
  /// the statement is reset.
  virtual task<result<bool>> fetch(context ctx, row_buffer* into, fetch_limits limits) = 0;
  /// Ends it early. Cannot fail: a connection that is in doubt says so by `usable`.
  virtual task<void> stop() = 0;
};

/// One connection to a database.
///
/// Errors carry an outcome (with_outcome); one that makes the connection useless also turns
/// `usable` to false, for good. Called on its home, by one caller at a time, never under a lock.
/// A call ends soon after its context is cancelled, and nothing of that reaches a later call.
class driver_connection {
 public:
  /// Requires: no statement of it is left.
  virtual ~driver_connection() = default;

  /// The executor whose thread its functions must be called on; null: any.
  [[nodiscard]] virtual core::executor* home() noexcept { return nullptr; }

  virtual task<result<std::unique_ptr<driver_statement>>> prepare(context ctx,
                                                                  std::string_view text) = 0;

  virtual task<result<void>> begin(context ctx, tx_options options) = 0;
  /// An error with outcome `unknown` says that it may have been committed.
  virtual task<result<void>> commit(context ctx) = 0;
  virtual task<result<void>> rollback(context ctx) = 0;
  /// False also if the database itself has rolled back.
  [[nodiscard]] virtual bool in_transaction() const noexcept = 0;

  virtual task<result<void>> ping(context ctx) = 0;

  /// Back to the state of a new connection, whatever it was in the middle of; false if that cannot
  /// be shown, and the connection is closed instead. Its statements are stopped already.
  virtual task<bool> reset(context ctx) = 0;

  /// False: broken or in doubt. Cheap; any thread that holds the connection.
  [[nodiscard]] virtual bool usable() const noexcept = 0;

  /// Says goodbye. The object is destroyed after it, on its home.
  virtual task<void> close() { co_return; }

  /// The driver's own handle, such as `sqlite3*`; null if there is none.
  [[nodiscard]] virtual void* native() noexcept { return nullptr; }
};

/// A kind of database at one address. Shared by all connections; outlives them.
/// Thread safety: all members.
class driver {
 public:
  virtual ~driver() = default;

  /// How many connections of each kind make sense, of at most `max_open`. No readers: everything
  /// uses the writers.
  struct layout {
    std::size_t writers;
    std::size_t readers;
  };
  [[nodiscard]] virtual layout connections(std::size_t max_open) const noexcept {
    return {.writers = max_open, .readers = 0};
  }

  /// If all connections of this kind share one home: that. A caller goes there before it queues for
  /// the connection, so that the connection is handed on without waking another thread.
  [[nodiscard]] virtual core::executor* home(access) noexcept { return nullptr; }

  virtual task<result<std::unique_ptr<driver_connection>>> connect(context ctx, access mode) = 0;

  /// The address for messages, without secrets.
  [[nodiscard]] virtual std::string describe() const = 0;
};

}  // namespace weir::sql
