#pragma once

#include <chrono>
#include <concepts>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <weir/core/error.hpp>
#include <weir/sql/frame_allocator.hpp>
#include <weir/sql/value.hpp>

namespace weir::sql {

/// How a C++ type becomes a parameter. Specialise it for a type of your own:
///
///     template <>
///     struct weir::sql::bind<money> {
///       static result<value> from(const money& m) { return value{m.cents()}; }
///     };
template <class T>
struct bind;

/// A parameter by name: `db.exec(ctx, "UPDATE t SET v = :v WHERE id = :id", named("id", 7), …)`.
template <class T>
struct named_value {
  constexpr named_value(std::string_view name_, T value_) noexcept
      : name(name_), value(std::move(value_)) {}
  std::string_view name;
  T value;
};
template <class T>
named_value<std::decay_t<T>> named(std::string_view name, T&& value) {
  return {name, std::forward<T>(value)};
}

/// The parameters of one call, in order; owned. Made by `exec`, `query` and so on from what they
/// are given. A value that cannot be bound is remembered, and the call fails with it.
class arguments {
 public:
  arguments() noexcept = default;
  arguments(const arguments& other);
  arguments(arguments&& other) noexcept = default;
  arguments& operator=(arguments other) noexcept {
    values_.swap(other.values_);
    seldom_.swap(other.seldom_);
    return *this;
  }
  ~arguments() = default;

  template <class... P>
  static arguments of(P&&... values) {
    arguments made;
    made.values_.reserve(sizeof...(P));
    (made.add(std::forward<P>(values)), ...);
    return made;
  }

  /// Adds one, for calls whose number of parameters is known at run time only.
  template <class P>
  void add(P&& given) {
    auto made = bind<std::decay_t<P>>::from(std::forward<P>(given));
    if (made && seldom_ == nullptr) {
      values_.push_back(*std::move(made));
    } else {
      keep({}, std::move(made));
    }
  }
  template <class T>
  void add(named_value<T> given) {
    keep(given.name, bind<T>::from(std::move(given.value)));
  }

  /// Empties it. Keeps its memory.
  void clear() noexcept {
    values_.clear();
    seldom_.reset();
  }

  [[nodiscard]] std::size_t size() const noexcept { return values_.size(); }
  [[nodiscard]] std::span<const value> values() const noexcept { return values_; }

  /// Empty if all are positional; otherwise one name per value, empty for positional ones.
  [[nodiscard]] std::span<const std::string> names() const noexcept {
    if (seldom_ == nullptr) return {};
    return seldom_->names;
  }

  /// Puts the values where a statement wants them. `place(name)` is the position of a named one.
  template <class F>
  result<void> arrange(std::size_t wanted, F place);

  [[nodiscard]] std::optional<error> failure() const noexcept {
    if (seldom_ == nullptr) return std::nullopt;
    return seldom_->failure;
  }

 private:
  using value_list = std::vector<value, core::frame_allocator<value>>;

  void keep(std::string_view name, result<value> made);
  [[nodiscard]] error wrong_count(std::size_t wanted) const;

  /// Apart, since arguments go through many hands on their way.
  struct seldom {
    std::vector<std::string> names;
    std::optional<error> failure;
  };
  seldom& made_seldom();

  value_list values_;
  std::unique_ptr<seldom> seldom_;  // null for most
};

template <class F>
result<void> arguments::arrange(std::size_t wanted, F place) {
  if (seldom_ == nullptr && values_.size() == wanted) return {};
  if (auto why = failure()) return std::unexpected(*std::move(why));
  if (values_.size() != wanted) return std::unexpected(wrong_count(wanted));
  const std::span<const std::string> given = names();
  if (given.empty()) return {};
  value_list placed(wanted);
  std::vector<bool> taken(wanted, false);
  for (std::size_t i = 0; i < values_.size(); ++i) {
    std::optional<std::size_t> at = i;
    if (!given[i].empty()) at = place(given[i]);
    if (!at || *at >= wanted || taken[*at]) {
      return std::unexpected(error{errc::invalid_argument,
                                   "a parameter has a name that the statement does not have, or is "
                                   "given twice"}
                                 .with("parameter", static_cast<std::int64_t>(i + 1))
                                 .with("name", given[i]));
    }
    taken[*at] = true;
    placed[*at] = std::move(values_[i]);
  }
  values_ = std::move(placed);
  seldom_.reset();
  return {};
}

template <>
struct bind<value> {
  static result<value> from(value v) noexcept { return v; }
};
template <>
struct bind<null_t> {
  static result<value> from(null_t) noexcept { return value{null}; }
};
template <>
struct bind<std::nullptr_t> {
  static result<value> from(std::nullptr_t) noexcept { return value{null}; }
};
template <>
struct bind<std::nullopt_t> {
  static result<value> from(std::nullopt_t) noexcept { return value{null}; }
};
template <>
struct bind<bool> {
  static result<value> from(bool v) noexcept { return value{v}; }
};
template <std::integral T>
struct bind<T> {
  static result<value> from(T v) {
    if (!std::in_range<std::int64_t>(v)) {
      return std::unexpected(
          error{errc::out_of_range, "an integer parameter does not fit 64 bits with a sign"}.with(
              "value", std::to_string(v)));
    }
    return value{static_cast<std::int64_t>(v)};
  }
};
template <std::floating_point T>
struct bind<T> {
  static result<value> from(T v) noexcept { return value{static_cast<double>(v)}; }
};
template <class T>
  requires std::is_enum_v<T>
struct bind<T> {
  static result<value> from(T v) {
    return bind<std::underlying_type_t<T>>::from(std::to_underlying(v));
  }
};
template <>
struct bind<std::string> {
  static result<value> from(std::string v) noexcept { return value{std::move(v)}; }
};
template <>
struct bind<std::string_view> {
  static result<value> from(std::string_view v) { return value{std::string{v}}; }
};
template <>
struct bind<const char*> {
  static result<value> from(const char* v) {
    if (v == nullptr) return value{null};
    return value{std::string{v}};
  }
};
template <>
struct bind<char*> : bind<const char*> {};
template <>
struct bind<bytes> {
  static result<value> from(bytes v) noexcept { return value{std::move(v)}; }
};
template <>
struct bind<bytes_view> {
  static result<value> from(bytes_view v) { return value{bytes(v.begin(), v.end())}; }
};
template <>
struct bind<std::span<std::byte>> : bind<bytes_view> {};
template <class D>
struct bind<std::chrono::time_point<std::chrono::system_clock, D>> {
  static result<value> from(std::chrono::time_point<std::chrono::system_clock, D> t) noexcept {
    return value{std::chrono::floor<std::chrono::microseconds>(t)};
  }
};
template <class T>
struct bind<std::optional<T>> {
  static result<value> from(std::optional<T> v) {
    if (!v) return value{null};
    return bind<T>::from(*std::move(v));
  }
};

/// A type that can be passed as a parameter.
template <class T>
concept bindable = requires(T&& v) {
  { bind<std::decay_t<T>>::from(std::forward<T>(v)) } -> std::same_as<result<value>>;
};
template <class T>
inline constexpr bool is_named_value = false;
template <class T>
inline constexpr bool is_named_value<named_value<T>> = true;
template <class T>
concept parameter = bindable<T> || is_named_value<std::decay_t<T>>;

}  // namespace weir::sql
