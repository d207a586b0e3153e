#include "plot.hpp"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <string_view>
#include <system_error>

namespace weir::simulate {

namespace {

constexpr double width = 720;
constexpr double height = 400;
constexpr double left = 76;
constexpr double right = 548;
constexpr double top = 44;
constexpr double bottom = 344;

// Distinguishable for the colour-blind (Okabe and Ito 2008), on white and on black.
constexpr std::string_view colours[] = {"#0072b2", "#d55e00", "#009e73",
                                        "#cc79a7", "#e69f00", "#56b4e9"};

constexpr std::string_view style = R"(<style>
 text { font: 13px sans-serif; fill: #222 } .title { font-size: 15px; font-weight: bold }
 .grid { stroke: #ddd } .axis { stroke: #222 } .sheet { fill: #fff }
 polyline { fill: none; stroke-width: 2 }
 @media (prefers-color-scheme: dark) {
  text { fill: #ddd } .grid { stroke: #444 } .axis { stroke: #ddd } .sheet { fill: #16181c }
 }
</style>
)";

std::string number(double value, int decimals = 1) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  std::string out = text;
  if (out.find('.') != std::string::npos) {
    out.erase(out.find_last_not_of('0') + 1);
    if (out.ends_with('.')) out.pop_back();
  }
  return out;
}

std::string label_of(double value) {
  if (value < 1'000) return number(value, 2);
  std::string digits = number(value, 0);
  for (auto at = std::ssize(digits) - 3; at > 0; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return digits;
}

double along(const plot::axis& axis, double value) {
  if (!axis.logarithmic) return (value - axis.from) / (axis.to - axis.from);
  return std::log(value / axis.from) / std::log(axis.to / axis.from);
}

class canvas {
 public:
  explicit canvas(const plot& shown) : shown_(shown) {
    out_ = "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 " + number(width) + " " +
           number(height) + "\" role=\"img\">\n";
    out_ += "<title>" + shown.title + "</title>\n";
    out_ += style;
    out_ += "<rect class=\"sheet\" width=\"100%\" height=\"100%\"/>\n";
  }

  std::string finish() {
    out_ += "</svg>\n";
    return std::move(out_);
  }

  void text(double x, double y, std::string_view words, std::string_view more = "") {
    out_ += "<text x=\"" + number(x) + "\" y=\"" + number(y) + "\"";
    out_ += more;
    out_ += ">";
    out_ += words;
    out_ += "</text>\n";
  }

  void axes() {
    constexpr std::string_view middle = " text-anchor=\"middle\"";
    for (const double tick : shown_.x.ticks) {
      segment(x_of(tick), top, x_of(tick), bottom, "grid");
      text(x_of(tick), bottom + 20, label_of(tick), middle);
    }
    for (const double tick : shown_.y.ticks) {
      segment(left, y_of(tick), right, y_of(tick), "grid");
      text(left - 8, y_of(tick) + 4, label_of(tick), " text-anchor=\"end\"");
    }
    segment(left, bottom, right, bottom, "axis");
    segment(left, top, left, bottom, "axis");
    text((left + right) / 2, bottom + 44, shown_.x.label, middle);
    text(18, (top + bottom) / 2, shown_.y.label,
         " text-anchor=\"middle\" transform=\"rotate(-90 18 " + number((top + bottom) / 2) + ")\"");
    text(left, 24, shown_.title, " class=\"title\"");
  }

  void line(const plot::line& one, std::string_view colour, double legend_y) {
    if (one.dots_only) {
      for (const auto& [x, y] : one.points) dot(x_of(x), y_of(y), colour);
      dot(right + 28, legend_y - 4, colour);
    } else {
      out_ += "<polyline stroke=\"" + std::string{colour} + "\"";
      if (one.dashed) out_ += " stroke-dasharray=\"6 5\"";
      out_ += " points=\"";
      for (const auto& [x, y] : one.points) out_ += number(x_of(x)) + "," + number(y_of(y)) + " ";
      out_.back() = '"';
      out_ += "/>\n<line stroke=\"" + std::string{colour} + "\" stroke-width=\"3\"";
      if (one.dashed) out_ += " stroke-dasharray=\"6 5\"";
      out_ += ends(right + 16, legend_y - 4, right + 40, legend_y - 4) + "/>\n";
    }
    text(right + 48, legend_y, one.name);
  }

 private:
  double x_of(double value) const { return left + along(shown_.x, value) * (right - left); }
  double y_of(double value) const {
    return bottom - std::clamp(along(shown_.y, value), 0.0, 1.0) * (bottom - top);
  }

  static std::string ends(double x1, double y1, double x2, double y2) {
    return " x1=\"" + number(x1) + "\" y1=\"" + number(y1) + "\" x2=\"" + number(x2) + "\" y2=\"" +
           number(y2) + "\"";
  }
  void segment(double x1, double y1, double x2, double y2, std::string_view kind) {
    out_ += "<line class=\"" + std::string{kind} + "\"" + ends(x1, y1, x2, y2) + "/>\n";
  }
  void dot(double x, double y, std::string_view colour) {
    out_ += "<circle r=\"4\" cx=\"" + number(x) + "\" cy=\"" + number(y) + "\" fill=\"" +
            std::string{colour} + "\"/>\n";
  }

  const plot& shown_;
  std::string out_;
};

}  // namespace

std::string plot::svg() const {
  canvas sheet{*this};
  sheet.axes();
  double legend_y = top + 14;
  for (std::size_t at = 0; at < lines.size(); ++at) {
    sheet.line(lines[at], colours[at % std::size(colours)], legend_y);
    legend_y += 24;
  }
  return sheet.finish();
}

void write_plot(const char* folder, const char* name, const plot& shown) {
  if (folder == nullptr) return;
  const std::string path = std::string{folder} + "/" + name + ".svg";
  const std::string text = shown.svg();
  std::FILE* file = std::fopen(path.c_str(), "w");
  bool written = file != nullptr;
  if (written) written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
  if (file != nullptr) written = std::fclose(file) == 0 && written;
  if (!written) throw std::system_error(errno, std::generic_category(), "cannot write " + path);
  std::printf("plot: %s\n", path.c_str());
}

}  // namespace weir::simulate
