#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace weir::bank {

inline constexpr std::int64_t accounts_per_branch = 100'000;
inline constexpr std::int64_t tellers_per_branch = 10;

/// Names one transfer for good: in the table's history (as pgbench's 22 characters of filler) and
/// in the journal.
///
///     0k3v5c2p-0007-0000019a        run (its start in ms), client, sequence, in base 32
class transfer_id {
 public:
  static constexpr std::size_t length = 22;

  transfer_id(std::uint64_t run, std::uint64_t client, std::uint64_t sequence) noexcept;

  [[nodiscard]] std::string_view view() const noexcept { return {text_.data(), text_.size()}; }

 private:
  std::array<char, length> text_;
};

/// True if `text` has the form of a transfer's id.
[[nodiscard]] bool is_transfer_id(std::string_view text) noexcept;

/// What pgbench's script draws for one transaction.
struct transfer {
  std::int64_t teller = 0;
  std::int64_t branch = 0;
  std::int64_t account = 0;
  std::int64_t delta = 0;
};

/// Draws transfers for one client: the same seed, client and scale give the same ones.
class transfer_source {
 public:
  transfer_source(std::uint64_t seed, std::uint64_t client, std::int64_t scale) noexcept;

  transfer next() noexcept;

 private:
  std::int64_t up_to(std::int64_t most) noexcept;

  std::uint64_t state_;
  std::int64_t scale_;
};

/// The journal's line for a transfer, with a newline:
///
///     ID TELLER BRANCH ACCOUNT DELTA CHECKSUM
///
/// The checksum (FNV-1a, 32 bits, hexadecimal) is of everything before the blank in front of it.
void append_line(std::string& out, std::string_view id, const transfer& t);
inline constexpr std::size_t most_line_bytes = 128;

struct journal_line {
  std::string_view id;
  transfer what;
};

/// Reads a line without its newline. Nothing if the checksum or the form is wrong.
[[nodiscard]] std::optional<journal_line> parse_line(std::string_view line) noexcept;

}  // namespace weir::bank
