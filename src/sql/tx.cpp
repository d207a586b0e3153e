#include <algorithm>
#include <cctype>
#include <string>

#include <weir/sql/tx.hpp>

#include "sql/session.hpp"

namespace weir::sql {

tx::tx(std::shared_ptr<core::sql_session> session, context ctx, std::uint64_t serial) noexcept
    : session_(std::move(session)), ctx_(std::move(ctx)), serial_(serial) {}
tx::tx(tx&& other) noexcept = default;

tx& tx::operator=(tx&& other) noexcept {
  std::swap(session_, other.session_);
  std::swap(ctx_, other.ctx_);
  std::swap(serial_, other.serial_);
  return *this;
}

tx::~tx() {
  if (session_ != nullptr) session_->abandon_transaction(serial_);
}

bool tx::open() const noexcept {
  return session_ != nullptr && session_->in_transaction(serial_);
}

task<result<exec_result>> tx::do_exec(context ctx, statement_text text, arguments a) {
  const auto session = session_;
  co_return co_await session->exec(std::move(ctx), serial_, &text, &a);
}

task<result<rows>> tx::do_query(context ctx, statement_text text, arguments a) {
  const auto session = session_;
  co_return co_await session->query(std::move(ctx), serial_, &text, &a);
}

task<result<reply>> tx::do_query_row(context ctx, statement_text text, arguments a) {
  const auto session = session_;
  co_return co_await session->query_row(std::move(ctx), serial_, &text, &a);
}

task<result<void>> tx::commit() {
  return session_->commit(ctx_, serial_);
}

task<result<void>> tx::rollback() {
  return session_->rollback(ctx_, serial_);
}

task<result<void>> tx::point(std::string verb, std::string name) {
  const auto fits = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  const bool valid = !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
                     std::all_of(name.begin(), name.end(), fits);
  if (!valid) {
    co_return fail(
        errc::invalid_argument,
        "a savepoint's name is made of letters, digits and '_', and begins with no digit");
  }
  auto done = co_await do_exec(ctx_, statement_text{verb + name}, arguments{});
  if (!done) co_return std::unexpected(std::move(done.error()));
  co_return result<void>{};
}

task<result<void>> tx::savepoint(std::string_view name) {
  return point("SAVEPOINT ", std::string{name});
}

task<result<void>> tx::rollback_to(std::string_view name) {
  return point("ROLLBACK TO SAVEPOINT ", std::string{name});
}

task<result<void>> tx::release(std::string_view name) {
  return point("RELEASE SAVEPOINT ", std::string{name});
}

}  // namespace weir::sql
