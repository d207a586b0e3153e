#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <weir/context/context.hpp>
#include <weir/context/on_cancel.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/sql/queries.hpp>
#include <weir/sql/tx.hpp>

#include "sql/connection.hpp"

namespace weir::core {

class script_job;
struct script_unit;
class sql_db;
class sql_stream;

/// One use of a connection: what a `conn`, a `tx` or `rows` hold, and a single statement for its
/// length.
///
///           a call, by the owner             cancelled while nobody calls, by the context's thread
///   idle ───────────────────► running   idle ──────────────────────────────────────────► given up
///    ▲                           │
///    └───────────────────────────┤  the end of the transaction, release, discard, by the owner
///          the call has ended    └─────────────────────────────────────────────────────► ended
///
/// Only who made it `running`, `given up` or `ended` touches the connection; so a cancellation can
/// give the connection back, to be rolled back by the pool, while its owner is busy elsewhere, and
/// no statement of the owner runs on it afterwards.
class sql_session : public std::enable_shared_from_this<sql_session> {
 public:
  sql_session(std::shared_ptr<sql_db> db, lease<pooled_connection> lease) noexcept;
  ~sql_session();
  sql_session(const sql_session&) = delete;
  sql_session& operator=(const sql_session&) = delete;

  [[nodiscard]] executor* home() const noexcept { return home_; }

  // ---- from any executor: claim, go home, come back. `serial` names the transaction that a call
  // belongs to; 0: none. What is pointed to lives until the call has ended.
  task<result<sql::exec_result>> exec(context ctx, std::uint64_t serial,
                                      const sql::statement_text* text, sql::arguments* a);
  task<result<sql::rows>> query(context ctx, std::uint64_t serial, const sql::statement_text* text,
                                sql::arguments* a);
  task<result<sql::reply>> query_row(context ctx, std::uint64_t serial,
                                     const sql::statement_text* text, sql::arguments* a);
  task<result<std::size_t>> prepare(context ctx, const sql::statement_text* text);
  task<result<void>> ping(context ctx);
  task<result<void>> native(void (*fn)(void*, void*), void* argument);
  /// `owns`: the session ends with the transaction.
  task<result<sql::tx>> begin(context ctx, sql::tx_options options, bool owns);
  task<result<void>> commit(context ctx, std::uint64_t serial);
  task<result<void>> rollback(context ctx, std::uint64_t serial);

  /// Runs the scripts of a unit that are not settled, in one transaction, and settles them. An
  /// error leaves some of them as they were: nothing of those was committed.
  task<result<void>> run_scripts(context ctx, script_unit* unit);

  // ---- for rows
  task<result<bool>> fetch(sql_stream* reader);
  task<void> stop(sql_stream* reader);
  void abandon(sql_stream* reader) noexcept;

  // ---- the end of it
  [[nodiscard]] bool in_transaction(std::uint64_t serial) const noexcept;
  /// The transaction's object is gone while it is open.
  void abandon_transaction(std::uint64_t serial) noexcept;
  /// Gives the connection back; what it was in the middle of is ended in the background.
  void release() noexcept;
  void discard() noexcept;

  /// True if the connection broke, and the call may go to another one: nothing was sent, or doing
  /// it twice is as good as once.
  [[nodiscard]] bool broke_harmlessly(const error& e, bool idempotent) const noexcept;
  /// A statement that writes came to a connection that only reads.
  [[nodiscard]] bool wants_writer() const noexcept { return wants_writer_; }
  [[nodiscard]] std::uint64_t uses() const noexcept { return lease_.valid() ? (*lease_)->uses : 0; }
  void mark_broken() noexcept { connection().broken = true; }

 private:
  enum class state : std::uint8_t { idle, running, given_up, ended };
  enum class tx_state : std::uint8_t { none, open, abandoned };
  enum class purpose : std::uint8_t { statement, ending };

  struct cancel_action {
    sql_session* session;
    void operator()() const noexcept { session->give_up(); }
  };

  template <class T, class F>
  task<result<T>> call(context ctx, std::uint64_t serial, purpose what, F body);
  template <class T, class F>
  task<result<T>> while_locked(context ctx, F once);

  // At home, claimed.
  task<result<void>> prelude(context ctx, std::uint64_t serial, purpose what);
  task<result<statement_cache::place>> statement(context ctx, std::uint64_t serial,
                                                 const sql::statement_text* text,
                                                 sql::arguments* a);
  task<result<statement_cache::place>> started(context ctx, std::uint64_t serial,
                                               const sql::statement_text* text, sql::arguments* a);
  task<result<sql::exec_result>> exec_here(context ctx, std::uint64_t serial,
                                           const sql::statement_text* text, sql::arguments* a);
  task<result<sql::rows>> query_here(context ctx, std::uint64_t serial,
                                     const sql::statement_text* text, sql::arguments* a);
  task<result<sql::reply>> first_here(context ctx, std::uint64_t serial,
                                      const sql::statement_text* text, sql::arguments* a);
  task<result<bool>> fetch_here(sql_stream* reader);
  task<result<void>> begin_here(context ctx, sql::tx_options options, bool owns);
  task<result<void>> commit_here(context ctx);
  task<result<void>> rollback_here(context ctx);

  // The same for scripts; in session_script.cpp.
  enum class attempt_end : std::uint8_t { committed, one_failed, commit_refused };
  class batch;
  task<result<void>> scripts_here(context ctx, script_unit* unit);
  task<result<attempt_end>> scripts_in_turn(context ctx, script_unit* unit,
                                            std::span<script_job* const> jobs);
  task<result<attempt_end>> scripts_at_once(context ctx, script_unit* unit,
                                            std::span<script_job* const> jobs);
  task<result<bool>> script_in_turn(context ctx, script_job* job, bool point);
  task<result<void>> step_in_turn(context ctx, script_job* job, std::size_t step);
  task<result<void>> prepared_step(context ctx, script_job* job, std::size_t step,
                                   sql::driver_statement* made);
  task<result<void>> run_text(context ctx, std::string_view text);
  task<result<void>> undo_scripts(context ctx);
  task<result<void>> add_text(context ctx, batch* to, std::string_view text);
  task<result<std::string_view>> early_release(context ctx, script_unit* unit,
                                               sql::driver_flusher::mark* flusher);
  task<result<bool>> add_script(context ctx, batch* to, script_job* job);
  result<attempt_end> after_commit(const context& ctx, error why,
                                   std::span<script_job* const> jobs);
  result<attempt_end> after_batch(const context& ctx, std::size_t at, std::size_t first, error why,
                                  std::span<script_job* const> jobs);
  result<std::span<const sql::value>> step_values(script_job* job, std::size_t step,
                                                  const sql::driver_statement& made);
  [[nodiscard]] bool concerns_all(const context& ctx, const error& why, bool alone) const noexcept;

  [[nodiscard]] sql_connection& connection() const noexcept { return **lease_; }
  [[nodiscard]] bool claim() noexcept;
  void unclaim() noexcept;
  void give_up() noexcept;
  void watch_context(const context& ctx);
  void end_transaction() noexcept;
  void hand_back() noexcept;
  [[nodiscard]] error why_gone(const context& ctx) const;

  std::shared_ptr<sql_db> db_;
  lease<pooled_connection> lease_;
  executor* home_;
  atomic<state> state_{state::idle};
  tx_state tx_ = tx_state::none;
  std::uint64_t serial_ = 0;  // of the latest transaction
  bool owned_by_tx_ = false;
  bool wants_writer_ = false;
  context tx_ctx_;
  std::optional<context_hook<cancel_action>> on_cancel_;
};

/// Rows being read: the statement that gives them, and a batch of what it gave.
class sql_stream {
 public:
  sql_stream(std::shared_ptr<sql_session> on, context bound, std::uint64_t tx,
             sql::arguments given) noexcept
      : session(std::move(on)), ctx(std::move(bound)), serial(tx), values(std::move(given)) {}

  std::shared_ptr<sql_session> session;
  context ctx;
  std::uint64_t serial;   // of the transaction it belongs to; 0: none
  sql::arguments values;  // the statement refers to them
  std::vector<std::string> columns;
  sql::row_buffer batch;
  std::size_t at = 0;  // the row after the current one
  bool owns_session = false;
  std::optional<error> failed;

  bool reading = false;              // `statement` has more rows, as long as
  statement_cache::place statement;  // the connection's statements are still of
  std::uint64_t epoch = 0;           // this epoch
};

}  // namespace weir::core
