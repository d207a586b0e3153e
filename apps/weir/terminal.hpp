#pragma once

#include <string>
#include <string_view>

namespace weir::app {

/// Standard output as people read it: a terminal gets colours and a bar that moves, a pipe plain
/// lines. Thread safety: one user at a time.
class terminal {
 public:
  /// Looks at what standard output is, and at NO_COLOR and TERM.
  terminal();

  [[nodiscard]] bool interactive() const noexcept { return interactive_; }
  /// Columns to stay within: those of the terminal, at most 80.
  [[nodiscard]] std::size_t columns() const noexcept { return columns_; }

  /// One line, at once.
  void line(std::string_view text);
  /// Several lines as they are.
  void block(std::string_view text);

  /// How far something long is, from 0 to 1: a bar that is drawn over itself, or a line each 25 %.
  void progress(std::string_view what, double fraction);
  /// What is being done, on a terminal only.
  void status(std::string_view what);
  /// Takes the bar, or the status, away.
  void end_progress();

  [[nodiscard]] std::string bold(std::string_view text) const { return coloured("1", text); }
  [[nodiscard]] std::string good(std::string_view text) const { return coloured("1;32", text); }
  [[nodiscard]] std::string bad(std::string_view text) const { return coloured("1;31", text); }

 private:
  [[nodiscard]] std::string coloured(std::string_view code, std::string_view text) const;

  bool interactive_ = false;
  bool colours_ = false;
  bool bar_shown_ = false;
  int last_quarter_ = 0;
  std::size_t columns_ = 80;
};

}  // namespace weir::app
