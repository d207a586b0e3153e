#include <weir/core/assert.hpp>
#include <weir/sql/conn.hpp>

#include "sql/database.hpp"

namespace weir::sql {

conn::conn(std::shared_ptr<core::sql_session> session) noexcept : session_(std::move(session)) {}
conn::conn(conn&& other) noexcept = default;

conn& conn::operator=(conn&& other) noexcept {
  std::swap(session_, other.session_);
  return *this;
}

conn::~conn() {
  release();
}

void conn::release() noexcept {
  if (session_ != nullptr) session_->release();
}

void conn::discard() noexcept {
  if (session_ != nullptr) session_->discard();
}

task<result<void>> conn::ping(context ctx) {
  return session_->ping(std::move(ctx));
}

task<result<exec_result>> conn::do_exec(context ctx, statement_text text, arguments a) {
  const auto session = session_;
  co_return co_await session->exec(std::move(ctx), 0, &text, &a);
}

task<result<rows>> conn::do_query(context ctx, statement_text text, arguments a) {
  const auto session = session_;
  co_return co_await session->query(std::move(ctx), 0, &text, &a);
}

task<result<reply>> conn::do_query_row(context ctx, statement_text text, arguments a) {
  const auto session = session_;
  co_return co_await session->query_row(std::move(ctx), 0, &text, &a);
}

task<result<tx>> conn::do_begin(context ctx, tx_options options, std::source_location) {
  return session_->begin(std::move(ctx), options, false);
}

task<result<void>> conn::do_with_tx(context ctx, tx_options options, core::transaction_code* fn,
                                    std::source_location) {
  const auto session = session_;
  const auto once = [&](bool* began) -> task<result<void>> {
    core::executor& back = this_executor();
    auto t = co_await session->begin(ctx, options, false);
    if (!t) co_return std::unexpected(std::move(t.error()));
    *began = true;
    co_await core::hop_if_elsewhere{session->home()};
    result<void> done;
    std::exception_ptr thrown;
    try {
      done = co_await core::run_and_end(&*t, fn);
    } catch (...) {
      thrown = std::current_exception();
    }
    co_await core::hop_if_elsewhere{&back};
    if (thrown) std::rethrow_exception(thrown);
    co_return done;
  };
  co_return co_await core::repeat_transaction(ctx, options, once);
}

task<result<void>> conn::do_with_native(void (*fn)(void*, void*), void* argument) {
  return session_->native(fn, argument);
}

}  // namespace weir::sql
