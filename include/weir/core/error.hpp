#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace weir {

/// What went wrong, as a stable code to branch on. The message is for people and may change.
enum class errc : std::uint8_t {
  cancelled,          ///< the context was cancelled
  deadline_exceeded,  ///< the context's deadline, or a timeout, passed
  unavailable,        ///< refused: the stopper, pool or server takes no work now
  throttled,          ///< refused: a quota or a queue is full
  closed,             ///< the channel, semaphore, pool or connection is closed
  exhausted,          ///< every permitted attempt, slot or byte has been used
  invalid_argument,   ///< an option or parameter is out of its range
  would_deadlock,     ///< waiting here could never end
  not_found,          ///< no such row, table, file or name
  already_done,       ///< ended before: a second commit, a second close
  commit_unknown,     ///< the answer to a commit was lost: it may or may not have happened
  conflict,           ///< lost against a concurrent transaction: run the whole one again
  busy,               ///< somebody else holds a lock; a later attempt may succeed
  constraint,         ///< the data forbids it: unique, foreign key, check, not null
  out_of_range,       ///< a value does not fit the type asked for
  type_mismatch,      ///< a value is of another type, or NULL where none is allowed
  server_down,        ///< no connection can be made
  io,                 ///< reading or writing failed: disk full, read-only, broken
  corrupt,            ///< the data is damaged or of an unknown format
  denied,             ///< permission or authentication
  unsupported,        ///< this driver or platform cannot do it
  failed,             ///< anything else; the message says what
};

/// The code's name, as in "deadline_exceeded".
const char* name_of(errc code) noexcept;

/// A string that lives as long as the program: only a literal converts to it.
class literal {
 public:
  consteval literal(const char* text) noexcept : text_(text) {}
  [[nodiscard]] constexpr const char* c_str() const noexcept { return text_; }
  constexpr operator std::string_view() const noexcept { return text_; }

 private:
  const char* text_;
};

/// Problem: an error must be cheap where it is routine (a cancelled wait), and rich where somebody
/// reads it (a pool timeout says max, in use, idle, waiting, waited).
///
/// A code, a message, named numbers and texts that explain it, and optionally the error that caused
/// it. With a literal message and nothing else it allocates nothing.
///
/// Guarantees: copying shares and never throws. `with` and `caused_by` add to this copy alone.
/// Thread safety: distinct objects may be used at once, also when copies of each other.
/// Cost: 24 bytes; a copy with details is one atomic increment.
///
///     return std::unexpected(error{errc::exhausted, "no connection became free"}
///                                .with("max", 8).with("waited", waited));
class error {
 public:
  error(errc code, literal message) noexcept : literal_(message.c_str()), code_(code) {}
  /// A message made at run time: allocates.
  template <std::same_as<std::string> S>
  error(errc code, S message) : error(std::move(message), code) {}
  error(const error& other) noexcept;
  error(error&& other) noexcept
      : literal_(other.literal_), more_(std::exchange(other.more_, nullptr)), code_(other.code_) {}
  error& operator=(error other) noexcept {
    std::swap(literal_, other.literal_);
    std::swap(more_, other.more_);
    code_ = other.code_;
    return *this;
  }
  ~error() {
    if (more_ != nullptr) release();
  }

  [[nodiscard]] errc code() const noexcept { return code_; }
  [[nodiscard]] std::string_view message() const noexcept;

  /// Adds a named number, duration or text. A name given twice keeps the last value.
  error with(literal name, std::int64_t value) &&;
  error with(literal name, std::chrono::nanoseconds value) &&;
  error with(literal name, std::string value) &&;

  /// Says which error this one follows from.
  error caused_by(error cause) &&;

  /// A number (durations in nanoseconds) or a text given by `with`, if there is one of this name.
  [[nodiscard]] std::optional<std::int64_t> number(std::string_view name) const noexcept;
  [[nodiscard]] std::optional<std::string_view> text(std::string_view name) const noexcept;

  /// The error this one follows from, or null. Lives as long as this error.
  [[nodiscard]] const error* cause() const noexcept;

  /// One line: "exhausted: no connection became free (max 8, waited 50ms); caused by: …".
  [[nodiscard]] std::string to_string() const;

 private:
  struct details;

  error(std::string message, errc code);
  details& own();
  void release() noexcept;

  const char* literal_;
  details* more_ = nullptr;
  errc code_;
};

/// The value, or why there is none. weir reports every failure this way; misuse is an assertion.
template <class T = void>
using result = std::expected<T, error>;

/// Shorthand for `std::unexpected(error{code, message})`.
inline std::unexpected<error> fail(errc code, literal message) noexcept {
  return std::unexpected<error>(error{code, message});
}

/// "1.5ms", "250ms", "3s", "2m 5s": a duration as people write it, three significant digits.
std::string to_text(std::chrono::nanoseconds value);

}  // namespace weir
