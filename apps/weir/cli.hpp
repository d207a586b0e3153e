#pragma once

#include <variant>

#include "bank/options.hpp"
#include "finished.hpp"
#include "retry/options.hpp"

namespace weir::app {

/// What the command line asks for.
using command = std::variant<finished, bank::options, retry_cli::options>;

command parse_command_line(int argc, const char* const* argv);

}  // namespace weir::app
