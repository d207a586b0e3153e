#include "postgres/merge.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstring>

#include "postgres/binary.hpp"

namespace weir::postgres {
namespace {

bool is_space(char c) noexcept {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}
bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
bool begins_word(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c & 0x80) != 0;
}
bool in_word(char c) noexcept {
  return begins_word(c) || is_digit(c) || c == '$';
}

template <std::size_t n>
bool is_one_of(std::string_view word, const std::array<std::string_view, n>& list) noexcept {
  return std::find(list.begin(), list.end(), word) != list.end();
}

/// Copies a statement, with another word for each parameter, as long as it is a plain read.
class plain_read {
 public:
  plain_read(std::string_view text, std::size_t parameters) noexcept
      : text_(text), parameters_(parameters) {}

  std::optional<std::string> copy() {
    while (at_ < text_.size()) {
      if (!token()) return std::nullopt;
    }
    if (!read_ || !from_) return std::nullopt;
    return std::move(out_);
  }

 private:
  bool token() {
    const char c = text_[at_];
    if (is_space(c)) {
      out_ += text_[at_++];
      return true;
    }
    if (begins_word(c)) return word();
    if (c == '$') return parameter();
    if (c == '\'' || c == '"') return quoted(c);
    // Comments; the end of a statement; what only psql and E'…' know.
    if (c == ';' || c == '\\' || text_.substr(at_, 2) == "--" || text_.substr(at_, 2) == "/*") {
      return false;
    }
    // A call, or a type with a precision.
    if (c == '(' && after_name_) return false;
    after_name_ = false;
    out_ += text_[at_++];
    return true;
  }

  bool word() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && in_word(text_[at_])) ++at_;
    const std::string_view found = text_.substr(begin, at_ - begin);
    out_ += found;
    std::string upper{found};
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 32) : c; });
    if (!read_) {
      read_ = upper == "SELECT";
      return read_;
    }
    static constexpr std::array<std::string_view, 14> never{
        "SELECT", "FOR",  "INTO",        "WITH",   "VALUES", "TABLE",   "LATERAL",
        "UNION",  "ROWS", "TABLESAMPLE", "EXCEPT", "WINDOW", "EXECUTE", "INTERSECT"};
    if (is_one_of(upper, never)) return false;
    // What is followed by an expression in parentheses, or a list.
    static constexpr std::array<std::string_view, 17> before_parentheses{
        "WHERE", "AND", "OR", "NOT", "IN",   "ON",   "USING", "BETWEEN", "LIKE",
        "ILIKE", "IS",  "BY", "AS",  "WHEN", "THEN", "ELSE",  "FROM"};
    after_name_ = !is_one_of(std::string_view{upper}, before_parentheses);
    from_ = from_ || upper == "FROM";
    // A prefix of a literal, such as E'…', has rules of its own.
    return at_ == text_.size() || text_[at_] != '\'';
  }

  bool parameter() {
    std::size_t number = 0;
    const char* const begin = text_.data() + at_ + 1;
    const auto end = std::from_chars(begin, text_.data() + text_.size(), number);
    if (end.ptr == begin || end.ec != std::errc{} || number == 0 || number > parameters_) {
      return false;
    }
    at_ = static_cast<std::size_t>(end.ptr - text_.data());
    if (at_ < text_.size() && in_word(text_[at_])) return false;
    out_ += "weir_each.p" + std::to_string(number);
    after_name_ = false;
    return true;
  }

  bool quoted(char quote) {
    const auto end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) return false;
    const std::string_view whole = text_.substr(at_, end + 1 - at_);
    if (whole.find('\\') != std::string_view::npos) return false;
    out_ += whole;
    at_ = end + 1;  // a doubled quote begins another, which is copied next
    after_name_ = quote == '"';
    return true;
  }

  std::string_view text_;
  std::size_t parameters_;
  std::size_t at_ = 0;
  std::string out_;
  bool read_ = false;        // its first word is SELECT
  bool from_ = false;        // it reads from something
  bool after_name_ = false;  // a parenthesis here would begin a call
};

constexpr std::size_t header_bytes = 5 * sizeof(std::int32_t);

}  // namespace

std::optional<Oid> array_of(Oid element) noexcept {
  switch (element) {
    case oid::boolean:
      return 1000;
    case oid::int2:
      return 1005;
    case oid::int4:
      return 1007;
    case oid::int8:
      return 1016;
    case oid::float8:
      return 1022;
    case oid::text:
      return 1009;
    case oid::varchar:
      return 1015;
    case oid::timestamp:
      return 1115;
    case oid::timestamptz:
      return 1185;
    default:
      return std::nullopt;
  }
}

std::optional<std::string> merged_text(std::string_view text, std::span<const Oid> parameters) {
  if (parameters.empty()) return std::nullopt;
  const bool known = std::all_of(parameters.begin(), parameters.end(),
                                 [](Oid type) { return array_of(type).has_value(); });
  if (!known) return std::nullopt;
  const auto read = plain_read{text, parameters.size()}.copy();
  if (!read) return std::nullopt;
  std::string arrays;
  std::string names;
  for (std::size_t i = 1; i <= parameters.size(); ++i) {
    arrays += (i == 1 ? "$" : ", $") + std::to_string(i);
    names += "p" + std::to_string(i) + ", ";
  }
  return "SELECT weir_each.n, weir_read.* FROM unnest(" + arrays +
         ") WITH ORDINALITY AS weir_each(" + names + "n), LATERAL (" + *read + ") AS weir_read";
}

std::optional<std::size_t> execution_of(const PGresult* r, int row) noexcept {
  const char* const data = PQgetvalue(r, row, 0);
  const int length = PQgetlength(r, row, 0);
  if (PQfformat(r, 0) != 0) {
    const auto number = from_network<std::int64_t>(data, length);
    if (!number || *number < 0) return std::nullopt;
    return static_cast<std::size_t>(*number);
  }
  std::size_t number = 0;
  if (std::from_chars(data, data + length, number).ec != std::errc{}) return std::nullopt;
  return number;
}

void merged_parameters::start(const description& what) {
  columns_.resize(what.parameters.size());
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    columns_[i].type = what.parameters[i];
    columns_[i].nulls = false;
    columns_[i].data.assign(header_bytes, '\0');
  }
  size_ = 0;
}

bool merged_parameters::add(const encoded& one) {
  const auto count = static_cast<std::size_t>(one.size());
  for (std::size_t i = 0; i < count; ++i) {
    if (one.pointers()[i] != nullptr && one.formats()[i] != 1) return false;
  }
  for (std::size_t i = 0; i < count; ++i) {
    column& to = columns_[i];
    if (one.pointers()[i] == nullptr) {
      to.nulls = true;
      to.data += to_network<std::int32_t>(-1);
    } else {
      to.data += to_network<std::int32_t>(one.lengths()[i]);
      to.data.append(one.pointers()[i], static_cast<std::size_t>(one.lengths()[i]));
    }
  }
  ++size_;
  return true;
}

void merged_parameters::end() {
  pointers_.clear();
  lengths_.clear();
  formats_.clear();
  for (column& one : columns_) {
    // One dimension, its bounds from 1.
    const std::string header =
        to_network<std::int32_t>(1) + to_network<std::int32_t>(one.nulls ? 1 : 0) +
        to_network<std::int32_t>(static_cast<std::int32_t>(one.type)) +
        to_network<std::int32_t>(static_cast<std::int32_t>(size_)) + to_network<std::int32_t>(1);
    std::memcpy(one.data.data(), header.data(), header_bytes);
    pointers_.push_back(one.data.data());
    lengths_.push_back(static_cast<int>(one.data.size()));
    formats_.push_back(1);
  }
}

}  // namespace weir::postgres
