#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weir/core/error.hpp>
#include <weir/sql/value.hpp>

namespace weir::sql {

/// One value of a row with the name of its column, for errors that say where.
struct column {
  std::string_view name;
  value_view value;

  /// "column 'balance': NULL where an integer was asked for", as errc::type_mismatch.
  [[nodiscard]] std::unexpected<error> mismatch(literal wanted) const;
  /// "column 'balance': 70000 does not fit the type asked for", as errc::out_of_range.
  [[nodiscard]] std::unexpected<error> overflow() const;
};

/// How a column becomes a C++ type. Specialise it for a type of your own:
///
///     template <>
///     struct weir::sql::scan<money> {
///       static result<money> from(const column& c) {
///         const auto cents = scan<std::int64_t>::from(c);
///         if (!cents) return std::unexpected(cents.error());   // names the column
///         return money::of_cents(*cents);
///       }
///     };
template <class T>
struct scan;

template <>
struct scan<bool> {
  static result<bool> from(const column& c);
};
/// An integer column, or a real one without a fraction, into the range of T.
template <>
struct scan<std::int64_t> {
  static result<std::int64_t> from(const column& c);
};
template <std::integral T>
struct scan<T> {
  static result<T> from(const column& c) {
    const auto wide = scan<std::int64_t>::from(c);
    if (!wide) return std::unexpected(wide.error());
    if (!std::in_range<T>(*wide)) return c.overflow();
    return static_cast<T>(*wide);
  }
};
template <>
struct scan<double> {
  static result<double> from(const column& c);
};
template <>
struct scan<float> {
  static result<float> from(const column& c);
};
template <class T>
  requires std::is_enum_v<T>
struct scan<T> {
  static result<T> from(const column& c) {
    const auto plain = scan<std::underlying_type_t<T>>::from(c);
    if (!plain) return std::unexpected(plain.error());
    return static_cast<T>(*plain);
  }
};
template <>
struct scan<std::string> {
  static result<std::string> from(const column& c);
};
/// Borrowed: valid until the next row.
template <>
struct scan<std::string_view> {
  static result<std::string_view> from(const column& c);
};
template <>
struct scan<bytes> {
  static result<bytes> from(const column& c);
};
/// Borrowed: valid until the next row.
template <>
struct scan<bytes_view> {
  static result<bytes_view> from(const column& c);
};
/// A time, or an integer: microseconds since 1970.
template <class D>
struct scan<std::chrono::time_point<std::chrono::system_clock, D>> {
  using time = std::chrono::time_point<std::chrono::system_clock, D>;
  static result<time> from(const column& c) {
    if (const auto* t = std::get_if<wall_time>(&c.value)) return std::chrono::floor<D>(*t);
    const auto us = scan<std::int64_t>::from(c);
    if (!us) return std::unexpected(us.error());
    return std::chrono::floor<D>(wall_time{std::chrono::microseconds{*us}});
  }
};
/// As it came, whatever it is.
template <>
struct scan<value> {
  static result<value> from(const column& c);
};
/// NULL is nothing.
template <class T>
struct scan<std::optional<T>> {
  static result<std::optional<T>> from(const column& c) {
    if (std::holds_alternative<null_t>(c.value)) return std::optional<T>{};
    auto inner = scan<T>::from(c);
    if (!inner) return std::unexpected(std::move(inner).error());
    return std::optional<T>{*std::move(inner)};
  }
};

/// A type that a column can be read as.
template <class T>
concept scannable = requires(const column& c) {
  { scan<T>::from(c) } -> std::same_as<result<T>>;
};

/// True for types that borrow from the row: they cannot leave it.
template <class T>
inline constexpr bool borrows = std::same_as<T, std::string_view> || std::same_as<T, bytes_view>;
template <class T>
inline constexpr bool borrows<std::optional<T>> = borrows<T>;

}  // namespace weir::sql
