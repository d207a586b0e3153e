#include "postgres/types.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <chrono>
#include <cstring>
#include <limits>
#include <optional>
#include <type_traits>
#include <utility>

#include <weir/sql/errors.hpp>

namespace weir::postgres {
namespace {

// From the server's catalogue, where they never change.
namespace oid {
constexpr Oid boolean = 16, bytea = 17, name = 19, int8 = 20, int2 = 21, int4 = 23, text = 25,
              object = 26, json = 114, float4 = 700, float8 = 701, unknown = 705, bpchar = 1042,
              varchar = 1043, timestamp = 1114, timestamptz = 1184, uuid = 2950;
}  // namespace oid

/// Microseconds from 1970 to PostgreSQL's own beginning of time.
constexpr std::int64_t from_1970_to_2000 = 946'684'800'000'000;

bool is_text(Oid type) noexcept {
  switch (type) {
    case oid::text:
    case oid::varchar:
    case oid::bpchar:
    case oid::name:
    case oid::unknown:
      return true;
    default:
      return false;
  }
}

bool has_binary(Oid type) noexcept {
  switch (type) {
    case oid::boolean:
    case oid::bytea:
    case oid::int8:
    case oid::int2:
    case oid::int4:
    case oid::object:
    case oid::float4:
    case oid::float8:
    case oid::timestamp:
    case oid::timestamptz:
    case oid::uuid:
    case oid::json:
      return true;
    default:
      return is_text(type);
  }
}

template <class T>
T network_order(T value) noexcept {
  if constexpr (std::endian::native == std::endian::little) {
    auto raw = std::bit_cast<std::array<char, sizeof(T)>>(value);
    std::reverse(raw.begin(), raw.end());
    return std::bit_cast<T>(raw);
  } else {
    return value;
  }
}

template <class T>
std::string to_network(T value) {
  const T swapped = network_order(value);
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &swapped, sizeof(T));
  return out;
}

template <class T>
std::optional<T> from_network(const char* data, int length) noexcept {
  if (length != static_cast<int>(sizeof(T))) return std::nullopt;
  T value;
  std::memcpy(&value, data, sizeof(T));
  return network_order(value);
}

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
  Oid wanted = 0;

  void add(const char* data, std::size_t size, int format) {
    to.pointers_.push_back(data);
    to.lengths_.push_back(static_cast<int>(size));
    to.formats_.push_back(format);
    to.bytes_ += size;
  }
  void binary(std::string made) {
    const std::string& kept = to.made_.emplace_back(std::move(made));
    add(kept.data(), kept.size(), 1);
  }
  void textual(std::string made) {
    const std::string& kept = to.made_.emplace_back(std::move(made));
    add(kept.c_str(), kept.size(), 0);
  }

  template <class T>
  std::optional<error> integer(std::int64_t v) {
    if (!std::in_range<T>(v)) {
      return error{errc::out_of_range, "an integer parameter does not fit the type it is for"}.with(
          "value", v);
    }
    binary(to_network(static_cast<T>(v)));
    return std::nullopt;
  }

  std::optional<error> operator()(sql::null_t) {
    add(nullptr, 0, 0);
    return std::nullopt;
  }
  std::optional<error> operator()(bool v) {
    if (wanted == oid::boolean) {
      binary(std::string(1, v ? '\1' : '\0'));
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
      binary(to_network(v));
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
      binary(to_network(us - from_1970_to_2000));
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

description description::of(const PGresult* described) {
  description out;
  const int parameters = PQnparams(described);
  out.parameters.reserve(static_cast<std::size_t>(parameters));
  for (int i = 0; i < parameters; ++i) out.parameters.push_back(PQparamtype(described, i));
  const int columns = PQnfields(described);
  out.columns.reserve(static_cast<std::size_t>(columns));
  out.types.reserve(static_cast<std::size_t>(columns));
  for (int i = 0; i < columns; ++i) {
    out.columns.emplace_back(PQfname(described, i));
    out.types.push_back(PQftype(described, i));
  }
  // One format holds for all columns of an execution.
  out.binary = std::all_of(out.types.begin(), out.types.end(), has_binary);
  return out;
}

result<void> encoded::encode(std::span<const sql::value> values, const description& wanted) {
  pointers_.clear();
  lengths_.clear();
  formats_.clear();
  made_.clear();
  bytes_ = 0;
  pointers_.reserve(values.size());
  lengths_.reserve(values.size());
  formats_.reserve(values.size());
  made_.reserve(values.size());  // never moved: what they hold is pointed to
  for (std::size_t i = 0; i < values.size(); ++i) {
    encoder one{*this, i < wanted.parameters.size() ? wanted.parameters[i] : 0};
    if (auto refused = std::visit(one, values[i])) {
      return std::unexpected(sql::with_outcome(
          (*std::move(refused)).with("parameter", static_cast<std::int64_t>(i + 1)),
          sql::outcome::not_sent));
    }
  }
  return {};
}

namespace {

error unreadable(const description& what, int column) {
  return error{errc::corrupt, "the server sent a value that its type does not have"}.with(
      "column", what.columns[static_cast<std::size_t>(column)]);
}

bool add_time(sql::row_buffer& to, std::int64_t since_2000) {
  constexpr auto last = std::numeric_limits<std::int64_t>::max();
  constexpr auto first = std::numeric_limits<std::int64_t>::min();
  // 'infinity', and what a wall_time cannot hold either.
  if (since_2000 > last - from_1970_to_2000) {
    to.add(sql::wall_time::max());
  } else if (since_2000 == first) {
    to.add(sql::wall_time::min());
  } else {
    to.add(sql::wall_time{std::chrono::microseconds{since_2000 + from_1970_to_2000}});
  }
  return true;
}

std::string uuid_text(const char* raw) {
  static constexpr char hex[] = "0123456789abcdef";
  std::string out;
  for (int i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += hex[static_cast<unsigned char>(raw[i]) >> 4U];
    out += hex[static_cast<unsigned char>(raw[i]) & 15U];
  }
  return out;
}

bool add_binary(sql::row_buffer& to, const char* data, int length, Oid type) {
  const auto integer = [&](auto found) {
    if (found) to.add(static_cast<std::int64_t>(*found));
    return found.has_value();
  };
  const auto real = [&](auto found) {
    if (found) to.add(static_cast<double>(*found));
    return found.has_value();
  };
  switch (type) {
    case oid::boolean:
      if (length != 1) return false;
      to.add(*data != '\0');
      return true;
    case oid::int2:
      return integer(from_network<std::int16_t>(data, length));
    case oid::int4:
      return integer(from_network<std::int32_t>(data, length));
    case oid::int8:
      return integer(from_network<std::int64_t>(data, length));
    case oid::object:
      return integer(from_network<std::uint32_t>(data, length));
    case oid::float4:
      return real(from_network<float>(data, length));
    case oid::float8:
      return real(from_network<double>(data, length));
    case oid::timestamp:
    case oid::timestamptz: {
      const auto found = from_network<std::int64_t>(data, length);
      return found && add_time(to, *found);
    }
    case oid::bytea:
      to.add(sql::bytes_view{reinterpret_cast<const std::byte*>(data),
                             static_cast<std::size_t>(length)});
      return true;
    case oid::uuid:
      if (length != 16) return false;
      to.add(std::string_view{uuid_text(data)});
      return true;
    default:
      to.add(std::string_view{data, static_cast<std::size_t>(length)});
      return true;
  }
}

template <class T>
std::optional<T> parsed(std::string_view text) noexcept {
  T value{};
  const auto end = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end.ec != std::errc{} || end.ptr != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<int> digits(std::string_view text, std::size_t at, std::size_t count) noexcept {
  if (at + count > text.size()) return std::nullopt;
  return parsed<int>(text.substr(at, count));
}

/// "2026-11-24 18:41:46.123+05:30", as the server writes it with DateStyle ISO; without a zone it
/// is UTC, as in binary.
std::optional<sql::wall_time> parsed_time(std::string_view text) noexcept {
  const auto year = digits(text, 0, 4), month = digits(text, 5, 2), day = digits(text, 8, 2),
             hour = digits(text, 11, 2), minute = digits(text, 14, 2), second = digits(text, 17, 2);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  std::int64_t us = 0;
  std::size_t at = 19;
  if (at < text.size() && text[at] == '.') {
    std::int64_t scale = 100'000;
    for (++at; at < text.size() && text[at] >= '0' && text[at] <= '9'; ++at, scale /= 10) {
      us += (text[at] - '0') * scale;
    }
  }
  std::chrono::minutes offset{};
  if (at < text.size()) {
    const bool behind = text[at] == '-';
    if (!behind && text[at] != '+') return std::nullopt;
    const auto hours = digits(text, at + 1, 2);
    if (!hours) return std::nullopt;
    const auto minutes = digits(text, at + 4, 2).value_or(0);
    offset = std::chrono::hours{*hours} + std::chrono::minutes{minutes};
    if (behind) offset = -offset;
  }
  const std::chrono::sys_days date{std::chrono::year{*year} / static_cast<unsigned>(*month) /
                                   static_cast<unsigned>(*day)};
  return sql::wall_time{date} + std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
         std::chrono::seconds{*second} + std::chrono::microseconds{us} - offset;
}

bool add_text(sql::row_buffer& to, std::string_view text, Oid type) {
  switch (type) {
    case oid::boolean:
      to.add(text == "t");
      return true;
    case oid::int2:
    case oid::int4:
    case oid::int8:
    case oid::object: {
      const auto found = parsed<std::int64_t>(text);
      if (found) to.add(*found);
      return found.has_value();
    }
    case oid::float4:
    case oid::float8: {
      const auto found = parsed<double>(text);
      if (found) to.add(*found);
      return found.has_value();
    }
    case oid::bytea: {
      std::size_t size = 0;
      unsigned char* raw =
          PQunescapeBytea(reinterpret_cast<const unsigned char*>(text.data()), &size);
      if (raw == nullptr) return false;
      to.add(sql::bytes_view{reinterpret_cast<const std::byte*>(raw), size});
      PQfreemem(raw);
      return true;
    }
    case oid::timestamp:
    case oid::timestamptz: {
      const auto found = parsed_time(text);
      if (found) {
        to.add(*found);
      } else {
        to.add(text);  // 'infinity', or before Christ
      }
      return true;
    }
    default:
      to.add(text);
      return true;
  }
}

}  // namespace

result<void> add_row(sql::row_buffer& to, const PGresult* from, int row, const description& what) {
  const int columns = PQnfields(from);
  for (int i = 0; i < columns; ++i) {
    if (PQgetisnull(from, row, i) != 0) {
      to.add_null();
      continue;
    }
    const char* data = PQgetvalue(from, row, i);
    const int length = PQgetlength(from, row, i);
    const bool added =
        PQfformat(from, i) != 0
            ? add_binary(to, data, length, PQftype(from, i))
            : add_text(to, {data, static_cast<std::size_t>(length)}, PQftype(from, i));
    if (!added) return std::unexpected(unreadable(what, i));
  }
  to.end_row();
  return {};
}

}  // namespace weir::postgres
