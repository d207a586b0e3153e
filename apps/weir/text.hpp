#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>

namespace weir::app {

/// "20s", "250ms", "2m", "0.5s", "1h": a number with a unit (us, ms, s, m, h). The error says what
/// is wrong with the text, without repeating the option's name.
result<duration> parse_duration(std::string_view text);

/// A whole number from `least` to `most`.
result<std::int64_t> parse_whole(std::string_view text, std::int64_t least, std::int64_t most);

/// 1234567 → "1,234,567".
std::string with_commas(std::int64_t value);

/// "1 transfer", "2 transfers".
std::string counted(std::uint64_t count, std::string_view noun);

/// Breaks text at blanks into lines of at most `width` columns, with `head` before the first one
/// and as many blanks before the others. Ends without a newline.
std::string wrapped(std::string_view head, std::string_view text, std::size_t width);

/// The candidate that `word` is a likely misspelling of; empty if there is none.
std::string_view closest(std::string_view word, const std::string_view* candidates,
                         std::size_t count);

}  // namespace weir::app
