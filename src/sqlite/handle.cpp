#include <sqlite3.h>

#include <weir/sql/errors.hpp>

#include "sqlite/connection.hpp"
#include "sqlite/errors.hpp"

namespace weir::sqlite {

handle::~handle() {
  // v2: also with statements left, which then end it; there are none if the layer above is right.
  sqlite3_close_v2(db_);
}

error handle::last(int code) const {
  return last_error(db_, code, path_);
}

result<void> handle::run(const char* text) {
  const int code = sqlite3_exec(db_, text, nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return std::unexpected(last(code));
  return {};
}

int handle::step(sqlite3_stmt* statement, const context& ctx) noexcept {
  running_ = ctx.state() != nullptr ? &ctx : nullptr;
  const int code = sqlite3_step(statement);
  running_ = nullptr;
  return code;
}

error handle::explain(int code, const context& ctx) const {
  if ((code & 0xff) == SQLITE_INTERRUPT) {
    if (auto ended = ctx.check(); !ended) {
      return sql::with_outcome(std::move(ended.error()), sql::outcome::refused);
    }
  }
  return last(code);
}

void handle::check_every(std::uint32_t instructions) noexcept {
  sqlite3_progress_handler(db_, static_cast<int>(instructions), keep_going, this);
}

int handle::keep_going(void* self) noexcept {
  const context* running = static_cast<handle*>(self)->running_;
  return running == nullptr || running->check() ? 0 : 1;
}

void handle::call_during_commit(const commit_hook& before, const commit_hook& after) noexcept {
  before_commit_ = before;
  after_log_ = after;
  if (before.call != nullptr) sqlite3_commit_hook(db_, before_commit, this);
  if (after.call != nullptr) sqlite3_wal_hook(db_, after_log, this);
}

int handle::before_commit(void* self) noexcept {
  const commit_hook& hook = static_cast<handle*>(self)->before_commit_;
  hook.call(hook.argument);
  return 0;
}

int handle::after_log(void* self, sqlite3* db, const char* name, int pages) noexcept {
  const commit_hook& hook = static_cast<handle*>(self)->after_log_;
  hook.call(hook.argument);
  // This hook takes the place of SQLite's own, which moves the log into the file now and then.
  constexpr int pages_before_checkpoint = 1000;
  if (pages >= pages_before_checkpoint) {
    sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, nullptr, nullptr);
  }
  return SQLITE_OK;
}

}  // namespace weir::sqlite
