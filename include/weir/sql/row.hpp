#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <weir/core/error.hpp>
#include <weir/sql/aggregate.hpp>
#include <weir/sql/row_buffer.hpp>
#include <weir/sql/scan.hpp>

namespace weir::sql {

/// What a typed row is: the value itself for one column, a tuple for several.
template <class... T>
struct row_type {
  using type = std::tuple<T...>;
};
template <class T>
struct row_type<T> {
  using type = T;
};
template <class... T>
using row_of = typename row_type<T...>::type;

/// One row, borrowed: valid until the rows it came from move on.
///
/// Errors name the column: type_mismatch (NULL into a plain type included), out_of_range,
/// not_found for a column that does not exist, invalid_argument for a wrong number of columns.
class row {
 public:
  row(const row_buffer& from, std::span<const std::string> names, std::size_t index) noexcept
      : from_(&from), names_(names), index_(index) {}

  [[nodiscard]] std::size_t size() const noexcept { return names_.size(); }
  [[nodiscard]] std::string_view name(std::size_t i) const noexcept { return names_[i]; }

  /// The value as it came.
  [[nodiscard]] result<column> at(std::size_t i) const;
  [[nodiscard]] result<column> at(std::string_view name) const;

  /// One value as a T. `which` is an index from 0, or the column's name.
  template <scannable T, class W>
  [[nodiscard]] result<T> get(W which) const {
    const auto c = at(which);
    if (!c) return std::unexpected(c.error());
    return scan<T>::from(*c);
  }

  /// All values at once: as many types as there are columns, or one plain struct with as many
  /// fields, which are filled in order.
  ///
  ///     struct account { std::int64_t id; std::string name; std::optional<std::string> note; };
  ///     const auto one = row.as<account>();
  template <class... T>
    requires readable<T...>
  [[nodiscard]] result<row_of<T...>> as() const {
    if constexpr ((scannable<T> && ...)) {
      if (sizeof...(T) != size()) return std::unexpected(wrong_width(sizeof...(T)));
      return as_indexed<T...>(std::index_sequence_for<T...>{});
    } else {
      return as_struct<T...>();
    }
  }

 private:
  [[nodiscard]] error wrong_width(std::size_t wanted) const;
  [[nodiscard]] column cell(std::size_t i) const noexcept {
    return {names_[i], from_->at(index_, i)};
  }

  template <row_struct T>
  [[nodiscard]] result<T> as_struct() const {
    constexpr std::size_t fields = core::field_count<T>;
    if (fields != size()) return std::unexpected(wrong_width(fields));
    T made{};
    std::optional<error> failed;
    std::size_t at = 0;
    const auto read = [&]<class F>(F& field) {
      static_assert(scannable<F>, "a field of the struct has no scan<>");
      if (failed) return;
      auto found = scan<F>::from(cell(at++));
      if (found) {
        field = *std::move(found);
      } else {
        failed = std::move(found).error();
      }
    };
    core::with_fields(made, [&read](auto&... field) { (read(field), ...); });
    if (failed) return std::unexpected(*std::move(failed));
    return made;
  }

  template <class... T, std::size_t... I>
  [[nodiscard]] result<row_of<T...>> as_indexed(std::index_sequence<I...>) const {
    if constexpr (sizeof...(T) == 1) {
      return scan<T...>::from(cell(0));
    } else {
      std::tuple<result<T>...> parts{scan<T>::from(cell(I))...};
      std::optional<error> failed;
      const auto look = [&failed](const auto& part) {
        if (!part && !failed) failed = part.error();
      };
      (look(std::get<I>(parts)), ...);
      if (failed) return std::unexpected(*std::move(failed));
      return std::tuple<T...>{*std::move(std::get<I>(parts))...};
    }
  }

  const row_buffer* from_;
  std::span<const std::string> names_;
  std::size_t index_;
};

}  // namespace weir::sql
