#include <weir/core/assert.hpp>
#include <weir/sql/db.hpp>
#include <weir/stopper/stopper.hpp>

#include "sql/database.hpp"

namespace weir::sql {

using core::and_back;
using core::sql_session;
using session_ptr = std::shared_ptr<sql_session>;

db::db(stopper& owner, std::shared_ptr<driver> kind, const db_options& options)
    : core_(std::make_shared<core::sql_db>(owner, owner.executor(), std::move(kind), options)) {
  core_->end_groups_with(owner);
}

db::db(core::executor& where, std::shared_ptr<driver> kind, const db_options& options)
    : core_(std::make_shared<core::sql_db>(where, where, std::move(kind), options)) {}

db::db(db&& other) noexcept = default;

db& db::operator=(db&& other) noexcept {
  if (this == &other) return *this;
  if (core_ != nullptr) core_->begin_close();
  core_ = std::move(other.core_);
  return *this;
}

db::~db() {
  if (core_ != nullptr) core_->begin_close();
}

task<result<void>> db::ping(context ctx, std::source_location site) {
  auto body = [ctx](const session_ptr& s) { return s->ping(ctx); };
  return and_back(
      core_, core_->on_connection<void>(std::move(ctx), access::read_write, site, std::move(body)));
}

task<result<exec_result>> db::do_exec(context ctx, statement_text text, arguments a) {
  if (const auto& lane = core_->lane()) {
    return core::lane_exec(lane, std::move(ctx), std::move(text), std::move(a));
  }
  const bool twice = text.is_idempotent();
  const auto site = text.site();
  auto body = [ctx, text = std::move(text), a = std::move(a)](const session_ptr& s) mutable {
    return s->exec(ctx, 0, &text, &a);
  };
  return and_back(core_, core_->on_connection<exec_result>(std::move(ctx), access::read_write, site,
                                                           std::move(body), twice));
}

task<result<rows>> db::do_query(context ctx, statement_text text, arguments a) {
  const bool twice = text.is_idempotent();
  const auto site = text.site();
  auto body = [ctx, text = std::move(text), a = std::move(a)](const session_ptr& s) mutable {
    return core::owning_rows(s->query(ctx, 0, &text, &a));
  };
  return and_back(core_, core_->on_connection<rows>(std::move(ctx), access::read_only, site,
                                                    std::move(body), twice));
}

task<result<reply>> db::do_query_row(context ctx, statement_text text, arguments a) {
  if (const auto& lane = core_->lane()) {
    return core::lane_run(lane, std::move(ctx), std::move(text), std::move(a));
  }
  const bool twice = text.is_idempotent();
  const auto site = text.site();
  auto body = [ctx, text = std::move(text), a = std::move(a)](const session_ptr& s) mutable {
    return s->query_row(ctx, 0, &text, &a);
  };
  return and_back(core_, core_->on_connection<reply>(std::move(ctx), access::read_only, site,
                                                     std::move(body), twice));
}

task<result<tx>> db::do_begin(context ctx, tx_options options, std::source_location site) {
  return and_back(core_, core_->begin(std::move(ctx), options, site));
}

task<result<void>> db::do_with_tx(context ctx, tx_options options, core::transaction_code* fn,
                                  std::source_location site) {
  return and_back(core_, core_->transact(std::move(ctx), options, fn, site));
}

task<result<script_result>> db::run(context ctx, script what, run_options options,
                                    std::source_location site) {
  return and_back(core_, core_->run(std::move(ctx), std::move(what), options, site));
}

task<result<conn>> db::connect(context ctx, access mode, std::source_location site) {
  // Asked for an answer first: a connection that is pinned cannot be replaced later.
  auto body = [ctx](session_ptr s) -> task<result<conn>> {
    if (auto alive = co_await s->ping(ctx); !alive) co_return std::unexpected(alive.error());
    co_return conn{std::move(s)};
  };
  return and_back(core_, core_->on_connection<conn>(std::move(ctx), mode, site, body));
}

task<result<stmt>> db::prepare(context ctx, statement_text text) {
  const auto site = text.site();
  auto body = [core = core_, ctx, text = std::move(text)](session_ptr s) -> task<result<stmt>> {
    auto checked = co_await s->prepare(ctx, &text);
    if (!checked) co_return std::unexpected(std::move(checked.error()));
    co_return stmt{core, text, *checked};
  };
  return and_back(
      core_, core_->on_connection<stmt>(std::move(ctx), access::read_only, site, std::move(body)));
}

db_stats db::stats() const noexcept {
  return core_->stats();
}

void db::set_max_open(std::size_t max_open) noexcept {
  core_->set_max_open(max_open);
}

task<result<void>> db::close(context ctx) {
  return and_back(core_, core_->close(std::move(ctx)));
}

task<result<exec_result>> stmt::do_exec(context ctx, arguments a) {
  if (db_ == nullptr) co_return fail(errc::already_done, "the statement was closed");
  auto body = [&](const session_ptr& s) { return s->exec(ctx, 0, &text_, &a); };
  co_return co_await and_back(
      db_, db_->on_connection<exec_result>(ctx, access::read_write, text_.site(), body,
                                           text_.is_idempotent()));
}

task<result<rows>> stmt::do_query(context ctx, arguments a) {
  if (db_ == nullptr) co_return fail(errc::already_done, "the statement was closed");
  auto body = [&](const session_ptr& s) { return core::owning_rows(s->query(ctx, 0, &text_, &a)); };
  co_return co_await and_back(db_, db_->on_connection<rows>(ctx, access::read_only, text_.site(),
                                                            body, text_.is_idempotent()));
}

result<db> open(stopper& owner, std::string_view address, std::span<const scheme> known,
                const db_options& options) {
  auto parsed = url::parse(address);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  if (options.max_open == 0) {
    return fail(errc::invalid_argument, "a database needs max_open of at least 1");
  }
  std::string names;
  for (const scheme& one : known) {
    if (one.name == parsed->scheme()) {
      auto made = one.make(owner, *parsed);
      if (!made) return std::unexpected(std::move(made.error()));
      return db{owner, *std::move(made), options};
    }
    names += (names.empty() ? "" : ", ") + std::string{one.name} + ":";
  }
  return std::unexpected(
      error{errc::invalid_argument, "'" + parsed->scheme() +
                                        ":' is no kind of database that this program "
                                        "knows; it knows " +
                                        (names.empty() ? "none" : names)});
}

}  // namespace weir::sql
