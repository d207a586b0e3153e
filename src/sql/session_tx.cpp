// The part of a session that is about transactions, and about rows that outlive a call.

#include "sql/session_call.hpp"

namespace weir::core {

// ---- transactions -------------------------------------------------------------------------------

task<result<sql::tx>> sql_session::begin(context ctx, sql::tx_options options, bool owns) {
  const auto body = [&] { return begin_here(ctx, options, owns); };
  auto begun = co_await call<void>(ctx, 0, purpose::statement, body);
  if (!begun) co_return std::unexpected(std::move(begun.error()));
  co_return sql::tx{shared_from_this(), ctx, serial_};
}

task<result<void>> sql_session::begin_here(context ctx, sql::tx_options options, bool owns) {
  if (tx_ != tx_state::none) {
    co_return fail(errc::already_done, "a transaction is open on this connection: end it first");
  }
  const auto once = [&] { return connection().driver->begin(ctx, options); };
  if (auto begun = co_await while_locked<void>(ctx, once); !begun) co_return begun;
  tx_ = tx_state::open;
  ++serial_;
  owned_by_tx_ = owns;
  if (owns) watch_context(ctx);
  co_return result<void>{};
}

/// A transaction whose owner is busy elsewhere ends with its context all the same, so that what it
/// has locked is free.
void sql_session::watch_context(const context& ctx) {
  context_state* const bound = ctx.state();
  if (bound == nullptr) return;
  tx_ctx_ = ctx;
  on_cancel_.emplace(ctx, context_level::cancelled, cancel_action{this});
  timer_service* const timers = ctx.time().timers();
  bound->arm_deadline(timers != nullptr ? *timers : db_->where().timers());
}

void sql_session::end_transaction() noexcept {
  tx_ = tx_state::none;
  on_cancel_.reset();
  tx_ctx_ = context{};
  if (owned_by_tx_) hand_back();
}

task<result<void>> sql_session::commit(context ctx, std::uint64_t serial) {
  const auto body = [&] { return commit_here(ctx); };
  co_return co_await call<void>(ctx, serial, purpose::ending, body);
}

task<result<void>> sql_session::commit_here(context ctx) {
  sql_connection& c = connection();
  co_await c.statements.stop_all();
  if (!c.driver->in_transaction()) {
    end_transaction();
    co_return fail(errc::failed,
                   "nothing was committed: the database had rolled the transaction back after an "
                   "earlier error");
  }
  auto done = co_await c.driver->commit(ctx);
  if (done) {
    end_transaction();
    co_return done;
  }
  if (sql::outcome_of(done.error()) == sql::outcome::unknown) {
    c.broken = true;
    end_transaction();
    co_return std::unexpected(error{errc::commit_unknown,
                                    "the answer to COMMIT was lost: look whether it happened "
                                    "before running the transaction again"}
                                  .caused_by(std::move(done.error())));
  }
  if (c.driver->usable() && c.driver->in_transaction()) {
    if (const auto undone = co_await c.driver->rollback(ctx); !undone) c.broken = true;
  }
  end_transaction();
  co_return done;
}

task<result<void>> sql_session::rollback(context ctx, std::uint64_t serial) {
  if (ctx.cancelled() || state_.load() == state::given_up) {
    // In the background, by the pool: a cancelled caller waits for nothing.
    state expected = state::given_up;
    if (state_.compare_exchange_strong(expected, state::ended)) co_return result<void>{};
    if (!in_transaction(serial)) co_return fail(errc::already_done, "the transaction has ended");
    abandon_transaction(serial);
    co_return result<void>{};
  }
  const auto body = [&] { return rollback_here(ctx); };
  co_return co_await call<void>(ctx, serial, purpose::ending, body);
}

task<result<void>> sql_session::rollback_here(context ctx) {
  sql_connection& c = connection();
  co_await c.statements.stop_all();
  result<void> undone;
  if (c.driver->in_transaction()) undone = co_await c.driver->rollback(ctx);
  // Closing the connection rolls back as well; it must not reach anybody in this state.
  if (!undone || c.driver->in_transaction()) c.broken = true;
  end_transaction();
  co_return undone;
}

bool sql_session::in_transaction(std::uint64_t serial) const noexcept {
  const state now = state_.load();
  return (now == state::idle || now == state::running) && serial == serial_ &&
         tx_ == tx_state::open;
}

void sql_session::abandon_transaction(std::uint64_t serial) noexcept {
  if (!in_transaction(serial) || !claim()) return;
  if (owned_by_tx_) {
    hand_back();
  } else {
    tx_ = tx_state::abandoned;
    unclaim();
  }
}

// ---- rows ---------------------------------------------------------------------------------------

task<result<bool>> sql_session::fetch(sql_stream* reader) {
  const auto body = [&] { return fetch_here(reader); };
  co_return co_await call<bool>(reader->ctx, reader->serial, purpose::statement, body);
}

task<void> sql_session::stop(sql_stream* reader) {
  if (!reader->reading || !claim()) co_return;
  reader->reading = false;
  executor& back = this_executor();
  co_await hop_if_elsewhere{home_};
  statement_cache& statements = connection().statements;
  try {
    if (reader->epoch == statements.epoch()) {
      co_await reader->statement->made->stop();
      statements.put_back(reader->statement);
    }
  } catch (...) {
    connection().broken = true;  // nobody waits for an answer; nobody gets the connection either
  }
  if (reader->owns_session) {
    hand_back();
  } else {
    unclaim();
  }
  co_await hop_if_elsewhere{&back};
}

void sql_session::abandon(sql_stream* reader) noexcept {
  // Whoever else has the connection (the pool, after a cancellation) stops its statements.
  state expected = state::idle;
  if (!state_.compare_exchange_strong(expected, state::running)) return;
  statement_cache& statements = connection().statements;
  if (reader->epoch == statements.epoch()) statements.note_abandoned(reader->statement);
  if (reader->owns_session) {
    hand_back();
  } else {
    unclaim();
  }
}

}  // namespace weir::core
