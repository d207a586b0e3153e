#include <algorithm>
#include <cctype>

#include <weir/sql/url.hpp>

namespace weir::sql {
namespace {

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool is_scheme(std::string_view text) noexcept {
  const auto fits = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '+' || c == '-' || c == '.';
  };
  return !text.empty() && std::isalpha(static_cast<unsigned char>(text[0])) != 0 &&
         std::all_of(text.begin(), text.end(), fits);
}

bool is_secret(std::string_view name) {
  std::string lower{name};
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  static constexpr std::string_view marks[] = {"pass", "pwd", "secret", "token", "key"};
  return std::any_of(std::begin(marks), std::end(marks),
                     [&](std::string_view mark) { return lower.find(mark) != std::string::npos; });
}

}  // namespace

std::optional<std::string> percent_decoded(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    if (i + 2 >= text.size()) return std::nullopt;
    const int high = hex_digit(text[i + 1]);
    const int low = hex_digit(text[i + 2]);
    if (high < 0 || low < 0) return std::nullopt;
    out += static_cast<char>(high * 16 + low);
    i += 2;
  }
  return out;
}

result<url> url::parse(std::string_view text) {
  const auto colon = text.find(':');
  if (colon == std::string_view::npos || !is_scheme(text.substr(0, colon))) {
    return fail(errc::invalid_argument,
                "a database address begins with its kind and a colon, as in sqlite:ledger.db");
  }
  url out;
  out.scheme_ = text.substr(0, colon);
  std::string_view rest = text.substr(colon + 1);
  const auto question = rest.find('?');
  out.body_ = rest.substr(0, question);
  if (question == std::string_view::npos) return out;
  rest.remove_prefix(question + 1);
  while (!rest.empty()) {
    const auto end = std::min(rest.find('&'), rest.size());
    const std::string_view one = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (one.empty()) continue;
    const auto equals = one.find('=');
    const auto name = percent_decoded(one.substr(0, equals));
    const auto value = percent_decoded(equals == std::string_view::npos ? std::string_view{}
                                                                        : one.substr(equals + 1));
    if (!name || !value) {
      return std::unexpected(
          error{errc::invalid_argument, "a parameter of the " + out.scheme_ +
                                            " address has a '%' that is not followed by "
                                            "two hexadecimal digits"});
    }
    out.parameters_.emplace_back(*name, *value);
  }
  return out;
}

std::optional<std::string_view> url::parameter(std::string_view name) const noexcept {
  for (const auto& [key, value] : parameters_) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string url::redacted() const {
  std::string out = scheme_ + ":";
  const auto authority = body_.starts_with("//") ? body_.find('/', 2) : 0;
  const auto at = authority == 0 ? std::string::npos : body_.rfind('@', authority);
  const auto colon = at == std::string::npos ? at : body_.find(':', 2);
  if (at != std::string::npos && colon < at) {
    out += body_.substr(0, colon + 1) + "***" + body_.substr(at);
  } else {
    out += body_;
  }
  char separator = '?';
  for (const auto& [name, value] : parameters_) {
    out += separator;
    out += name + "=" + (is_secret(name) ? "***" : value);
    separator = '&';
  }
  return out;
}

}  // namespace weir::sql
