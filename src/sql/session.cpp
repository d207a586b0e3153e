#include "sql/session.hpp"

#include <weir/core/assert.hpp>

#include "sql/session_call.hpp"

namespace weir::core {

using sql::arguments;
using sql::statement_text;

sql_session::sql_session(std::shared_ptr<sql_db> db, lease<pooled_connection> lease) noexcept
    : db_(std::move(db)), lease_(std::move(lease)), home_(connection().driver->home()) {}

sql_session::~sql_session() {
  release();
}

// ---- who may touch the connection ---------------------------------------------------------------

bool sql_session::claim() noexcept {
  state expected = state::idle;
  if (state_.compare_exchange_strong(expected, state::running)) return true;
  WEIR_ASSERT(expected != state::running,
              "a connection, transaction or its rows were used by two callers at once");
  return false;
}

void sql_session::unclaim() noexcept {
  const bool watched = on_cancel_.has_value();
  state expected = state::running;
  if (!state_.compare_exchange_strong(expected, state::idle)) return;  // ended meanwhile
  // The level is raised before the hook runs: either it finds us idle, or we see the level.
  if (watched && tx_ctx_.cancelled()) give_up();
}

void sql_session::give_up() noexcept {
  state expected = state::idle;
  if (!state_.compare_exchange_strong(expected, state::given_up)) return;
  connection().dirty = true;
  lease_.release();
}

error sql_session::why_gone(const context& ctx) const {
  if (state_.load() == state::given_up) {
    if (auto ended = ctx.check(); !ended) return std::move(ended.error());
    if (auto ended = tx_ctx_.check(); !ended) return std::move(ended.error());
  }
  return {errc::already_done, "the transaction or connection has ended"};
}

void sql_session::hand_back() noexcept {
  sql_connection& c = connection();
  if (tx_ != tx_state::none || c.statements.any_busy() || c.driver->in_transaction() ||
      c.driver->in_doubt()) {
    c.dirty = true;
  }
  state_.store(state::ended);
  lease_.release();
}

void sql_session::release() noexcept {
  state expected = state::idle;
  if (state_.compare_exchange_strong(expected, state::running)) hand_back();
  on_cancel_.reset();
}

void sql_session::discard() noexcept {
  if (!claim()) return;
  connection().broken = true;
  hand_back();
}

bool sql_session::broke_harmlessly(const error& e, bool idempotent) const noexcept {
  if (state_.load() != state::idle || connection().driver->usable()) return false;
  const sql::outcome known = sql::outcome_of(e);
  return known == sql::outcome::not_sent || (idempotent && known == sql::outcome::unknown);
}

// ---- calls --------------------------------------------------------------------------------------

task<result<void>> sql_session::prelude(context ctx, std::uint64_t serial, purpose what) {
  sql_connection& c = connection();
  ++c.uses;
  if (serial != 0 && !(serial == serial_ && tx_ == tx_state::open)) {
    co_return fail(errc::already_done, "the transaction has ended");
  }
  if (auto alive = ctx.check(); !alive) co_return alive;
  if (tx_ == tx_state::abandoned) {
    if (auto undone = co_await rollback_here(ctx); !undone) co_return undone;
  }
  co_await c.statements.stop_abandoned();
  if (serial != 0 && what == purpose::statement && !c.driver->in_transaction()) {
    co_return fail(errc::already_done,
                   "the database has rolled this transaction back after an earlier error");
  }
  co_return result<void>{};
}

task<result<statement_cache::place>> sql_session::statement(context ctx, std::uint64_t serial,
                                                            const statement_text* text,
                                                            arguments* a) {
  sql_connection& c = connection();
  const auto prepare = [&] { return c.statements.take(ctx, c.driver.get(), text->view()); };
  auto st = co_await while_locked<statement_cache::place>(ctx, prepare);
  if (!st) co_return st;
  sql::driver_statement* const made = (*st)->made.get();
  if (c.mode == sql::access::read_only && made->writes()) {
    wants_writer_ = serial == 0;
    c.statements.put_back(*st);
    co_return fail(errc::invalid_argument,
                   "the statement writes, and this transaction or connection is read-only");
  }
  auto fits = a->arrange(made->parameters(),
                         [made](std::string_view name) { return made->position(name); });
  if (fits) co_return st;
  c.statements.put_back(*st);
  co_return std::unexpected(std::move(fits.error()));
}

task<result<sql::exec_result>> sql_session::exec_here(context ctx, std::uint64_t serial,
                                                      const statement_text* text, arguments* a) {
  auto st = co_await statement(ctx, serial, text, a);
  if (!st) co_return std::unexpected(std::move(st.error()));
  const auto once = [&] { return (*st)->made->exec(ctx, a->values()); };
  auto done = co_await while_locked<sql::exec_result>(ctx, once);
  connection().statements.put_back(*st);
  co_return done;
}

task<result<statement_cache::place>> sql_session::started(context ctx, std::uint64_t serial,
                                                          const statement_text* text,
                                                          arguments* a) {
  auto st = co_await statement(ctx, serial, text, a);
  if (!st) co_return st;
  const auto once = [&] { return (*st)->made->start(ctx, a->values()); };
  auto begun = co_await while_locked<void>(ctx, once);
  if (begun) co_return st;
  connection().statements.put_back(*st);
  co_return std::unexpected(std::move(begun.error()));
}

task<result<sql::rows>> sql_session::query_here(context ctx, std::uint64_t serial,
                                                const statement_text* text, arguments* a) {
  auto stream = std::make_shared<sql_stream>(shared_from_this(), ctx, serial, std::move(*a));
  auto st = co_await started(ctx, serial, text, &stream->values);
  if (!st) {
    *a = std::move(stream->values);  // for another connection
    co_return std::unexpected(std::move(st.error()));
  }
  const auto names = (*st)->made->columns();
  stream->columns.assign(names.begin(), names.end());
  stream->statement = *st;
  stream->epoch = connection().statements.epoch();
  stream->reading = true;
  auto first = co_await fetch_here(stream.get());
  if (!first) co_return std::unexpected(std::move(first.error()));
  co_return sql::rows{std::move(stream)};
}

task<result<bool>> sql_session::fetch_here(sql_stream* reader) {
  statement_cache& statements = connection().statements;
  if (reader->epoch != statements.epoch()) {
    reader->reading = false;
    co_return fail(errc::already_done, "the rows ended with their transaction");
  }
  reader->at = 0;
  reader->batch.start(reader->columns.size());
  // A query that finds a lock held does so before its first row.
  const auto once = [&] {
    return reader->statement->made->fetch(reader->ctx, &reader->batch, db_->fetch_limits());
  };
  auto more = co_await once();
  if (!more || !*more) {
    reader->reading = false;
    statements.put_back(reader->statement);
  }
  co_return more;
}

task<result<sql::reply>> sql_session::first_here(context ctx, std::uint64_t serial,
                                                 const statement_text* text, arguments* a) {
  auto st = co_await started(ctx, serial, text, a);
  if (!st) co_return std::unexpected(std::move(st.error()));
  sql::driver_statement& made = *(*st)->made;
  sql::reply found;
  const auto names = made.columns();
  found.names = sql::column_names::list(names.begin(), names.end());
  found.rows.start(names.size());
  auto more = co_await made.fetch(ctx, &found.rows, {.rows = 1, .bytes = 1});
  if (more && *more) co_await made.stop();
  connection().statements.put_back(*st);
  if (!more) co_return std::unexpected(std::move(more.error()));
  co_return found;
}

task<result<sql::exec_result>> sql_session::exec(context ctx, std::uint64_t serial,
                                                 const statement_text* text, arguments* a) {
  const auto body = [&] { return exec_here(ctx, serial, text, a); };
  co_return co_await call<sql::exec_result>(ctx, serial, purpose::statement, body);
}

task<result<sql::rows>> sql_session::query(context ctx, std::uint64_t serial,
                                           const statement_text* text, arguments* a) {
  const auto body = [&] { return query_here(ctx, serial, text, a); };
  co_return co_await call<sql::rows>(ctx, serial, purpose::statement, body);
}

task<result<sql::reply>> sql_session::query_row(context ctx, std::uint64_t serial,
                                                const statement_text* text, arguments* a) {
  const auto body = [&] { return first_here(ctx, serial, text, a); };
  co_return co_await call<sql::reply>(ctx, serial, purpose::statement, body);
}

task<result<std::size_t>> sql_session::prepare(context ctx, const statement_text* text) {
  const auto body = [&]() -> task<result<std::size_t>> {
    sql_connection& c = connection();
    auto st = co_await c.statements.take(ctx, c.driver.get(), text->view());
    if (!st) co_return std::unexpected(std::move(st.error()));
    const std::size_t parameters = (*st)->made->parameters();
    c.statements.put_back(*st);
    co_return parameters;
  };
  co_return co_await call<std::size_t>(ctx, 0, purpose::statement, body);
}

task<result<void>> sql_session::ping(context ctx) {
  const auto body = [&] { return connection().driver->ping(ctx); };
  co_return co_await call<void>(ctx, 0, purpose::statement, body);
}

task<result<void>> sql_session::native(void (*fn)(void*, void*), void* argument) {
  const auto body = [&]() -> task<result<void>> {
    void* const handle = connection().driver->native();
    if (handle == nullptr) co_return fail(errc::unsupported, "this driver has no native handle");
    fn(argument, handle);
    co_return result<void>{};
  };
  co_return co_await call<void>(context{}, 0, purpose::statement, body);
}

}  // namespace weir::core
