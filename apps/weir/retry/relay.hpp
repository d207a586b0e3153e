#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <weir/core/clock.hpp>

#include "fd.hpp"
#include "options.hpp"

namespace weir::retry_cli {

/// What the lines of an attempt's output said.
struct findings {
  std::optional<std::string> matched;  ///< the first line that --on-output matched
  std::optional<duration> hint;        ///< the last wait that was asked for
  bool held_all = true;                ///< nothing that was to be held had to be passed on
};

/// Passes a stream of the command's output on, unchanged and at once, and reads it line by line.
///
///   holding ──release, or more than the limit──► passing on
///
/// A line longer than 64 KiB is read in pieces of that length.
/// Requires: one thread. Blocks: never, once `poll` says so.
class output_relay {
 public:
  output_relay(const options& asked, findings& into, int to) noexcept
      : asked_(asked), into_(into), to_(to) {}

  /// Makes the pipe; the end that the command writes to. `hold`: passes nothing on until `release`.
  unique_fd open(bool hold);

  /// What to wait for: the descriptor that can be read next, or written next; -1 for neither.
  [[nodiscard]] int source_wanted() const noexcept { return can_pass_on() ? -1 : from_.get(); }
  [[nodiscard]] int sink_wanted() const noexcept { return can_pass_on() ? to_ : -1; }
  void read_some();
  void write_some() noexcept;

  /// Everybody who could write has closed, and all is passed on.
  [[nodiscard]] bool ended() const noexcept { return !from_ && !can_pass_on(); }
  [[nodiscard]] bool passed_on_all() const noexcept { return !can_pass_on(); }

  [[nodiscard]] bool holds() const noexcept { return holds_; }
  /// Reads no further, and passes on to `to` what it has held.
  void release(int to) noexcept;

  /// Reads what is left of a last line without an end.
  void close();

 private:
  [[nodiscard]] bool can_pass_on() const noexcept { return !holds_ && !unsent_.empty(); }
  void read_lines(std::string_view text);
  void examine(std::string_view line);

  const options& asked_;
  findings& into_;
  int to_;
  bool holds_ = false;
  unique_fd from_;
  std::string unsent_;
  std::size_t sent_ = 0;  // of it
  std::string line_;
};

}  // namespace weir::retry_cli
