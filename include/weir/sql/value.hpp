#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace weir::sql {

/// SQL's NULL, as a parameter: `db.exec(ctx, "UPDATE t SET note = ?", sql::null)`.
struct null_t {
  explicit constexpr null_t() noexcept = default;
  friend constexpr bool operator==(null_t, null_t) noexcept { return true; }
};
inline constexpr null_t null{};

using bytes = std::vector<std::byte>;
using bytes_view = std::span<const std::byte>;

/// A point in wall-clock time, to the microsecond. Databases without a type for it (SQLite) keep
/// the microseconds since 1970 as an integer.
using wall_time = std::chrono::time_point<std::chrono::system_clock, std::chrono::microseconds>;

/// One value on its way to the database: owned, so that it may travel to another thread.
using value = std::variant<null_t, bool, std::int64_t, double, std::string, bytes, wall_time>;

/// One value on its way back: text and bytes are borrowed from the row.
using value_view =
    std::variant<null_t, bool, std::int64_t, double, std::string_view, bytes_view, wall_time>;

/// "NULL", "boolean", "integer", "real", "text", "bytes" or "time": for messages.
std::string_view kind_of(const value_view& v) noexcept;

/// The same value, borrowed. Lives as long as `v` is unchanged.
value_view view(const value& v) noexcept;

/// The text of a statement. A literal is referred to, anything else is copied, so that a call may
/// outlive the expression that made it.
///
/// Text that is put together at run time is how injections happen: pass what varies as parameters.
class statement_text {
 public:
  consteval statement_text(const char* literal,
                           std::source_location site = std::source_location::current()) noexcept
      : data_(literal), size_(std::char_traits<char>::length(literal)), site_(site) {}
  statement_text(const std::string& text,
                 std::source_location site = std::source_location::current())
      : statement_text(std::string_view{text}, site) {}
  explicit statement_text(std::string_view text,
                          std::source_location site = std::source_location::current());
  statement_text(const statement_text& other);
  constexpr statement_text(statement_text&& other) noexcept
      : data_(other.data_),
        size_(other.size_),
        site_(other.site_),
        owned_(std::exchange(other.owned_, false)),
        idempotent_(other.idempotent_) {}
  statement_text& operator=(statement_text other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(site_, other.site_);
    std::swap(owned_, other.owned_);
    std::swap(idempotent_, other.idempotent_);
    return *this;
  }
  constexpr ~statement_text() {
    if (owned_) delete[] data_;
  }

  [[nodiscard]] std::string_view view() const noexcept { return {data_, size_}; }

  /// Where it was written: who holds a connection for it is reported by this.
  [[nodiscard]] std::source_location site() const noexcept { return site_; }

  /// Whether doing it twice was declared to be as good as doing it once.
  [[nodiscard]] bool is_idempotent() const noexcept { return idempotent_; }

 private:
  friend constexpr statement_text idempotent(statement_text text) noexcept;

  const char* data_;  // a literal, which lives as long as the program, or a copy
  std::size_t size_;
  std::source_location site_;
  bool owned_ = false;
  bool idempotent_ = false;
};

/// Declares that a statement may be run twice. Outside of transactions it is then run again, on
/// another connection, also when its answer was lost and nobody knows whether it was done.
///
///     db.exec(ctx, sql::idempotent("UPDATE accounts SET closed = TRUE WHERE id = ?"), 7);
constexpr statement_text idempotent(statement_text text) noexcept {
  text.idempotent_ = true;
  return text;
}

}  // namespace weir::sql
