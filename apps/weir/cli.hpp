#pragma once

#include <string>
#include <variant>

#include "bank/options.hpp"

namespace weir::app {

/// Nothing to run: what to print instead, and the exit code.
struct finished {
  int exit_code = 0;
  std::string text;  ///< to standard output if the code is 0, else to standard error
};

/// What the command line asks for.
using command = std::variant<finished, bank::options>;

command parse_command_line(int argc, const char* const* argv);

}  // namespace weir::app
