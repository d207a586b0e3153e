#include <algorithm>

#include <weir/sql/uuid.hpp>

namespace weir::sql {
namespace {

constexpr std::string_view digits = "0123456789abcdef";

constexpr bool dash_before(std::size_t octet) noexcept {
  return octet == 4 || octet == 6 || octet == 8 || octet == 10;
}

std::optional<unsigned> digit(char c) noexcept {
  if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  const std::size_t at = digits.find(c);
  if (at == std::string_view::npos) return std::nullopt;
  return static_cast<unsigned>(at);
}

}  // namespace

std::optional<uuid> uuid::parse(std::string_view text) noexcept {
  if (text.size() != 36) return std::nullopt;
  uuid read;
  std::size_t at = 0;
  for (std::size_t i = 0; i < read.octets.size(); ++i) {
    if (dash_before(i) && text[at++] != '-') return std::nullopt;
    const auto high = digit(text[at++]);
    const auto low = digit(text[at++]);
    if (!high || !low) return std::nullopt;
    read.octets[i] = static_cast<std::byte>(*high * 16 + *low);
  }
  return read;
}

std::string uuid::to_string() const {
  std::string text;
  text.reserve(36);
  for (std::size_t i = 0; i < octets.size(); ++i) {
    if (dash_before(i)) text += '-';
    const auto octet = std::to_integer<unsigned>(octets[i]);
    text += digits[octet / 16];
    text += digits[octet % 16];
  }
  return text;
}

result<uuid> scan<uuid>::from(const column& c) {
  if (const auto* text = std::get_if<std::string_view>(&c.value)) {
    if (const auto read = uuid::parse(*text)) return *read;
  } else if (const auto* raw = std::get_if<bytes_view>(&c.value)) {
    uuid read;
    if (raw->size() == read.octets.size()) {
      std::copy(raw->begin(), raw->end(), read.octets.begin());
      return read;
    }
  }
  return c.mismatch("a UUID");
}

}  // namespace weir::sql
