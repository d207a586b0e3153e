#include "hint.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <ctime>
#include <string>

namespace weir::retry_cli {

namespace {

using namespace std::chrono_literals;

constexpr double longest_seconds = 10.0 * 365 * 24 * 3600;

struct keyword {
  std::string_view text;
  double unit_seconds;  // of a number without a unit
  bool takes_date;
};
// A keyword that begins like another one stands before it.
constexpr keyword keywords[] = {
    {"retry-after-ms", 1e-3, false},
    {"retry-after", 1, true},
    {"retry_after_ms", 1e-3, false},
    {"retry_after", 1, false},
    {"retry-pushback-ms", 1e-3, false},
    {"retrydelay", 1, false},
    {"try again in", 1, false},
    {"try again after", 1, false},
    {"retry in", 1, false},
    {"retry after", 1, false},
};

struct unit {
  std::string_view name;
  double seconds;
};
constexpr unit units[] = {
    {"ms", 1e-3}, {"msec", 1e-3}, {"msecs", 1e-3}, {"millisecond", 1e-3}, {"milliseconds", 1e-3},
    {"s", 1},     {"sec", 1},     {"secs", 1},     {"second", 1},         {"seconds", 1},
    {"m", 60},    {"min", 60},    {"mins", 60},    {"minute", 60},        {"minutes", 60},
    {"h", 3600},  {"hour", 3600}, {"hours", 3600}, {"hr", 3600},          {"hrs", 3600},
};

void skip(std::string_view& text, std::string_view what) {
  text.remove_prefix(std::min(text.find_first_not_of(what), text.size()));
}

std::string_view take_letters(std::string_view& text) {
  const auto* end = std::ranges::find_if_not(text, [](char c) { return c >= 'a' && c <= 'z'; });
  const std::string_view word{text.begin(), end};
  text.remove_prefix(word.size());
  return word;
}

// "90", "1.5s", "2 minutes", "1m30s": the seconds, or nothing if no number stands there.
std::optional<double> read_seconds(std::string_view text, double unit_seconds) {
  double total = 0;
  for (bool first = true;; first = false) {
    double number = 0;
    const auto [end, code] =
        std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
    if (code != std::errc{} || !std::isfinite(number)) {
      return first ? std::nullopt : std::optional{total};
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    skip(text, " ");
    const std::string_view word = take_letters(text);
    const auto* named = std::ranges::find(units, word, &unit::name);
    if (named == std::end(units)) {
      // The number's own unit, unless it is the second one of "5s 3 retries left".
      return first ? number * unit_seconds : total;
    }
    total += number * named->seconds;
    if (number < 0) return total;
  }
}

std::optional<double> read_date(const std::string& text,
                                std::chrono::system_clock::time_point now) {
  std::tm fields{};
  // Day and month names are matched in any case, and in English: the program sets no locale.
  if (strptime(text.c_str(), "%a, %d %b %Y %H:%M:%S gmt", &fields) == nullptr) return std::nullopt;
  const auto then = std::chrono::system_clock::from_time_t(timegm(&fields));
  return std::max(0.0, std::chrono::duration<double>(then - now).count());
}

}  // namespace

std::optional<duration> hint_in(std::string_view line, std::chrono::system_clock::time_point now) {
  std::string lower{line};
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  for (const keyword& known : keywords) {
    const std::size_t at = lower.find(known.text);
    if (at == std::string::npos) continue;
    std::string_view value{lower};
    value.remove_prefix(at + known.text.size());
    skip(value, " \t\"':=");
    auto seconds = read_seconds(value, known.unit_seconds);
    if (!seconds && known.takes_date) seconds = read_date(std::string{value}, now);
    if (!seconds) continue;
    // Rounded up: a wait that is a little too short would come before it is welcome.
    const double capped = std::clamp(*seconds, -1.0, longest_seconds);
    return duration{static_cast<duration::rep>(std::ceil(capped * 1e9))};
  }
  return std::nullopt;
}

}  // namespace weir::retry_cli
