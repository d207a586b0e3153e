#include "text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

namespace weir::app {

namespace {

struct unit {
  std::string_view name;
  double nanoseconds;
};
constexpr unit units[] = {{"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};

// Longer ones would overflow when they are added to a point in time.
constexpr double most_nanoseconds = 10.0 * 365 * 24 * 3600e9;

std::unexpected<error> refused(std::string why) {
  return std::unexpected(error{errc::invalid_argument, std::move(why)});
}

std::string quoted(std::string_view text) {
  return "'" + std::string{text} + "'";
}

}  // namespace

result<duration> parse_duration(std::string_view text) {
  double number = 0;
  const auto [end, code] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (code != std::errc{} || !std::isfinite(number)) {
    return refused(quoted(text) + " is not a duration: write a number and a unit, such as 20s");
  }
  if (std::signbit(number)) return refused(quoted(text) + " is negative");
  const std::string_view rest{end, static_cast<std::size_t>(text.data() + text.size() - end)};
  const auto* found = std::ranges::find(units, rest, &unit::name);
  if (rest.empty()) return refused(quoted(text) + " has no unit: write us, ms, s, m or h after it");
  if (found == std::end(units)) {
    return refused(quoted(rest) + " is not a unit of time: use us, ms, s, m or h");
  }
  const double nanoseconds = number * found->nanoseconds;
  if (nanoseconds > most_nanoseconds) return refused(quoted(text) + " is more than ten years");
  return duration{std::llround(nanoseconds)};
}

result<std::int64_t> parse_whole(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t number = 0;
  const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (code == std::errc::invalid_argument || end != text.data() + text.size()) {
    return refused(quoted(text) + " is not a whole number");
  }
  if (code == std::errc::result_out_of_range || number < least || number > most) {
    return refused(std::string{text} + " is out of range: it goes from " + with_commas(least) +
                   " to " + with_commas(most));
  }
  return number;
}

std::string with_commas(std::int64_t value) {
  std::string digits = std::to_string(value);
  const std::ptrdiff_t first = value < 0 ? 1 : 0;
  for (auto at = std::ssize(digits) - 3; at > first; at -= 3) {
    digits.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return digits;
}

std::string counted(std::uint64_t count, std::string_view noun) {
  std::string text = with_commas(static_cast<std::int64_t>(count));
  text += ' ';
  text += noun;
  if (count != 1) text += 's';
  return text;
}

std::string wrapped(std::string_view head, std::string_view text, std::size_t width) {
  std::string out{head};
  std::size_t column = head.size();
  bool first_of_line = true;
  while (!text.empty()) {
    const std::size_t blank = std::min(text.find(' '), text.size());
    const std::string_view word = text.substr(0, blank);
    text.remove_prefix(std::min(blank + 1, text.size()));
    if (!first_of_line && column + 1 + word.size() > width) {
      out += '\n';
      out.append(head.size(), ' ');
      column = head.size();
      first_of_line = true;
    }
    if (!first_of_line) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word.size();
    first_of_line = false;
  }
  return out;
}

namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string_view closest(std::string_view word, const std::string_view* candidates,
                         std::size_t count) {
  std::string_view best;
  // A third of the letters wrong: no misspelling any more.
  const std::size_t dashes = std::min(word.find_first_not_of('-'), word.size());
  std::size_t least = (word.size() - dashes) / 3 + 2;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t distance = edit_distance(word, candidates[i]);
    if (distance >= least) continue;
    least = distance;
    best = candidates[i];
  }
  return best;
}

}  // namespace weir::app
