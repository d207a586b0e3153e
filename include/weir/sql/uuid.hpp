#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <weir/core/error.hpp>
#include <weir/sql/bind.hpp>
#include <weir/sql/scan.hpp>

namespace weir::sql {

/// A UUID, as a parameter and in a column: PostgreSQL's uuid, and text of 36 characters in
/// databases that have no type for it. A column of 16 bytes is read, too.
struct uuid {
  std::array<std::byte, 16> octets{};

  /// Reads "f81d4fae-7dec-11d0-a765-00a0c91e6bf6", in either case. Nothing if it is none.
  [[nodiscard]] static std::optional<uuid> parse(std::string_view text) noexcept;
  /// The same form, in lower case.
  [[nodiscard]] std::string to_string() const;

  friend bool operator==(const uuid&, const uuid&) noexcept = default;
  friend auto operator<=>(const uuid&, const uuid&) noexcept = default;
};

template <>
struct bind<uuid> {
  static result<value> from(const uuid& v) { return value{v.to_string()}; }
};
template <>
struct scan<uuid> {
  static result<uuid> from(const column& c);
};

}  // namespace weir::sql
