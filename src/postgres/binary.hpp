#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include <libpq-fe.h>

/// The fixed forms of PostgreSQL's types, both ways.
namespace weir::postgres {

// From the server's catalogue, where they never change.
namespace oid {
constexpr Oid boolean = 16, bytea = 17, name = 19, int8 = 20, int2 = 21, int4 = 23, text = 25,
              object = 26, json = 114, float4 = 700, float8 = 701, unknown = 705, bpchar = 1042,
              varchar = 1043, timestamp = 1114, timestamptz = 1184, uuid = 2950;
}  // namespace oid

/// Microseconds from 1970 to PostgreSQL's own beginning of time.
constexpr std::int64_t from_1970_to_2000 = 946'684'800'000'000;

inline bool is_text(Oid type) noexcept {
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

inline bool has_binary(Oid type) noexcept {
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

}  // namespace weir::postgres
