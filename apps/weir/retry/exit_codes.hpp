#pragma once

#include <bitset>
#include <string_view>

#include <weir/core/error.hpp>

namespace weir::retry_cli {

/// The codes that `weir retry` itself leaves with; others are the command's.
namespace exit_code {
inline constexpr int success = 0;
inline constexpr int timed_out = 124;
inline constexpr int usage = 125;  ///< and what fails before the command can run
inline constexpr int cannot_run = 126;
inline constexpr int not_found = 127;
inline constexpr int signal_base = 128;
}  // namespace exit_code

/// Exit codes of commands, as a person lists them: "1,75,100-110".
class exit_code_set {
 public:
  static constexpr int most = 255;

  /// Refuses what is no list, and 0, since success is never retried.
  static result<exit_code_set> parse(std::string_view list);

  [[nodiscard]] bool contains(int code) const noexcept {
    return code >= 0 && code <= most && codes_[static_cast<std::size_t>(code)];
  }

 private:
  std::bitset<most + 1> codes_;
};

}  // namespace weir::retry_cli
