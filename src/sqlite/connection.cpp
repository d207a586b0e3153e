#include "sqlite/connection.hpp"

#include <sqlite3.h>

#include <weir/sql/errors.hpp>

#include "sqlite/errors.hpp"

namespace weir::sqlite {
namespace {

int flags_of(const settings& how) noexcept {
  // Without SQLite's own lock: a connection is used from its thread only.
  const int always = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  switch (how.mode) {
    case open_mode::read_only:
      return always | SQLITE_OPEN_READONLY;
    case open_mode::read_write:
      return always | SQLITE_OPEN_READWRITE;
    case open_mode::create:
      return always | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  }
  return always;
}

result<void> use_log(handle& db, const std::string& path) {
  sqlite3_stmt* asked = nullptr;
  int code = sqlite3_prepare_v2(db.get(), "PRAGMA journal_mode=WAL", -1, &asked, nullptr);
  if (code == SQLITE_OK) code = sqlite3_step(asked);
  bool has_log = false;
  if (code == SQLITE_ROW) {
    const auto* mode = reinterpret_cast<const char*>(sqlite3_column_text(asked, 0));
    has_log = mode != nullptr && std::string_view{mode} == "wal";
  }
  std::optional<error> failed;
  if (code != SQLITE_ROW) failed = open_error(db.get(), code, path);
  sqlite3_finalize(asked);
  if (failed) return std::unexpected(*std::move(failed));
  if (has_log) return {};
  return std::unexpected(
      error{errc::unsupported, "'" + path +
                                   "' cannot have a write-ahead log there; put it on a "
                                   "local file system"});
}

result<void> configure(handle& db, const settings& how, sql::access mode) {
  if (how.mode != open_mode::read_only && !how.in_memory) {
    if (sqlite3_db_readonly(db.get(), "main") == 1) {
      return std::unexpected(error{errc::io, "'" + how.path +
                                                 "' is write-protected, or on a read-only file "
                                                 "system; make it and its folder writable"});
    }
    if (auto logged = use_log(db, how.path); !logged) return logged;
  }
  const bool full = how.with.synchronous == synchronous::full;
  auto done = db.run(full ? "PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON"
                          : "PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON");
  if (done && mode == sql::access::read_only) done = db.run("PRAGMA query_only=ON");
  // Reads the first page: a file of another kind is told here, and not by the first statement.
  if (done) done = db.run("PRAGMA schema_version");
  return done;
}

bool only_space(const char* rest) noexcept {
  const std::string_view left{rest};
  return left.find_first_not_of(" \t\r\n;") == std::string_view::npos;
}

}  // namespace

void connection::finalizer::operator()(sqlite3_stmt* made) const noexcept {
  sqlite3_finalize(made);
}

result<std::unique_ptr<connection>> connection::open(const settings& how, sql::access mode,
                                                     std::shared_ptr<core::executor> home) {
  sqlite3* opened = nullptr;
  const int code = sqlite3_open_v2(how.path.c_str(), &opened, flags_of(how), nullptr);
  auto db = std::make_unique<handle>(opened, how.path);
  if (code != SQLITE_OK) return std::unexpected(open_error(opened, code, how.path));
  if (auto ready = configure(*db, how, mode); !ready) {
    // The log and its index are opened with the first page, and "unable to open" means one of them.
    const bool not_opened =
        ready.error().number("sqlite code").value_or(0) % 256 == SQLITE_CANTOPEN;
    if (not_opened) return std::unexpected(open_error(opened, SQLITE_CANTOPEN, how.path));
    return std::unexpected(std::move(ready.error()));
  }
  db->check_every(how.with.cancel_check_instructions);
  db->call_during_commit(how.with.before_commit, how.with.after_log);
  return std::make_unique<connection>(std::move(db), std::move(home));
}

task<result<std::unique_ptr<sql::driver_statement>>> connection::prepare(context,
                                                                         std::string_view text) {
  sqlite3_stmt* made = nullptr;
  const char* rest = nullptr;
  const int code = sqlite3_prepare_v3(db_->get(), text.data(), static_cast<int>(text.size()),
                                      SQLITE_PREPARE_PERSISTENT, &made, &rest);
  if (code != SQLITE_OK) {
    auto failed = db_->last(code);
    if (code == SQLITE_ERROR) {
      failed = sql::with_outcome(
          error{errc::invalid_argument, "SQL: " + std::string{failed.message()}}.with("sqlite code",
                                                                                      code),
          sql::outcome::refused);
    }
    co_return std::unexpected(std::move(failed));
  }
  auto owned = std::make_unique<statement>(*db_, made);
  const std::string tail{rest, static_cast<std::size_t>(text.data() + text.size() - rest)};
  if (made == nullptr || !only_space(tail.c_str())) {
    sqlite3_stmt* second = nullptr;
    sqlite3_prepare_v2(db_->get(), tail.c_str(), -1, &second, nullptr);
    sqlite3_finalize(second);
    if (made == nullptr || second != nullptr) {
      co_return fail(errc::invalid_argument,
                     "the text has to be one SQL statement, not none or more");
    }
  }
  co_return owned;
}

/// BEGIN, COMMIT and ROLLBACK end soon or wait for nobody: no context interrupts them, so that
/// their outcome is always known.
result<void> connection::run_kept(kept_statement& kept, const char* text) {
  if (kept == nullptr) {
    sqlite3_stmt* made = nullptr;
    const int code =
        sqlite3_prepare_v3(db_->get(), text, -1, SQLITE_PREPARE_PERSISTENT, &made, nullptr);
    if (code != SQLITE_OK) return std::unexpected(db_->last(code));
    kept.reset(made);
  }
  const int code = db_->step(kept.get(), context{});
  result<void> done;
  if (code != SQLITE_DONE) done = std::unexpected(db_->last(code));
  sqlite3_reset(kept.get());
  return done;
}

task<result<void>> connection::begin(context, sql::tx_options options) {
  if (options.level != sql::isolation::driver_default &&
      options.level != sql::isolation::serializable) {
    co_return std::unexpected(
        error{errc::unsupported, "SQLite's transactions are serializable; it has no isolation '" +
                                     std::string{name_of(options.level)} + "'"});
  }
  // A transaction that reads first and then writes would fail at its first write whenever another
  // one has committed in between: whoever may write takes the lock at once.
  if (options.access == sql::access::read_only) co_return run_kept(begin_read_, "BEGIN");
  co_return run_kept(begin_write_, "BEGIN IMMEDIATE");
}

task<result<void>> connection::commit(context) {
  auto done = run_kept(commit_, "COMMIT");
  // After a failed fsync nobody knows what is on the disk.
  if (!done && done.error().number("sqlite code") == SQLITE_IOERR_FSYNC) {
    co_return std::unexpected(sql::with_outcome(std::move(done.error()), sql::outcome::unknown));
  }
  co_return done;
}

task<result<void>> connection::rollback(context) {
  co_return run_kept(rollback_, "ROLLBACK");
}

bool connection::in_transaction() const noexcept {
  return sqlite3_get_autocommit(db_->get()) == 0;
}

task<result<void>> connection::ping(context) {
  co_return db_->run("PRAGMA schema_version");
}

task<bool> connection::reset(context) {
  if (in_transaction()) co_return run_kept(rollback_, "ROLLBACK").has_value();
  co_return true;
}

}  // namespace weir::sqlite
