#include "display.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

#include <weir/core/error.hpp>

namespace weir::retry_cli {

namespace {

using namespace std::chrono_literals;

constexpr std::string_view program = "weir retry: ";
constexpr std::size_t most_columns = 80;
constexpr std::size_t least_columns = 40;

void write_out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace

display::display(bool quiet) : quiet_(quiet) {
  const char* term = secure_getenv("TERM");
  counts_down_ =
      !quiet && isatty(STDERR_FILENO) == 1 && std::string_view{term ? term : ""} != "dumb";
  winsize size{};
  if (counts_down_ && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
    columns_ = std::clamp<std::size_t>(size.ws_col, least_columns, most_columns);
  }
}

void display::line(std::string_view text) {
  if (!quiet_) complain(text);
}

void display::complain(std::string_view text) {
  end_countdown();
  std::string whole{program};
  whole += text;
  whole += '\n';
  write_out(whole);
}

duration display::countdown(duration left) {
  // In the background, the line belongs to whoever has the terminal.
  if (!counts_down_ || tcgetpgrp(STDERR_FILENO) != getpgrp()) return duration::max();
  // Tenths near the end. The figure is the time left, rounded up, and so never says 0.
  const duration step = left <= 10s ? duration{100ms} : duration{1s};
  const auto steps = (left + step - duration{1}) / step;
  char figure[32];
  if (step < 1s) {
    std::snprintf(figure, sizeof figure, "%.1fs", static_cast<double>(steps) / 10);
  } else if (steps < 60) {
    std::snprintf(figure, sizeof figure, "%llds", static_cast<long long>(steps));
  } else if (steps < 3600) {
    std::snprintf(figure, sizeof figure, "%lldm %02llds", static_cast<long long>(steps / 60),
                  static_cast<long long>(steps % 60));
  } else {
    std::snprintf(figure, sizeof figure, "%lldh %02lldm %02llds",
                  static_cast<long long>(steps / 3600), static_cast<long long>(steps / 60 % 60),
                  static_cast<long long>(steps % 60));
  }
  std::string text = "\r";
  text += program;
  text += "next attempt in ";
  text += figure;
  if (text.size() + 18 < columns_) text += " (Ctrl-C ends it)";
  const std::size_t shown = text.size() - 1;
  if (shown < drawn_) text.append(drawn_ - shown, ' ');
  drawn_ = shown;
  write_out(text);
  return left - (steps - 1) * step;
}

void display::end_countdown() {
  const std::size_t drawn = std::exchange(drawn_, 0);
  if (drawn == 0) return;
  // A terminal shows a Ctrl-C behind the line, in two columns.
  write_out("\r" + std::string(drawn + 2, ' ') + "\r");
}

std::string shortened(std::string_view text, std::size_t most) {
  if (text.size() <= most) return std::string{text};
  return std::string{text.substr(0, most - 3)} + "...";
}

}  // namespace weir::retry_cli
