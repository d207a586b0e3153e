#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <weir/core/clock.hpp>
#include <weir/retry/options.hpp>

#include "exit_codes.hpp"
#include "pattern.hpp"

namespace weir::retry_cli {

/// How many attempts are made if neither their number nor their time is limited.
inline constexpr std::int64_t default_attempts = 10;

/// What `weir retry` was asked to do. The defaults are those that `weir retry --help` tells.
struct options {
  std::vector<std::string> command;

  /// The waits. Slower than the library's: a command is started by people and timers, not by calls.
  duration initial_backoff = std::chrono::seconds{1};
  duration max_backoff = std::chrono::minutes{1};
  double multiplier = 2;
  weir::jitter jitter = weir::jitter::equal;
  double randomization = 0.15;
  std::optional<std::uint64_t> seed;  ///< nothing: drawn

  std::optional<std::int64_t> max_attempts;  ///< nothing: unlimited
  std::optional<duration> max_duration;
  std::optional<duration> attempt_timeout;
  duration kill_after = std::chrono::seconds{10};  ///< from SIGTERM to SIGKILL

  /// Which failures are worth another attempt; if neither is given, all of them.
  std::optional<exit_code_set> on_exit;
  std::optional<pattern> on_output;
  bool honor_hints = false;

  bool hold_stdout = false;  ///< until the attempt has succeeded, or failed
  std::uint64_t keep_limit_bytes = std::uint64_t{64} << 20U;
  std::string json;  ///< empty: no file
  bool quiet = false;

  /// The lines of the command's output are read here, on their way.
  [[nodiscard]] bool reads_lines() const noexcept { return on_output || honor_hints; }
};

}  // namespace weir::retry_cli
