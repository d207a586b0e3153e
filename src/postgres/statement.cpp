#include <utility>

#include "postgres/connection.hpp"

namespace weir::postgres {

statement::statement(connection& on, std::string name, std::string text, description what)
    : on_(on), name_(std::move(name)), text_(std::move(text)), what_(std::move(what)) {}

statement::~statement() {
  read_to_the_end();
  on_.unused_.push_back(std::move(name_));
}

/// The wire is no longer its own, at its end or because nobody reads on.
void statement::read_to_the_end() noexcept {
  reading_ = false;
  if (on_.streaming_ == this) on_.streaming_ = nullptr;
}

result<void> statement::send(std::span<const sql::value> values) {
  encoded& p = on_.parameters_;
  if (auto fits = p.encode(values, what_); !fits) return fits;
  const int queued = PQsendQueryPrepared(on_.wire_->raw(), name_.c_str(), p.size(), p.pointers(),
                                         p.lengths(), p.formats(), what_.binary ? 1 : 0);
  if (queued != 1) return std::unexpected(on_.wire_->lost(false));
  return {};
}

task<result<void>> statement::begin(context ctx, std::span<const sql::value> values, bool by_row) {
  wire& w = *on_.wire_;
  if (!on_.quick_ready()) {
    if (auto ok = co_await on_.make_ready(ctx); !ok) co_return ok;
  }
  if (auto sent = send(values); !sent) co_return sent;
  if (by_row && PQsetSingleRowMode(w.raw()) != 1) {
    w.kill();
    co_return std::unexpected(sql::with_outcome(
        error{errc::failed, "libpq refused to give a result row by row"}, sql::outcome::unknown));
  }
  co_return w.sync();
}

/// The schema has changed under a prepared statement, or somebody has removed it: outside of a
/// transaction nothing has happened yet, and it is prepared anew.
task<result<bool>> statement::renew(context ctx, const PGresult* why) {
  if (!wants_new_plan(why) || on_.in_transaction()) co_return false;
  std::string fresh = "weir_" + std::to_string(++on_.prepared_);
  auto what = co_await on_.describe(ctx, fresh, text_);
  if (!what) co_return std::unexpected(std::move(what.error()));
  if (what->parameters.size() != what_.parameters.size()) co_return false;
  on_.unused_.push_back(std::exchange(name_, std::move(fresh)));
  what_ = *std::move(what);
  co_return true;
}

task<result<sql::exec_result>> statement::exec(context ctx, std::span<const sql::value> values) {
  for (bool again = false;; again = true) {
    if (auto begun = co_await begin(ctx, values, false); !begun) {
      co_return std::unexpected(std::move(begun.error()));
    }
    pg_result refused;
    sql::exec_result done;
    auto each = [&](std::size_t, pg_result r) {
      if (PQresultStatus(r.get()) == PGRES_FATAL_ERROR) {
        refused = std::move(r);
        return;
      }
      done.rows_affected = rows_affected(r.get());
    };
    if (auto read = co_await on_.wire_->collect(ctx, &each); !read) {
      co_return std::unexpected(std::move(read.error()));
    }
    if (refused == nullptr) co_return done;
    if (!again) {
      auto renewed = co_await renew(ctx, refused.get());
      if (!renewed) co_return std::unexpected(std::move(renewed.error()));
      if (*renewed) continue;
    }
    co_return std::unexpected(server_error(refused.get()));
  }
}

task<result<void>> statement::start(context ctx, std::span<const sql::value> values) {
  refused_.reset();
  for (bool again = false;; again = true) {
    if (auto begun = co_await begin(ctx, values, true); !begun) co_return begun;
    // The first answer tells whether it is refused; if not, it is kept for `fetch`.
    wire& w = *on_.wire_;
    while (PQisBusy(w.raw()) != 0) {
      if (auto came = co_await w.wait(ctx); !came) co_return came;
    }
    pg_result first{PQgetResult(w.raw())};
    if (first == nullptr || PQstatus(w.raw()) != CONNECTION_OK) {
      co_return std::unexpected(w.lost(true));
    }
    const ExecStatusType status = PQresultStatus(first.get());
    reading_ = status == PGRES_SINGLE_TUPLE || status == PGRES_TUPLES_OK ||
               status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY;
    if (reading_) {
      on_.streaming_ = this;
      kept_.push_back(std::move(first));
      co_return result<void>{};
    }
    const pg_result refused = std::move(first);
    auto rest = [](std::size_t, pg_result) {};
    if (auto read = co_await w.collect(ctx, &rest); !read) co_return read;
    if (!again) {
      auto renewed = co_await renew(ctx, refused.get());
      if (!renewed) co_return std::unexpected(std::move(renewed.error()));
      if (*renewed) continue;
    }
    co_return std::unexpected(server_error(refused.get()));
  }
}

task<result<void>> statement::keep_rest(context ctx) {
  wire& w = *on_.wire_;
  while (reading_) {
    while (PQisBusy(w.raw()) != 0) {
      if (auto came = co_await w.wait(ctx); !came) {
        read_to_the_end();
        co_return came;
      }
    }
    pg_result r{PQgetResult(w.raw())};
    if (r == nullptr) {
      if (!w.dead()) continue;
      read_to_the_end();
      co_return std::unexpected(w.lost(true));
    }
    if (PQresultStatus(r.get()) == PGRES_PIPELINE_SYNC) {
      w.synced();
      read_to_the_end();
    } else {
      kept_.push_back(std::move(r));
    }
  }
  co_return result<void>{};
}

result<statement::step> statement::take_one(sql::row_buffer* into) {
  wire& w = *on_.wire_;
  pg_result r;
  if (kept_.empty()) {
    r.reset(PQgetResult(w.raw()));
  } else {
    r = std::move(kept_.front());
    kept_.pop_front();
  }
  if (r == nullptr) {
    if (w.dead()) return std::unexpected(w.lost(true));
    return step::more_to_come;
  }
  switch (PQresultStatus(r.get())) {
    case PGRES_SINGLE_TUPLE:
      if (into != nullptr && !refused_) {
        if (auto added = add_row(*into, r.get(), 0, what_); !added) {
          refused_ = std::move(added.error());
        }
      }
      return step::row;
    case PGRES_PIPELINE_SYNC:
      w.synced();
      read_to_the_end();
      return step::end;
    case PGRES_TUPLES_OK:
    case PGRES_COMMAND_OK:
    case PGRES_EMPTY_QUERY:
      return step::more_to_come;
    default:
      if (PQstatus(w.raw()) != CONNECTION_OK) return std::unexpected(w.lost(true));
      if (!refused_) refused_ = server_error(r.get());
      return step::more_to_come;
  }
}

/// True if it has ended, as far as can be seen without waiting: the end of a short result is mostly
/// here with its last row, and a connection that is known to be free need not be reset.
bool statement::at_end() {
  wire& w = *on_.wire_;
  while (more()) {
    if (kept_.empty()) {
      if (PQisBusy(w.raw()) != 0) return false;
      pg_result next{PQgetResult(w.raw())};
      if (next == nullptr) {
        if (w.dead()) return false;
        continue;
      }
      kept_.push_back(std::move(next));
    }
    if (PQresultStatus(kept_.front().get()) == PGRES_SINGLE_TUPLE) return false;
    if (!take_one(nullptr)) return false;
  }
  return true;
}

task<result<bool>> statement::fetch(context ctx, sql::row_buffer* into, sql::fetch_limits limits) {
  wire& w = *on_.wire_;
  std::size_t rows = 0;
  const auto full = [&] {
    return rows > 0 && (rows >= limits.rows || into->size_bytes() >= limits.bytes);
  };
  while (more() && !full()) {
    while (kept_.empty() && PQisBusy(w.raw()) != 0) {
      // With some rows in hand, only what is here already is added.
      if (rows > 0 && PQconsumeInput(w.raw()) != 0 && PQisBusy(w.raw()) != 0) co_return true;
      if (PQisBusy(w.raw()) == 0) break;
      if (auto came = co_await w.wait(ctx); !came) {
        read_to_the_end();
        co_return std::unexpected(std::move(came.error()));
      }
    }
    auto taken = take_one(into);
    if (!taken) {
      read_to_the_end();
      co_return std::unexpected(std::move(taken.error()));
    }
    if (*taken == step::row) ++rows;
  }
  if (!at_end()) co_return true;
  if (auto refused = std::exchange(refused_, std::nullopt)) {
    co_return std::unexpected(*std::move(refused));
  }
  co_return false;
}

bool statement::skip_what_is_here() {
  wire& w = *on_.wire_;
  kept_.clear();
  while (reading_ && PQisBusy(w.raw()) == 0) {
    if (!take_one(nullptr)) read_to_the_end();
  }
  return !reading_;
}

task<void> statement::stop() {
  wire& w = *on_.wire_;
  if (reading_ && !w.dead() && !skip_what_is_here()) {
    if (on_.in_transaction()) {
      // A cancel would take the transaction with it: what is left is read and dropped.
      while (!skip_what_is_here()) {
        const context_source patience{w.at().where.time(), {.timeout = w.at().to.cancel_timeout}};
        if (auto came = co_await w.wait(patience.get()); !came) {
          w.kill();
          break;
        }
      }
    } else if (PQconsumeInput(w.raw()) != 0) {
      // A little more may have come; anything longer is cancelled, behind the caller's back.
      skip_what_is_here();
    }
  }
  read_to_the_end();
  refused_.reset();
  kept_.clear();
}

}  // namespace weir::postgres
