#pragma once

#include <string>
#include <utility>
#include <vector>

namespace weir::simulate {

/// A diagram of lines, or of bars, as an SVG of a few kilobytes that needs nothing else. The same
/// figures make the same bytes.
struct plot {
  struct line {
    std::string name;
    std::vector<std::pair<double, double>> points;
    bool dashed = false;  ///< for what is expected rather than seen
    bool dots_only = false;
  };
  /// Lines parallel to the axes and the numbers beside them.
  struct axis {
    std::string label;
    double from = 0;
    double to = 1;
    std::vector<double> ticks;
    bool logarithmic = false;
  };

  std::string title;
  axis x;
  axis y;
  std::vector<line> lines;

  [[nodiscard]] std::string svg() const;
};

/// Writes FOLDER/NAME.svg and says so; without a folder it does nothing. Throws std::system_error.
void write_plot(const char* folder, const char* name, const plot& shown);

}  // namespace weir::simulate
