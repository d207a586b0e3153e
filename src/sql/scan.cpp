#include <cmath>
#include <limits>

#include <weir/sql/row.hpp>
#include <weir/sql/scan.hpp>

namespace weir::sql {
namespace {

std::string in_column(const column& c) {
  return "column '" + std::string{c.name} + "': ";
}

// The value for a message: numbers in full, text not at all, since it may be anything.
std::string shown(const value_view& v) {
  if (const auto* i = std::get_if<std::int64_t>(&v)) return std::to_string(*i);
  if (const auto* d = std::get_if<double>(&v)) return std::to_string(*d);
  return std::string{kind_of(v)};
}

}  // namespace

std::unexpected<error> column::mismatch(literal wanted) const {
  const std::string_view held = kind_of(value);
  return std::unexpected(
      error{errc::type_mismatch, in_column(*this) + std::string{held} + " where " + wanted.c_str() +
                                     " was asked for" +
                                     (held == "NULL" ? "; ask for a std::optional of it" : "")}
          .with("column", std::string{name}));
}

std::unexpected<error> column::overflow() const {
  return std::unexpected(error{errc::out_of_range,
                               in_column(*this) + shown(value) + " does not fit the type asked for"}
                             .with("column", std::string{name}));
}

result<bool> scan<bool>::from(const column& c) {
  if (const auto* b = std::get_if<bool>(&c.value)) return *b;
  if (const auto* i = std::get_if<std::int64_t>(&c.value)) {
    if (*i == 0 || *i == 1) return *i == 1;
    return c.overflow();
  }
  return c.mismatch("a boolean");
}

result<std::int64_t> scan<std::int64_t>::from(const column& c) {
  if (const auto* i = std::get_if<std::int64_t>(&c.value)) return *i;
  if (const auto* b = std::get_if<bool>(&c.value)) return *b ? 1 : 0;
  if (const auto* t = std::get_if<wall_time>(&c.value)) return t->time_since_epoch().count();
  if (const auto* d = std::get_if<double>(&c.value)) {
    if (std::trunc(*d) != *d) return c.mismatch("an integer");
    // 2^63 is a double; the largest integer is not.
    if (!(*d >= -0x1p63 && *d < 0x1p63)) return c.overflow();
    return static_cast<std::int64_t>(*d);
  }
  return c.mismatch("an integer");
}

result<double> scan<double>::from(const column& c) {
  if (const auto* d = std::get_if<double>(&c.value)) return *d;
  if (const auto* i = std::get_if<std::int64_t>(&c.value)) {
    const auto near = static_cast<double>(*i);
    if (near >= 0x1p63 || static_cast<std::int64_t>(near) != *i) return c.overflow();
    return near;
  }
  return c.mismatch("a number");
}

result<float> scan<float>::from(const column& c) {
  const auto wide = scan<double>::from(c);
  if (!wide) return std::unexpected(wide.error());
  if (std::isfinite(*wide) &&
      std::abs(*wide) > static_cast<double>(std::numeric_limits<float>::max())) {
    return c.overflow();
  }
  return static_cast<float>(*wide);
}

result<std::string_view> scan<std::string_view>::from(const column& c) {
  if (const auto* t = std::get_if<std::string_view>(&c.value)) return *t;
  return c.mismatch("text");
}

result<std::string> scan<std::string>::from(const column& c) {
  const auto t = scan<std::string_view>::from(c);
  if (!t) return std::unexpected(t.error());
  return std::string{*t};
}

result<bytes_view> scan<bytes_view>::from(const column& c) {
  if (const auto* b = std::get_if<bytes_view>(&c.value)) return *b;
  return c.mismatch("bytes");
}

result<bytes> scan<bytes>::from(const column& c) {
  const auto b = scan<bytes_view>::from(c);
  if (!b) return std::unexpected(b.error());
  return bytes(b->begin(), b->end());
}

result<value> scan<value>::from(const column& c) {
  return std::visit(
      []<class T>(const T& held) {
        if constexpr (std::is_same_v<T, std::string_view>) {
          return value{std::string{held}};
        } else if constexpr (std::is_same_v<T, bytes_view>) {
          return value{bytes(held.begin(), held.end())};
        } else {
          return value{held};
        }
      },
      c.value);
}

result<column> row::at(std::size_t i) const {
  if (i < names_.size()) return cell(i);
  return std::unexpected(error{errc::not_found, "the row has fewer columns"}
                             .with("column", static_cast<std::int64_t>(i))
                             .with("columns", static_cast<std::int64_t>(names_.size())));
}

result<column> row::at(std::string_view name) const {
  for (std::size_t i = 0; i < names_.size(); ++i) {
    if (names_[i] == name) return cell(i);
  }
  return std::unexpected(
      error{errc::not_found, "the row has no column '" + std::string{name} + "'"});
}

error row::wrong_width(std::size_t wanted) const {
  return error{errc::invalid_argument, "the row has another number of columns than was asked for"}
      .with("columns", static_cast<std::int64_t>(names_.size()))
      .with("asked for", static_cast<std::int64_t>(wanted));
}

}  // namespace weir::sql
