#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/context/context.hpp>
#include <weir/core/error.hpp>
#include <weir/core/executor.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/bind.hpp>
#include <weir/sql/column_names.hpp>
#include <weir/sql/errors.hpp>
#include <weir/sql/flusher.hpp>
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

  friend bool operator==(const tx_options&, const tx_options&) noexcept = default;
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

/// One statement of a batch.
struct batch_step {
  driver_statement* made = nullptr;
  std::span<const value> values;
  row_buffer* rows = nullptr;  ///< where its rows go, already started; null: they are not read
  exec_result done;            ///< filled in once it has run
};

/// How far a batch came.
struct batch_end {
  batch_end() noexcept = default;
  batch_end(std::size_t steps, std::optional<error> why) noexcept
      : ran(steps), failed(std::move(why)) {}

  std::size_t ran = 0;          ///< steps that ran to their end: all, or those before the one
  std::optional<error> failed;  ///< that failed with this. None after it was run
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

  /// True if `run_batch` sends all at once.
  [[nodiscard]] virtual bool batches() const noexcept { return false; }
  /// Runs statements one after another, in one round trip, until one fails. One statement may come
  /// several times. They may begin and end transactions (`begin_text`, "COMMIT"); one that is open
  /// after an error has to be rolled back.
  virtual task<batch_end> run_batch(context ctx, std::span<batch_step> steps) {
    static_cast<void>(ctx);
    static_cast<void>(steps);
    co_return batch_end{0, error{errc::unsupported, "this driver has no batches"}};
  }
  /// The statement that begins such a transaction, for a batch.
  [[nodiscard]] virtual result<std::string> begin_text(tx_options options) const {
    static_cast<void>(options);
    return std::string{"BEGIN"};
  }

  /// The statement after BEGIN that makes the transaction release its locks before it is on the
  /// disk; empty if it cannot, or if this connection goes to another server than the flusher's.
  virtual task<result<std::string_view>> early_release(context ctx, std::string_view server) {
    static_cast<void>(ctx);
    static_cast<void>(server);
    co_return std::string_view{};
  }

  virtual task<result<void>> ping(context ctx) = 0;

  /// Back to the state of a new connection, whatever it was in the middle of; false if that cannot
  /// be shown, and the connection is closed instead. Its statements are stopped already.
  virtual task<bool> reset(context ctx) = 0;

  /// True: an answer is still on its way. `reset` waits until it is here, before anybody else gets
  /// the connection. Cheap; any thread that holds the connection.
  [[nodiscard]] virtual bool in_doubt() const noexcept { return false; }

  /// False: broken. Cheap; any thread that holds the connection.
  [[nodiscard]] virtual bool usable() const noexcept = 0;

  /// Says goodbye. The object is destroyed after it, on its home.
  virtual task<void> close() { co_return; }

  /// The driver's own handle, such as `sqlite3*`; null if there is none.
  [[nodiscard]] virtual void* native() noexcept { return nullptr; }
};

/// What a statement gave: all its rows, or the first one of those that `query_row` asked for.
struct reply {
  exec_result done;
  column_names names;
  row_buffer rows;
};

/// How much a lane may have sent without an answer.
struct lane_limits {
  std::size_t connections = 1;
  std::size_t depth = 256;            ///< statements
  std::size_t bytes = 1'024 * 1'024;  ///< of statements and parameters
  bool merge_reads = false;           ///< as db_options says
};

/// Single statements of many callers on few connections, sent without waiting for the answers of
/// those before.
///
/// Guarantees: an error is its own statement's alone, and so is the transaction of one that may
/// write. A caller whose context ends stops waiting and
/// is told that the outcome is unknown once it was sent; the statement goes on, and nobody else is
/// disturbed. A lost connection is replaced: what was sent on it fails with outcome `unknown`.
/// Thread safety: all members.
class driver_lane {
 public:
  virtual ~driver_lane() = default;
  /// The task keeps what it needs: it may begin when the lane is gone, and then says `closed`.
  virtual task<result<reply>> run(context ctx, statement_text text, arguments values) = 0;
  /// Refuses what is new, and disconnects when all is answered. Returns at once.
  virtual void begin_close() noexcept = 0;
  /// The same, and waits for it. What is not answered when `ctx` ends fails as `unknown`.
  virtual task<void> close(context ctx) = 0;
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

  /// A lane to this database; null if it has none. Connects when first used.
  [[nodiscard]] virtual std::unique_ptr<driver_lane> open_lane(const lane_limits& limits) {
    static_cast<void>(limits);
    return nullptr;
  }

  /// What makes durable that which connections have committed without waiting for the disk; null if
  /// they always wait. Connects when first used.
  [[nodiscard]] virtual std::shared_ptr<driver_flusher> open_flusher() { return nullptr; }

  /// The address for messages, without secrets.
  [[nodiscard]] virtual std::string describe() const = 0;
};

}  // namespace weir::sql
