#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include <weir/context/context.hpp>
#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>
#include <weir/pool/options.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/conn.hpp>
#include <weir/sql/driver.hpp>
#include <weir/sql/script.hpp>
#include <weir/sql/stmt.hpp>
#include <weir/sql/transactions.hpp>
#include <weir/sql/tx.hpp>
#include <weir/sql/url.hpp>

namespace weir {
class stopper;
namespace core {
class sql_db;
}
}  // namespace weir

namespace weir::sql {

/// Whether a connection that turns out broken before it has sent anything is replaced in secret.
enum class bad_connections : std::uint8_t {
  replace,  ///< up to three attempts, the last one on a new connection; never inside a transaction
  report,   ///< the caller is told at once
};

/// How a database handle behaves.
struct db_options {
  std::string_view name = "db";  ///< for reports. Copied.
  std::size_t max_open = 8;      ///< connections in all; with one writer, the rest are readers
  std::optional<std::size_t> max_idle = std::nullopt;  ///< default: max_open
  std::size_t min_idle = 0;
  std::optional<duration> max_lifetime = std::nullopt;
  std::optional<duration> max_idle_time = std::nullopt;
  std::optional<duration> acquire_timeout = std::nullopt;
  std::optional<std::size_t> max_waiters = std::nullopt;
  busy_limit busy = busy_limit::fixed;  ///< adaptive: for servers that do less the more is asked
  hopeless_waits hopeless = hopeless_waits::refuse;
  std::size_t max_opening = 4;
  duration open_timeout = std::chrono::seconds{30};
  std::optional<duration> validate_after = std::nullopt;  ///< by `ping`
  std::optional<duration> leak_after = std::nullopt;
  std::optional<duration> deadlock_after = std::chrono::seconds{1};
  pool_hooks* hooks = nullptr;
  std::size_t statement_cache = 64;  ///< prepared statements kept per connection; least recently
                                     ///< used ones are closed
  std::size_t fetch_rows = 64;       ///< most rows of a result read at once
  bad_connections on_bad = bad_connections::replace;
  duration lock_timeout =
      std::chrono::seconds{5};  ///< how long to try again while somebody outside
                                ///< holds a lock (busy); then errc::busy
  group_limits group = {};      ///< of scripts that are committed together
  std::uint64_t seed = 1;       ///< of every jitter

  /// Connections of a lane, beside the pool, on which the single statements of all callers (`exec`
  /// and `query_row` of the db itself) are sent without waiting for each other's answers: several
  /// times the throughput on the network's and the server's time. Each goes to the connection with
  /// the least to do when it starts. One that takes long holds up those behind it; `query`,
  /// transactions and `connect` have connections of their own. 0: none, every statement has a
  /// connection to itself. Drivers without lanes (SQLite) ignore it.
  std::size_t pipelined = 0;

  /// On a lane: plain reads of one text that wait together go to the server as one statement that
  /// takes arrays, which costs it less than many. What the server is asked is then no more what the
  /// program wrote, and is planned by itself. Its meaning stays, but for a volatile function
  /// behind a view, an operator or a column's name: it may be called less often.
  bool merge_reads = false;
};
static_assert(std::is_trivially_destructible_v<db_options>);

/// The pools' figures. Databases with one kind of connection have no readers.
struct db_stats {
  pool_stats writers;
  std::optional<pool_stats> readers;
};

/// A database: a handle on its pool of connections.
///
/// Opening is lazy: the first statement connects, and tells what is wrong. `exec`, `begin`,
/// `with_tx` and `connect` use a connection that may write; `query` and `query_row` one that may
/// only read, if the driver has such (a statement that turns out to write, such as INSERT …
/// RETURNING, is moved to a writer by itself); transactions go by their option.
///
/// Guarantees: waiters are served in order. Closes with the stopper, after its tasks.
/// Requires: destroyed before the stopper and the runtime.
/// Thread safety: all members, from any number of tasks and threads. Movable while nothing runs.
///
///     auto db = weir::sqlite::open(stopper, "sqlite:ledger.db", {.max_open = 8}).value();
///     auto moved = co_await db.exec(ctx, "UPDATE accounts SET v = v + ? WHERE id = ?", 5, 7);
class [[nodiscard]] db final : public transactions {
 public:
  /// A database that closes with `owner`.
  db(stopper& owner, std::shared_ptr<driver> kind, const db_options& options = {});
  /// A database whose connections are opened and closed on `where`, and which `close` closes.
  db(core::executor& where, std::shared_ptr<driver> kind, const db_options& options = {});
  db(db&& other) noexcept;
  db& operator=(db&& other) noexcept;
  ~db();

  /// Makes sure that the database can be reached.
  task<result<void>> ping(context ctx, std::source_location site = std::source_location::current());

  /// Runs all statements of a script in one transaction, in one round trip if the driver can. It is
  /// run again, with backoff, when it lost against another transaction. `what` is copied or moved:
  /// nothing of the caller's has to live on.
  ///
  /// Grouped, it shares its COMMIT with what others have waiting, in order, and is told to have
  /// succeeded only when that COMMIT is known; an error is its own script's alone.
  /// With early release its locks are gone before it is on the disk, and it is told to have
  /// succeeded after that; commit_unknown if nobody can say whether it came to that.
  /// Errors carry the `step`, counted from 0, and beside those of `queries`: commit_unknown;
  /// throttled if too many wait; closed. Cancellation: while it waits it is taken out, and not
  /// sent; while its group runs the caller is let go at once, with commit_unknown.
  task<result<script_result>> run(context ctx, script what, run_options options = {},
                                  std::source_location site = std::source_location::current());

  /// Keeps one connection.
  task<result<conn>> connect(context ctx, access mode = access::read_write,
                             std::source_location site = std::source_location::current());

  /// Checks a statement and keeps it for use on any connection, which prepares it when needed.
  task<result<stmt>> prepare(context ctx, statement_text text);

  [[nodiscard]] db_stats stats() const noexcept;
  /// Changes the number of connections. Lowering closes surplus ones now or when they come home.
  void set_max_open(std::size_t max_open) noexcept;

  /// Refuses what is new and waits until every connection is home and closed.
  task<result<void>> close(context ctx);

 private:
  friend class stmt;

  task<result<exec_result>> do_exec(context ctx, statement_text text, arguments a) override;
  task<result<rows>> do_query(context ctx, statement_text text, arguments a) override;
  task<result<reply>> do_query_row(context ctx, statement_text text, arguments a) override;
  task<result<tx>> do_begin(context ctx, tx_options options, std::source_location site) override;
  task<result<void>> do_with_tx(context ctx, tx_options options, core::transaction_code* fn,
                                std::source_location site) override;

  std::shared_ptr<core::sql_db> core_;
};

/// A kind of database that `open` can choose by the scheme of a URL.
struct scheme {
  std::string_view name;  ///< "sqlite"
  result<std::shared_ptr<driver>> (*make)(stopper& owner, const url& address);
};

/// Opens a database by its URL. The schemes are given, not registered: a program speaks what it
/// links, and no global list exists. For one scheme, `weir::sqlite::open` is shorter.
///
///     constexpr sql::scheme known[] = {sqlite::scheme, postgres::scheme};
///     auto db = sql::open(stopper, url, known, {.max_open = 8});
///
/// Errors: invalid_argument for an unknown scheme (naming the known ones), a malformed URL, or
/// options out of range. Does not connect.
result<db> open(stopper& owner, std::string_view address, std::span<const scheme> known,
                const db_options& options = {});

}  // namespace weir::sql
