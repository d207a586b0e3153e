#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>

#include <weir/core/error.hpp>
#include <weir/sql/db.hpp>

namespace weir::sqlite {

/// How often SQLite waits for the disk.
enum class synchronous : std::uint8_t {
  normal,  ///< at checkpoints: a power cut may lose the last transactions, never consistency
  full,    ///< at each commit: an acknowledged transaction survives a power cut
};

/// Called on the connection's thread in the middle of a commit; for tests that kill the process
/// there. Must not call into the database.
struct commit_hook {
  void (*call)(void* argument) noexcept = nullptr;
  void* argument = nullptr;
};

/// What the URL's parameters do not say, or say too: the URL wins.
struct options {
  sqlite::synchronous synchronous = synchronous::normal;

  /// Statements that a long one of which runs between two looks at its context: SQLite's virtual
  /// machine instructions. Smaller ends sooner and runs slower.
  std::uint32_t cancel_check_instructions = 1000;

  commit_hook before_commit;  ///< inside COMMIT, before anything is in the write-ahead log
  commit_hook after_log;      ///< inside COMMIT, after the log has it, before the caller knows
};
static_assert(std::is_trivially_destructible_v<options>);

/// The driver for `sqlite:` URLs, for `sql::open` with several schemes.
///
///     sqlite:ledger.db                       a file, made if it is missing
///     sqlite:/var/lib/ledger.db?mode=rw      must exist; mode=ro: never written; rwc: the default
///     sqlite:ledger.db?synchronous=full
///     sqlite::memory:                        gone with its last connection
result<std::shared_ptr<sql::driver>> make_driver(const sql::url& address,
                                                 const options& settings = {});

result<std::shared_ptr<sql::driver>> make_default_driver(stopper& owner, const sql::url& address);

inline constexpr sql::scheme scheme{"sqlite", &make_default_driver};

/// Opens an SQLite database: write-ahead log, one writer that callers reach in order, and readers
/// (max_open - 1, at least one) that see the last commit and never hold the writer up. Each
/// connection has a thread of its own, so that no worker ever waits for the disk; `:memory:` has
/// one connection.
///
/// Cancellation: a running statement ends within `cancel_check_instructions`. Locks held by another
/// process are waited for by the task, not by the thread, up to `lock_timeout`.
/// Errors (beside the general ones): not_found, denied, io (disk full, read-only), corrupt, each
/// with the path and what to do next.
result<sql::db> open(stopper& owner, std::string_view address, const sql::db_options& options = {},
                     const sqlite::options& settings = {});

}  // namespace weir::sqlite
