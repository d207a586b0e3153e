#include <sqlite3.h>

#include "sqlite/connection.hpp"

namespace weir::sqlite {
namespace {

// The caller keeps the values alive until the statement is reset.
int bind_one(sqlite3_stmt* to, int at, const sql::value& v) {
  return std::visit(
      [&]<class T>(const T& held) {
        if constexpr (std::is_same_v<T, sql::null_t>) {
          return sqlite3_bind_null(to, at);
        } else if constexpr (std::is_same_v<T, bool>) {
          return sqlite3_bind_int64(to, at, held ? 1 : 0);
        } else if constexpr (std::is_same_v<T, std::int64_t>) {
          return sqlite3_bind_int64(to, at, held);
        } else if constexpr (std::is_same_v<T, double>) {
          return sqlite3_bind_double(to, at, held);
        } else if constexpr (std::is_same_v<T, sql::wall_time>) {
          return sqlite3_bind_int64(to, at, held.time_since_epoch().count());
        } else if constexpr (std::is_same_v<T, std::string>) {
          return sqlite3_bind_text64(to, at, held.data(), held.size(), SQLITE_STATIC, SQLITE_UTF8);
        } else {
          // Null with a size of 0 would be NULL, not an empty blob.
          const void* const data = held.empty() ? static_cast<const void*>("") : held.data();
          return sqlite3_bind_blob64(to, at, data, held.size(), SQLITE_STATIC);
        }
      },
      v);
}

bool refers(const sql::value& v) noexcept {
  return std::holds_alternative<std::string>(v) || std::holds_alternative<sql::bytes>(v);
}

}  // namespace

statement::statement(handle& db, sqlite3_stmt* made)
    : db_(db),
      made_(made),
      parameters_(static_cast<std::size_t>(sqlite3_bind_parameter_count(made))),
      writes_(sqlite3_stmt_readonly(made) == 0) {
  read_columns();
}

statement::~statement() {
  sqlite3_finalize(made_);
}

void statement::read_columns() {
  const int count = sqlite3_column_count(made_);
  columns_.clear();
  columns_.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) {
    const char* const name = sqlite3_column_name(made_, i);
    columns_.emplace_back(name != nullptr ? name : "");
  }
}

std::optional<std::size_t> statement::position(std::string_view name) const noexcept {
  for (std::size_t i = 0; i < parameters_; ++i) {
    // ":name", "@name" or "$name"; null for a plain '?'.
    const char* const has = sqlite3_bind_parameter_name(made_, static_cast<int>(i + 1));
    if (has != nullptr && std::string_view{has}.substr(1) == name) return i;
  }
  return std::nullopt;
}

result<void> statement::bind(std::span<const sql::value> values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int code = bind_one(made_, static_cast<int>(i + 1), values[i]);
    borrowing_ = borrowing_ || refers(values[i]);
    if (code == SQLITE_OK) continue;
    auto failed = db_.last(code);
    reset();
    return std::unexpected(std::move(failed).with("parameter", static_cast<std::int64_t>(i + 1)));
  }
  return {};
}

void statement::reset() noexcept {
  sqlite3_reset(made_);
  has_row_ = false;
  if (borrowing_) sqlite3_clear_bindings(made_);
  borrowing_ = false;
}

task<result<sql::exec_result>> statement::exec(context ctx, std::span<const sql::value> values) {
  if (auto bound = bind(values); !bound) co_return std::unexpected(std::move(bound.error()));
  sqlite3* const db = db_.get();
  const std::int64_t before = sqlite3_total_changes64(db);
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = db_.step(made_, ctx);
  if (code != SQLITE_DONE) {
    auto failed = db_.explain(code, ctx);
    reset();
    co_return std::unexpected(std::move(failed));
  }
  // The number of the last statement that changed something, which need not be this one.
  const bool changed = sqlite3_total_changes64(db) != before;
  const sql::exec_result done{.rows_affected = changed ? sqlite3_changes64(db) : 0,
                              .last_insert_id = sqlite3_last_insert_rowid(db)};
  reset();
  co_return done;
}

task<result<void>> statement::start(context ctx, std::span<const sql::value> values) {
  if (auto bound = bind(values); !bound) co_return bound;
  // The first step already: it is the one that finds locks held, and a schema that has changed.
  const int code = db_.step(made_, ctx);
  const int again = sqlite3_stmt_status(made_, SQLITE_STMTSTATUS_REPREPARE, 0);
  if (again != prepared_again_) {
    prepared_again_ = again;
    read_columns();
  }
  if (code == SQLITE_ROW || code == SQLITE_DONE) {
    has_row_ = code == SQLITE_ROW;
    if (!has_row_) reset();
    co_return result<void>{};
  }
  auto failed = db_.explain(code, ctx);
  reset();
  co_return std::unexpected(std::move(failed));
}

void statement::add_row(sql::row_buffer& into) const {
  const int count = static_cast<int>(into.columns());
  for (int i = 0; i < count; ++i) {
    switch (sqlite3_column_type(made_, i)) {
      case SQLITE_INTEGER:
        into.add(static_cast<std::int64_t>(sqlite3_column_int64(made_, i)));
        break;
      case SQLITE_FLOAT:
        into.add(sqlite3_column_double(made_, i));
        break;
      case SQLITE_TEXT: {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(made_, i));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(made_, i));
        into.add(std::string_view{text, text != nullptr ? size : 0});
        break;
      }
      case SQLITE_BLOB: {
        const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(made_, i));
        const auto size = static_cast<std::size_t>(sqlite3_column_bytes(made_, i));
        into.add(sql::bytes_view{data, data != nullptr ? size : 0});
        break;
      }
      default:
        into.add_null();
        break;
    }
  }
  into.end_row();
}

task<result<bool>> statement::fetch(context ctx, sql::row_buffer* into, sql::fetch_limits limits) {
  const std::size_t most = into->rows() + limits.rows;
  while (has_row_) {
    if (into->rows() >= most || (into->rows() != 0 && into->size_bytes() >= limits.bytes)) {
      co_return true;
    }
    add_row(*into);
    const int code = db_.step(made_, ctx);
    if (code == SQLITE_ROW) continue;
    if (code != SQLITE_DONE) {
      auto failed = db_.explain(code, ctx);
      reset();
      co_return std::unexpected(std::move(failed));
    }
    reset();
  }
  co_return false;
}

task<void> statement::stop() {
  reset();
  co_return;
}

}  // namespace weir::sqlite
