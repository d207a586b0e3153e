#pragma once

#include <span>
#include <string>
#include <string_view>

namespace weir::app {

/// Nothing to run: what to print instead, and the exit code.
struct finished {
  int exit_code = 0;
  std::string text;  ///< to standard output if the code is 0, else to standard error
};

/// A refusal: one sentence, and where to read more.
finished misused(std::string_view program, std::string_view sentence, int exit_code);

/// "unknown WHAT 'GIVEN'; did you mean 'KNOWN'?"
std::string unknown(std::string_view what, std::string_view given,
                    std::span<const std::string_view> known);

}  // namespace weir::app
