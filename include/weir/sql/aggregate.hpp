#pragma once

#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

#include <weir/sql/scan.hpp>

namespace weir::sql {

/// A plain struct that a row can be read as: a column per field, in order. Of at most 16 fields,
/// without base classes and arrays.
///
/// A struct that has a `scan` of its own is one column instead.
template <class T>
concept row_struct =
    std::is_aggregate_v<T> && std::is_class_v<T> && std::default_initializable<T> && !scannable<T>;

/// What one row can be read as: columns, or one struct of all of them.
template <class... T>
concept readable = sizeof...(T) > 0 &&
                   ((scannable<T> && ...) || (sizeof...(T) == 1 && (row_struct<T> && ...)));

}  // namespace weir::sql

namespace weir::core {

/// Converts to whatever a field is; never called.
struct any_field {
  template <class T>
  operator T() const;
};

template <class T, class I>
inline constexpr bool has_fields = false;
template <class T, std::size_t... I>
inline constexpr bool has_fields<T, std::index_sequence<I...>> =
    requires { T{(static_cast<void>(I), any_field{})...}; };

inline constexpr std::size_t most_fields = 16;

/// How many values its braces take: one more is refused.
template <class T, std::size_t n = 0>
consteval std::size_t count_fields() {
  if constexpr (n <= most_fields && has_fields<T, std::make_index_sequence<n + 1>>) {
    return count_fields<T, n + 1>();
  } else {
    return n;
  }
}
template <class T>
inline constexpr std::size_t field_count = count_fields<T>();

/// fn(field…)
template <class T, class F>
constexpr auto with_fields(T& of, F fn) {
  constexpr std::size_t n = field_count<T>;
  static_assert(n > 0 && n <= most_fields, "a struct for rows has 1 to 16 fields");
  if constexpr (n == 1) {
    auto& [a] = of;
    return fn(a);
  } else if constexpr (n == 2) {
    auto& [a, b] = of;
    return fn(a, b);
  } else if constexpr (n == 3) {
    auto& [a, b, c] = of;
    return fn(a, b, c);
  } else if constexpr (n == 4) {
    auto& [a, b, c, d] = of;
    return fn(a, b, c, d);
  } else if constexpr (n == 5) {
    auto& [a, b, c, d, e] = of;
    return fn(a, b, c, d, e);
  } else if constexpr (n == 6) {
    auto& [a, b, c, d, e, f] = of;
    return fn(a, b, c, d, e, f);
  } else if constexpr (n == 7) {
    auto& [a, b, c, d, e, f, g] = of;
    return fn(a, b, c, d, e, f, g);
  } else if constexpr (n == 8) {
    auto& [a, b, c, d, e, f, g, h] = of;
    return fn(a, b, c, d, e, f, g, h);
  } else if constexpr (n == 9) {
    auto& [a, b, c, d, e, f, g, h, i] = of;
    return fn(a, b, c, d, e, f, g, h, i);
  } else if constexpr (n == 10) {
    auto& [a, b, c, d, e, f, g, h, i, j] = of;
    return fn(a, b, c, d, e, f, g, h, i, j);
  } else if constexpr (n == 11) {
    auto& [a, b, c, d, e, f, g, h, i, j, k] = of;
    return fn(a, b, c, d, e, f, g, h, i, j, k);
  } else if constexpr (n == 12) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l] = of;
    return fn(a, b, c, d, e, f, g, h, i, j, k, l);
  } else if constexpr (n == 13) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m] = of;
    return fn(a, b, c, d, e, f, g, h, i, j, k, l, m);
  } else if constexpr (n == 14) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = of;
    return fn(a, b, c, d, e, f, g, h, i, j, k, l, m, n);
  } else if constexpr (n == 15) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o] = of;
    return fn(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o);
  } else if constexpr (n == 16) {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = of;
    return fn(a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p);
  }
}

template <class T>
using struct_borrows = decltype(with_fields(std::declval<T&>(), [](auto&... field) {
  return std::bool_constant<(sql::borrows<std::remove_reference_t<decltype(field)>> || ...)>{};
}));

}  // namespace weir::core

namespace weir::sql {

/// A struct with a field that borrows cannot leave its row either.
template <row_struct T>
inline constexpr bool borrows<T> = core::struct_borrows<T>::value;

}  // namespace weir::sql
