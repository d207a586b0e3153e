#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include <weir/sql/errors.hpp>

#include "postgres/binary.hpp"
#include "postgres/types.hpp"

namespace weir::postgres {
namespace {

std::string shortest(double value) {
  std::array<char, 40> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

/// "2026-11-24 18:41:46.123456+00": read the same whatever the session's settings are.
std::string iso(sql::wall_time t) {
  const auto day = std::chrono::floor<std::chrono::days>(t);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss<std::chrono::microseconds> time{t - day};
  std::array<char, 64> out{};
  const int size = std::snprintf(
      out.data(), out.size(), "%04d-%02u-%02u %02d:%02d:%02d.%06d+00",
      static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
      static_cast<unsigned>(date.day()), static_cast<int>(time.hours().count()),
      static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()),
      static_cast<int>(time.subseconds().count()));
  return {out.data(), static_cast<std::size_t>(size)};
}

}  // namespace

/// Adds the parameters one after the other.
struct encoder {
  encoded& to;
  std::size_t at;
  Oid wanted;

  void add(const char* data, std::size_t size, int format) {
    to.pointers_[at] = data;
    to.lengths_[at] = static_cast<int>(size);
    to.formats_[at] = format;
    to.bytes_ += size;
  }
  template <class T>
  void binary(T number) {
    static_assert(sizeof(T) <= sizeof(to.numbers_[at]));
    const T swapped = network_order(number);
    std::memcpy(to.numbers_[at].data(), &swapped, sizeof(T));
    add(to.numbers_[at].data(), sizeof(T), 1);
  }
  void textual(std::string made) {
    const std::string& kept = to.texts_.emplace_back(std::move(made));
    add(kept.c_str(), kept.size(), 0);
  }

  template <class T>
  std::optional<error> integer(std::int64_t v) {
    if (!std::in_range<T>(v)) {
      return error{errc::out_of_range, "an integer parameter does not fit the type it is for"}.with(
          "value", v);
    }
    binary(static_cast<T>(v));
    return std::nullopt;
  }

  std::optional<error> operator()(sql::null_t) {
    add(nullptr, 0, 0);
    return std::nullopt;
  }
  std::optional<error> operator()(bool v) {
    if (wanted == oid::boolean) {
      binary(static_cast<char>(v));
    } else {
      textual(is_text(wanted) ? (v ? "true" : "false") : (v ? "1" : "0"));
    }
    return std::nullopt;
  }
  std::optional<error> operator()(std::int64_t v) {
    switch (wanted) {
      case oid::int8:
        return integer<std::int64_t>(v);
      case oid::int4:
        return integer<std::int32_t>(v);
      case oid::int2:
        return integer<std::int16_t>(v);
      case oid::object:
        return integer<std::uint32_t>(v);
      default:
        textual(std::to_string(v));
        return std::nullopt;
    }
  }
  std::optional<error> operator()(double v) {
    if (wanted == oid::float8) {
      binary(v);
    } else {
      textual(shortest(v));
    }
    return std::nullopt;
  }
  std::optional<error> operator()(const std::string& v) {
    if (v.size() > static_cast<std::size_t>(std::numeric_limits<int>::max() / 2)) return too_long();
    if (is_text(wanted) || wanted == oid::json) {
      add(v.data(), v.size(), 1);
      return std::nullopt;
    }
    if (v.find('\0') != std::string::npos) {
      return error{errc::invalid_argument,
                   "a text parameter has a zero byte, which PostgreSQL keeps in bytea only"};
    }
    add(v.c_str(), v.size(), 0);
    return std::nullopt;
  }
  std::optional<error> operator()(const sql::bytes& v) {
    if (v.size() > static_cast<std::size_t>(std::numeric_limits<int>::max() / 2)) return too_long();
    // An empty vector's data may be null, which would be NULL.
    static constexpr char nothing = '\0';
    add(v.empty() ? &nothing : reinterpret_cast<const char*>(v.data()), v.size(), 1);
    return std::nullopt;
  }
  std::optional<error> operator()(sql::wall_time v) {
    const std::int64_t us = v.time_since_epoch().count();
    if (wanted == oid::timestamptz || wanted == oid::timestamp) {
      if (us < std::numeric_limits<std::int64_t>::min() + from_1970_to_2000) {
        return error{errc::out_of_range, "a time parameter is before what PostgreSQL can keep"};
      }
      binary(us - from_1970_to_2000);
      return std::nullopt;
    }
    if (wanted == oid::int8) return integer<std::int64_t>(us);
    textual(iso(v));
    return std::nullopt;
  }

  static error too_long() {
    return {errc::out_of_range, "a parameter is longer than the 1 GB that PostgreSQL takes"};
  }
};

result<void> encoded::encode(std::span<const sql::value> values, const description& wanted) {
  if (pointers_.size() != values.size()) {
    pointers_.resize(values.size());
    lengths_.resize(values.size());
    formats_.resize(values.size());
    numbers_.resize(values.size());
  }
  texts_.clear();
  texts_.reserve(values.size());  // never moved: what they hold is pointed to
  bytes_ = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    encoder one{*this, i, i < wanted.parameters.size() ? wanted.parameters[i] : 0};
    if (auto refused = std::visit(one, values[i])) {
      return std::unexpected(sql::with_outcome(
          (*std::move(refused)).with("parameter", static_cast<std::int64_t>(i + 1)),
          sql::outcome::not_sent));
    }
  }
  return {};
}

}  // namespace weir::postgres
