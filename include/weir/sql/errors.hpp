#pragma once

#include <cstdint>
#include <string_view>

#include <weir/core/error.hpp>

namespace weir::sql {

/// What is known about a statement that failed.
enum class outcome : std::uint8_t {
  not_sent,  ///< the database never saw it: running it again is always safe
  refused,   ///< the database saw it and did not do it
  unknown,   ///< the answer was lost: it may have been done
};

/// "not sent", "refused", "unknown".
std::string_view name_of(outcome o) noexcept;

/// What is known about the statement this error came from. Errors that carry no mark of a driver
/// (a cancelled wait for a connection, a wrong parameter) are `not_sent`.
[[nodiscard]] outcome outcome_of(const error& e) noexcept;

/// Marks an error; for drivers.
[[nodiscard]] error with_outcome(error e, outcome o);

/// True if running the *whole* unit again (the transaction, or the statement outside of one) is
/// safe and may succeed: it lost against another transaction (conflict), found a lock held (busy),
/// or there was no connection (server_down, or a broken one that had sent nothing).
///
/// False for commit_unknown: the first one may have happened.
[[nodiscard]] bool retryable(const error& e) noexcept;

}  // namespace weir::sql
