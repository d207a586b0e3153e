#include "terminal.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

namespace weir::app {

namespace {

constexpr std::size_t most_columns = 80;
constexpr std::size_t least_columns = 40;

std::string_view environment(const char* name) {
  const char* value = secure_getenv(name);
  return value != nullptr ? value : "";
}

}  // namespace

terminal::terminal() {
  interactive_ = isatty(STDOUT_FILENO) == 1;
  colours_ = interactive_ && environment("NO_COLOR").empty() && environment("TERM") != "dumb";
  winsize size{};
  if (interactive_ && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    columns_ = std::clamp<std::size_t>(size.ws_col, least_columns, most_columns);
  }
}

void terminal::line(std::string_view text) {
  std::string whole{text};
  whole += '\n';
  block(whole);
}

void terminal::block(std::string_view text) {
  end_progress();
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void terminal::progress(std::string_view what, double fraction) {
  const double shown = std::clamp(fraction, 0.0, 1.0);
  const auto percent = static_cast<int>(shown * 100);
  char tail[16];
  std::snprintf(tail, sizeof tail, " %3d %%", percent);
  if (!interactive_) {
    const int quarter = percent / 25;
    if (quarter > last_quarter_) {
      std::string text{what};
      text += tail;
      line(text);
    }
    last_quarter_ = quarter;
    return;
  }
  // One column is left free: a full line would scroll on some terminals.
  const std::size_t room = columns_ - 1 - what.size() - 3 - std::char_traits<char>::length(tail);
  const auto filled = static_cast<std::size_t>(static_cast<double>(room) * shown);
  std::string bar = "\r";
  bar += what;
  bar += " [";
  bar.append(filled, '#');
  bar.append(room - filled, ' ');
  bar += ']';
  bar += tail;
  std::fwrite(bar.data(), 1, bar.size(), stdout);
  std::fflush(stdout);
  bar_shown_ = true;
}

void terminal::status(std::string_view what) {
  if (!interactive_) return;
  end_progress();
  std::fwrite(what.data(), 1, what.size(), stdout);
  std::fflush(stdout);
  bar_shown_ = true;
}

void terminal::end_progress() {
  last_quarter_ = 0;
  if (!std::exchange(bar_shown_, false)) return;
  std::string blank = "\r";
  blank.append(columns_ - 1, ' ');
  blank += '\r';
  std::fwrite(blank.data(), 1, blank.size(), stdout);
}

std::string terminal::coloured(std::string_view code, std::string_view text) const {
  if (!colours_) return std::string{text};
  std::string out = "\033[";
  out += code;
  out += 'm';
  out += text;
  out += "\033[0m";
  return out;
}

}  // namespace weir::app
