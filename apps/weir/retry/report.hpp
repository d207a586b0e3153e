#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>

#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>

#include "attempt.hpp"
#include "fd.hpp"
#include "options.hpp"

namespace weir::retry_cli {

/// Why the loop ended. The report tells the name.
enum class end_reason : std::uint8_t {
  succeeded,
  permanent,  ///< the failure is none that another attempt is made for
  attempts,   ///< --max-attempts are used up
  duration,   ///< --max-duration leaves no time for another attempt
  signal,
  input,   ///< standard input was longer than what is kept for another attempt
  output,  ///< nobody reads it any more, or some of what was to be held was passed on
};
const char* name_of(end_reason why) noexcept;

/// What --json writes: one object about the whole loop, written when it has ended.
///
/// Keeps the last 1,000 attempts, so that a loop without an end stays small.
class report {
 public:
  /// Opens and empties the file, before anything runs. None if no file is asked for.
  static result<report> open(const options& asked, std::uint64_t seed);

  void add(const attempt_outcome& done);
  /// The wait that was decided on after the last attempt.
  void add_wait(duration wait);

  result<void> write(end_reason why, int exit_code, std::optional<int> signal, duration elapsed);

 private:
  struct entry {
    attempt_outcome done;
    std::optional<duration> wait;
  };

  report(const options& asked, std::uint64_t seed) noexcept : asked_(&asked), seed_(seed) {}

  const options* asked_;
  std::uint64_t seed_;
  unique_fd file_;
  std::uint64_t made_ = 0;
  std::deque<entry> last_;
};

}  // namespace weir::retry_cli
