#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <utility>

#include <weir/pool/pool.hpp>
#include <weir/retry/retry.hpp>
#include <weir/sql/db.hpp>

#include "sql/connection.hpp"
#include "sql/group_lane.hpp"
#include "sql/session.hpp"

namespace weir::core {

/// Closes the lane when the stopper closes; a database on a bare executor is closed by its owner.
void close_with(stopper& owner, std::shared_ptr<sql::driver_lane> one);
inline void close_with(executor&, const std::shared_ptr<sql::driver_lane>&) noexcept {}

/// Likewise; before the pools are registered, and so closed after them.
std::shared_ptr<sql::driver_flusher> closed_with(stopper& owner,
                                                 std::shared_ptr<sql::driver_flusher> one);
inline std::shared_ptr<sql::driver_flusher> closed_with(executor&,
                                                        std::shared_ptr<sql::driver_flusher> one) {
  return one;
}

/// What a `sql::db` holds: the driver, one or two pools, and the rules for bad connections and held
/// locks. Kept alive by whatever holds a connection.
class sql_db : public std::enable_shared_from_this<sql_db> {
 public:
  template <class Owner>
  sql_db(Owner& owner, executor& where, std::shared_ptr<sql::driver> kind,
         const sql::db_options& options)
      : kind_(std::move(kind)),
        where_(where),
        lock_timeout_(options.lock_timeout),
        fetch_rows_(std::max<std::size_t>(options.fetch_rows, 1)),
        on_bad_(options.on_bad),
        max_open_(options.max_open),
        one_writer_(kind_->connections(options.max_open).writers == 1),
        groups_(options.group, {.start = &sql_db::start_groups, .owner = this}),
        flusher_(closed_with(owner, kind_->open_flusher())),
        writers_(owner, limits(options, sql::access::read_write),
                 source(sql::access::read_write, options)) {
    if (kind_->connections(max_open_).readers != 0) {
      readers_.emplace(owner, limits(options, sql::access::read_only),
                       source(sql::access::read_only, options));
    }
    if (options.pipelined != 0) {
      lane_ =
          kind_->open_lane({.connections = options.pipelined, .merge_reads = options.merge_reads});
      if (lane_ != nullptr) close_with(owner, lane_);
    }
  }

  sql_db(const sql_db&) = delete;
  sql_db& operator=(const sql_db&) = delete;
  ~sql_db() {
    if (flusher_ != nullptr) flusher_->begin_close();
  }

  /// A connection; the caller is at home on it then. `fresh`: one that was never used.
  task<result<std::shared_ptr<sql_session>>> session(context ctx, sql::access mode, bool fresh,
                                                     std::source_location site);

  /// Runs `body(session)` on a connection, and on others if one turns out broken before it has sent
  /// anything, or if it is idempotent. Reports name `site` as the holder. Ends where the connection
  /// is at home.
  template <class T, class F>
  task<result<T>> on_connection(context ctx, sql::access mode, std::source_location site, F body,
                                bool idempotent = false);

  task<result<sql::tx>> begin(context ctx, sql::tx_options options, std::source_location site);
  task<result<void>> transact(context ctx, sql::tx_options options, transaction_code* fn,
                              std::source_location site);

  /// Runs a script, alone or in a group.
  task<result<sql::script_result>> run(context ctx, sql::script what, sql::run_options options,
                                       std::source_location site);
  /// The groups end with the stopper, before the pools, and the stopper's tasks not before them.
  void end_groups_with(stopper& owner);

  void begin_close() noexcept;
  task<result<void>> close(context ctx);
  [[nodiscard]] sql::db_stats stats() const noexcept;
  void set_max_open(std::size_t max_open) noexcept;

  [[nodiscard]] duration lock_timeout() const noexcept { return lock_timeout_; }
  [[nodiscard]] sql::fetch_limits fetch_limits() const noexcept {
    return {.rows = fetch_rows_, .bytes = 64 * 1024};
  }
  [[nodiscard]] executor& where() const noexcept { return where_; }

  /// The way of single statements; null if they take connections like everything else.
  [[nodiscard]] const std::shared_ptr<sql::driver_lane>& lane() const noexcept { return lane_; }

 private:
  class inside_scope;

  void leave(task_record* who) noexcept;
  /// Whether the calling task would wait for itself.
  [[nodiscard]] bool inside_of_own(sql::access mode) const noexcept {
    return mode == sql::access::read_write && inside_.load() == task_record::current();
  }

  // In script_run.cpp.
  task<result<sql::script_result>> run_one(context ctx, script_job* job, sql::run_options options,
                                           std::source_location site);
  task<result<void>> run_alone(context ctx, script_unit* unit, std::source_location site);
  task<void> make_durable(context ctx, script_unit* unit);
  task<result<void>> run_group(std::shared_ptr<group_run> run, script_unit* unit);
  void finish_when_durable(std::shared_ptr<group_run> run, script_unit unit);
  task<void> flush_and_finish(std::shared_ptr<sql_db> self, std::shared_ptr<group_run> run,
                              script_unit unit);
  task<void> serve_groups(std::shared_ptr<sql_db> self, permit stay);
  static void start_groups(void* self) noexcept;

  /// Also for a script that only reads: what it has seen may not be on the disk yet.
  [[nodiscard]] sql::driver_flusher* flusher_for(const sql::run_options& options) const noexcept {
    return options.release == sql::lock_release::early ? flusher_.get() : nullptr;
  }
  [[nodiscard]] pool<pooled_connection>& pool_for(sql::access mode) noexcept {
    return mode == sql::access::read_only && readers_ ? *readers_ : writers_;
  }
  [[nodiscard]] pool_options limits(const sql::db_options& options,
                                    sql::access mode) const noexcept;
  [[nodiscard]] std::unique_ptr<connection_source> source(sql::access mode,
                                                          const sql::db_options& options) const {
    return std::make_unique<connection_source>(kind_, mode, options.statement_cache);
  }

  const std::shared_ptr<sql::driver> kind_;
  executor& where_;
  const duration lock_timeout_;
  const std::size_t fetch_rows_;
  const sql::bad_connections on_bad_;
  const std::size_t max_open_;
  const bool one_writer_;
  atomic<task_record*> inside_{nullptr};  // the task in a transaction on the one writer
  stopper* stopper_ = nullptr;            // null: the database is closed by its owner
  group_lane groups_;
  const std::shared_ptr<sql::driver_flusher> flusher_;  // null: all wait for the disk by themselves
  wait_group early_;                                    // scripts that count on it
  pool<pooled_connection> writers_;
  std::optional<pool<pooled_connection>> readers_;
  registration groups_closer_;  // before the pools' own, which were registered earlier
  std::shared_ptr<sql::driver_lane> lane_;
};

/// A single statement on the lane.
task<result<sql::exec_result>> lane_exec(std::shared_ptr<sql::driver_lane> on, context ctx,
                                         sql::statement_text text, sql::arguments a);
task<result<sql::reply>> lane_run(const std::shared_ptr<sql::driver_lane>& on, context&& ctx,
                                  sql::statement_text&& text, sql::arguments&& a);

template <class T, class F>
task<result<T>> sql_db::on_connection(context ctx, sql::access mode, std::source_location site,
                                      F body, bool idempotent) {
  constexpr int last_attempt = 2;  // two on whatever the pool has, one on a new connection
  for (int attempt = 0;; ++attempt) {
    auto s = co_await session(ctx, mode, attempt == last_attempt, site);
    if (!s) co_return std::unexpected(std::move(s.error()));
    auto done = co_await body(*s);
    if (done) co_return done;
    if ((*s)->wants_writer() && mode == sql::access::read_only) {
      mode = sql::access::read_write;
      attempt = -1;
    } else if (on_bad_ == sql::bad_connections::report || attempt == last_attempt ||
               !(*s)->broke_harmlessly(done.error(), idempotent) || !ctx.check()) {
      co_return done;
    }
  }
}

/// Goes back to the executor that the caller was on, however `inner` ends. The first parameter
/// keeps the database until then, so that its threads are not joined from one of themselves.
template <class T>
task<T> and_back(std::shared_ptr<sql_db>, task<T> inner) {
  executor& back = this_executor();
  std::optional<T> out;
  std::exception_ptr thrown;
  try {
    out.emplace(co_await std::move(inner));
  } catch (...) {
    thrown = std::current_exception();
  }
  co_await hop_if_elsewhere{&back};
  if (thrown) std::rethrow_exception(thrown);
  co_return *std::move(out);
}

/// What a transaction's closure ends in: its commit, or its rollback. At home.
task<result<void>> run_and_end(sql::tx* t, transaction_code* fn);

/// Runs `once(&began)` again while it loses against other transactions. `options` are looked at
/// after its first run, and live until the end.
template <class F>
task<result<void>> repeat_transaction(context ctx, const sql::tx_options& options, F once) {
  bool began = false;
  auto done = co_await once(&began);
  const auto lost = [&] {
    // A lock that was waited for in vain at the beginning is not waited for again.
    return !done &&
           (done.error().code() == errc::conflict || (began && done.error().code() == errc::busy));
  };
  if (!lost() || options.max_retries == 0) co_return done;
  retry attempts{
      ctx,
      {.initial_backoff = std::chrono::milliseconds{1},
       .max_backoff = std::chrono::milliseconds{100},
       .jitter = jitter::full,
       .max_retries = static_cast<int>(std::min<std::size_t>(options.max_retries, 1'000'000)),
       .while_draining = while_draining::go_on}};
  static_cast<void>(co_await attempts.next());  // the one that was made
  attempts.failed(done.error());
  while (const auto attempt = co_await attempts.next()) {
    began = false;
    done = co_await once(&began);
    if (!lost()) co_return done;
    attempts.failed(done.error());
  }
  co_return attempts.failure();
}

}  // namespace weir::core
