#include "transfer.hpp"

#include <charconv>
#include <cstdio>

namespace weir::bank {

namespace {

// Crockford's: no letter that looks like a digit, and in the order of the values.
constexpr char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

void write_base32(char* to, std::size_t width, std::uint64_t value) noexcept {
  for (std::size_t i = width; i-- > 0; value >>= 5) to[i] = digits[value & 31];
}

std::uint64_t mixed(std::uint64_t z) noexcept {
  // splitmix64's output function.
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::uint32_t checksum(std::string_view text) noexcept {
  std::uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

// Takes the next field, and the blank after it, off the front.
std::string_view next_field(std::string_view& rest) noexcept {
  const std::size_t blank = rest.find(' ');
  const std::string_view field = rest.substr(0, blank);
  rest = blank == std::string_view::npos ? std::string_view{} : rest.substr(blank + 1);
  return field;
}

template <class T>
bool read_number(std::string_view field, T& into, int base = 10) noexcept {
  const auto [end, code] = std::from_chars(field.data(), field.data() + field.size(), into, base);
  return code == std::errc{} && end == field.data() + field.size();
}

}  // namespace

transfer_id::transfer_id(std::uint64_t run, std::uint64_t client, std::uint64_t sequence) noexcept {
  write_base32(text_.data(), 8, run);
  text_[8] = '-';
  write_base32(text_.data() + 9, 4, client);
  text_[13] = '-';
  write_base32(text_.data() + 14, 8, sequence);
}

bool is_transfer_id(std::string_view text) noexcept {
  if (text.size() != transfer_id::length || text[8] != '-' || text[13] != '-') return false;
  constexpr std::string_view allowed{digits};
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (i != 8 && i != 13 && allowed.find(text[i]) == std::string_view::npos) return false;
  }
  return true;
}

transfer_source::transfer_source(std::uint64_t seed, std::uint64_t client,
                                 std::int64_t scale) noexcept
    : state_(mixed(seed ^ mixed(client + 1))), scale_(scale) {}

transfer transfer_source::next() noexcept {
  transfer t;
  t.account = up_to(scale_ * accounts_per_branch);
  t.branch = up_to(scale_);
  t.teller = up_to(scale_ * tellers_per_branch);
  t.delta = up_to(10'001) - 5'001;
  return t;
}

std::int64_t transfer_source::up_to(std::int64_t most) noexcept {
  state_ += 0x9e3779b97f4a7c15ULL;
  const auto range = static_cast<std::uint64_t>(most);
  // The upper bits of a product instead of a remainder: faster, and as even.
  __extension__ using wide = unsigned __int128;
  return static_cast<std::int64_t>((wide{mixed(state_)} * range) >> 64) + 1;
}

void append_line(std::string& out, std::string_view id, const transfer& t) {
  const std::size_t begin = out.size();
  out += id;
  for (const std::int64_t number : {t.teller, t.branch, t.account, t.delta}) {
    char text[24];
    const auto [end, code] = std::to_chars(text, text + sizeof text, number);
    static_cast<void>(code);  // 24 characters hold any of them
    out += ' ';
    out.append(text, end);
  }
  char sum[16];
  const int length =
      std::snprintf(sum, sizeof sum, " %08x\n", checksum(std::string_view{out}.substr(begin)));
  out.append(sum, static_cast<std::size_t>(length));
}

std::optional<journal_line> parse_line(std::string_view line) noexcept {
  const std::size_t last = line.rfind(' ');
  if (last == std::string_view::npos) return std::nullopt;
  std::uint32_t sum = 0;
  if (!read_number(line.substr(last + 1), sum, 16)) return std::nullopt;
  std::string_view rest = line.substr(0, last);
  if (checksum(rest) != sum) return std::nullopt;

  journal_line found;
  found.id = next_field(rest);
  const bool complete = is_transfer_id(found.id) &&
                        read_number(next_field(rest), found.what.teller) &&
                        read_number(next_field(rest), found.what.branch) &&
                        read_number(next_field(rest), found.what.account) &&
                        read_number(next_field(rest), found.what.delta) && rest.empty();
  if (!complete) return std::nullopt;
  return found;
}

}  // namespace weir::bank
