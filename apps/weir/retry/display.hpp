#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <weir/core/clock.hpp>

namespace weir::retry_cli {

/// Says on standard error what the loop does. A terminal gets a countdown, drawn over itself, that
/// leaves nothing behind; a pipe gets a line for each attempt that failed.
class display {
 public:
  /// Looks at what standard error is, and at TERM.
  explicit display(bool quiet);

  /// One line, with the program's name before it.
  void line(std::string_view text);

  /// One line, also if quiet is asked for.
  void complain(std::string_view text);

  /// Draws the time that is left. Returns how long that figure is right.
  duration countdown(duration left);
  void end_countdown();

 private:
  bool quiet_;
  bool counts_down_ = false;
  std::size_t columns_ = 80;
  std::size_t drawn_ = 0;
};

/// What a person types as a command, short enough for a line: "curl -f https://…".
std::string shortened(std::string_view text, std::size_t most);

}  // namespace weir::retry_cli
