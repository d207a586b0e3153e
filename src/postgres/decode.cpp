#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <string>

#include "postgres/binary.hpp"
#include "postgres/types.hpp"

namespace weir::postgres {

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
  const std::chrono::sys_days date{std::chrono::year{*year} /
                                   std::chrono::month{static_cast<unsigned>(*month)} /
                                   std::chrono::day{static_cast<unsigned>(*day)}};
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

result<void> add_row(sql::row_buffer& to, const PGresult* from, int row, const description& what,
                     int first) {
  const int end = PQnfields(from);
  for (int i = first; i < end; ++i) {
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
    if (!added) return std::unexpected(unreadable(what, i - first));
  }
  to.end_row();
  return {};
}

std::int64_t rows_affected(PGresult* r) noexcept {
  const bool rows = PQresultStatus(r) == PGRES_TUPLES_OK;
  if (rows && std::strncmp(PQcmdStatus(r), "SELECT", 6) == 0) return PQntuples(r);
  const char* const count = PQcmdTuples(r);
  return *count != '\0' ? std::strtoll(count, nullptr, 10) : 0;
}

}  // namespace weir::postgres
