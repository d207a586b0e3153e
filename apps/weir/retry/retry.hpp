#pragma once

#include "options.hpp"

namespace weir::retry_cli {

/// Runs the command until an attempt succeeds or nothing is left to try. The exit code.
///
/// Requires: no other thread. Throws std::system_error if processes or pipes cannot be had.
int run(const options& asked);

}  // namespace weir::retry_cli
