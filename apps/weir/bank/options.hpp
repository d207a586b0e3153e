#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include <weir/core/clock.hpp>
#include <weir/sqlite/sqlite.hpp>

namespace weir::bank {

/// What `weir bank` was asked to do. The defaults are those that `weir bank --help` tells.
struct options {
  std::string database = "sqlite:bank.db";
  std::string journal;  ///< empty: beside the database

  std::size_t clients = 8;
  std::size_t connections = 4;
  std::optional<std::int64_t> scale;  ///< nothing: the file's own, or 1
  duration run_for = std::chrono::seconds{20};
  duration drain = std::chrono::seconds{10};
  duration cancel = std::chrono::seconds{5};
  std::optional<sqlite::synchronous> synchronous;  ///< SQLite's; nothing: normal
  sql::commit_mode commit = sql::commit_mode::alone;
  bool early_release = false;
  sql::isolation level = sql::isolation::driver_default;
  std::optional<std::uint64_t> seed;  ///< nothing: drawn, and printed
  std::string json;                   ///< empty: no file
  bool audit_only = false;

  /// For tests of what a kill leaves: the process sends itself SIGKILL in the middle of this commit
  /// of the run, counted from 1, before or after the write-ahead log has it. 0: never.
  /// (--test-kill-in-commit and --test-kill-after-log; the help does not list them.)
  std::uint64_t kill_in_commit = 0;
  std::uint64_t kill_after_log = 0;
};

inline constexpr std::int64_t most_clients = 10'000;
inline constexpr std::int64_t most_connections = 64;
inline constexpr std::int64_t most_scale = 10'000;

}  // namespace weir::bank
