#include "postgres/connection.hpp"

#include <cstring>
#include <utility>

#include <weir/sql/errors.hpp>

namespace weir::postgres {
namespace {

/// Statements of a batch after which what was written goes to the server.
constexpr std::size_t flush_every = 32;

}  // namespace

task<result<void>> connection::make_ready(context ctx) {
  if (streaming_ != nullptr) {
    if (auto kept = co_await streaming_->keep_rest(ctx); !kept) co_return kept;
  }
  co_return co_await wire_->make_ready(ctx);
}

task<result<void>> connection::run(context ctx, std::string text) {
  if (!quick_ready()) {
    if (auto ok = co_await make_ready(ctx); !ok) co_return ok;
  }
  co_return co_await wire_->run(ctx, std::move(text));
}

task<result<description>> connection::describe(context ctx, std::string name, std::string text) {
  if (text.find('\0') != std::string::npos) {
    co_return fail(errc::invalid_argument, "the text of a statement has a zero byte");
  }
  if (!quick_ready()) {
    if (auto ok = co_await make_ready(ctx); !ok) {
      co_return std::unexpected(std::move(ok.error()));
    }
  }
  PGconn* const raw = wire_->raw();
  bool queued = true;
  // In front, so that names never pile up at the server. With a Sync of their own, and not in a
  // transaction: one that fails (somebody said DEALLOCATE ALL) takes nothing else with it.
  std::size_t in_front = 0;
  if (PQtransactionStatus(raw) == PQTRANS_IDLE) {
    for (const std::string& old : unused_) {
      const std::string close = "DEALLOCATE " + old;
      queued = queued &&
               PQsendQueryParams(raw, close.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) == 1;
      queued = queued && wire_->sync().has_value();
      ++in_front;
    }
  }
  queued = queued && PQsendPrepare(raw, name.c_str(), text.c_str(), 0, nullptr) == 1 &&
           PQsendDescribePrepared(raw, name.c_str()) == 1;
  if (!queued) co_return std::unexpected(wire_->lost(false));
  if (auto sent = wire_->sync(); !sent) co_return std::unexpected(std::move(sent.error()));
  if (in_front != 0) unused_.clear();
  std::optional<error> refused;
  description made;
  auto each = [&](std::size_t step, pg_result r) {
    if (step < in_front) return;
    if (PQresultStatus(r.get()) == PGRES_FATAL_ERROR && !refused) refused = server_error(r.get());
    if (step == in_front + 1 && PQresultStatus(r.get()) == PGRES_COMMAND_OK) {
      made = description::of(r.get());
    }
  };
  if (auto read = co_await wire_->collect(ctx, &each); !read) {
    co_return std::unexpected(std::move(read.error()));
  }
  if (refused) co_return std::unexpected(*std::move(refused));
  co_return made;
}

task<result<std::unique_ptr<sql::driver_statement>>> connection::prepare(context ctx,
                                                                         std::string_view text) {
  std::string name = "weir_" + std::to_string(++prepared_);
  std::string own{text};
  auto what = co_await describe(ctx, name, own);
  if (!what) co_return std::unexpected(std::move(what.error()));
  co_return std::make_unique<statement>(*this, std::move(name), std::move(own), *std::move(what));
}

result<std::string> connection::begin_text(sql::tx_options options) const {
  std::string text = "BEGIN";
  switch (options.level) {
    case sql::isolation::driver_default:
      break;
    case sql::isolation::read_uncommitted:
      return fail(errc::unsupported,
                  "PostgreSQL has no isolation 'read uncommitted'; ask for read committed");
    case sql::isolation::read_committed:
      text += " ISOLATION LEVEL READ COMMITTED";
      break;
    case sql::isolation::repeatable_read:
    case sql::isolation::snapshot:  // is what PostgreSQL's repeatable read gives
      text += " ISOLATION LEVEL REPEATABLE READ";
      break;
    case sql::isolation::serializable:
      text += " ISOLATION LEVEL SERIALIZABLE";
      break;
  }
  if (options.access == sql::access::read_only) text += " READ ONLY";
  return text;
}

task<result<void>> connection::begin(context ctx, sql::tx_options options) {
  auto text = begin_text(options);
  if (!text) co_return std::unexpected(std::move(text.error()));
  co_return co_await run(ctx, *std::move(text));
}

task<result<void>> connection::commit(context ctx) {
  if (!quick_ready()) {
    if (auto ok = co_await make_ready(ctx); !ok) co_return ok;
  }
  PGconn* const raw = wire_->raw();
  if (PQsendQueryParams(raw, "COMMIT", 0, nullptr, nullptr, nullptr, nullptr, 0) != 1) {
    co_return std::unexpected(wire_->lost(false));
  }
  if (auto sent = wire_->sync(); !sent) co_return sent;
  std::optional<error> refused;
  auto each = [&](std::size_t, pg_result r) {
    if (PQresultStatus(r.get()) == PGRES_FATAL_ERROR) {
      refused = server_error(r.get());
    } else if (std::strcmp(PQcmdStatus(r.get()), "ROLLBACK") == 0) {
      // A failed transaction answers COMMIT so, and calls it a success.
      refused = sql::with_outcome(error{errc::failed,
                                        "nothing was committed: PostgreSQL rolled the transaction "
                                        "back, since one of its statements had failed"},
                                  sql::outcome::refused);
    }
  };
  if (auto read = co_await wire_->collect(ctx, &each); !read) co_return read;
  if (refused) co_return std::unexpected(*std::move(refused));
  co_return result<void>{};
}

task<result<void>> connection::rollback(context ctx) {
  co_return co_await run(ctx, "ROLLBACK");
}

bool connection::in_transaction() const noexcept {
  switch (PQtransactionStatus(wire_->raw())) {
    case PQTRANS_INTRANS:
    case PQTRANS_INERROR:
      in_tx_ = true;
      break;
    case PQTRANS_ACTIVE:
      break;  // as before
    case PQTRANS_IDLE:
    case PQTRANS_UNKNOWN:
      in_tx_ = false;
      break;
  }
  return in_tx_;
}

task<sql::batch_end> connection::run_batch(context ctx, std::span<sql::batch_step> steps) {
  if (!quick_ready()) {
    if (auto ok = co_await make_ready(ctx); !ok) {
      co_return sql::batch_end{0, std::move(ok.error())};
    }
  }
  std::size_t queued = 0;
  std::optional<error> not_sent;
  for (; queued < steps.size() && !not_sent; ++queued) {
    const sql::batch_step& one = steps[queued];
    auto sent = static_cast<statement&>(*one.made).send(one.values);
    // A server that has the first ones runs them while we write the rest. An error shows later.
    if (queued % flush_every == flush_every - 1) static_cast<void>(PQflush(wire_->raw()));
    if (sent) continue;
    if (wire_->dead()) {
      co_return sql::batch_end{0,
                               sql::with_outcome(std::move(sent.error()), sql::outcome::unknown)};
    }
    not_sent = std::move(sent.error());  // its parameters; those before it run
    break;
  }
  if (auto sent = wire_->sync(); !sent) co_return sql::batch_end{0, std::move(sent.error())};
  sql::batch_end end;
  auto each = [&](std::size_t step, pg_result r) {
    if (end.failed || step >= queued) return;
    sql::batch_step& one = steps[step];
    const ExecStatusType status = PQresultStatus(r.get());
    if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
      end.failed = server_error(r.get());
      return;
    }
    one.done.rows_affected = rows_affected(r.get());
    if (one.rows != nullptr && status == PGRES_TUPLES_OK) {
      const auto& what = static_cast<const statement&>(*one.made).what();
      for (int row = 0; row < PQntuples(r.get()) && !end.failed; ++row) {
        auto added = add_row(*one.rows, r.get(), row, what);
        if (!added) end.failed = std::move(added.error());
      }
    }
    if (!end.failed) end.ran = step + 1;
  };
  auto read = co_await wire_->collect(ctx, &each);
  if (!read && !end.failed) end.failed = std::move(read.error());
  if (!end.failed) end.failed = std::move(not_sent);
  co_return end;
}

task<result<std::string_view>> connection::early_release(context ctx, std::string_view server) {
  if (!server_id_) {
    if (!quick_ready()) {
      if (auto ok = co_await make_ready(ctx); !ok) {
        co_return std::unexpected(std::move(ok.error()));
      }
    }
    auto id = co_await wire_->server_id(ctx);
    if (!id) co_return std::unexpected(std::move(id.error()));
    server_id_ = *std::move(id);
  }
  const bool same = !server.empty() && *server_id_ == server;
  co_return same ? std::string_view{"SET LOCAL synchronous_commit = off"} : std::string_view{};
}

task<result<void>> connection::ping(context ctx) {
  co_return co_await run(ctx, "");
}

task<bool> connection::reset(context ctx) {
  if (wire_->dead()) co_return false;
  if (wire_->in_doubt()) {
    const bool settled = co_await wire_->settle();
    if (!settled) co_return false;
  }
  if (in_transaction()) {
    if (auto undone = co_await rollback(ctx); !undone) co_return false;
  }
  // What DISCARD ALL does, but for the prepared statements, which are ours.
  for (const char* text : {"CLOSE ALL", "SET SESSION AUTHORIZATION DEFAULT", "RESET ALL",
                           "UNLISTEN *", "SELECT pg_advisory_unlock_all()", "DISCARD TEMP"}) {
    if (PQsendQueryParams(wire_->raw(), text, 0, nullptr, nullptr, nullptr, nullptr, 0) != 1) {
      co_return false;
    }
  }
  if (!wire_->sync()) co_return false;
  bool clean = true;
  auto each = [&](std::size_t, pg_result r) {
    clean = clean && PQresultStatus(r.get()) != PGRES_FATAL_ERROR;
  };
  auto read = co_await wire_->collect(ctx, &each);
  co_return read.has_value() && clean && !in_transaction();
}

void* connection::native() noexcept {
  return wire_->lend() ? wire_->raw() : nullptr;
}

}  // namespace weir::postgres
