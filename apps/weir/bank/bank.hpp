#pragma once

#include "options.hpp"

namespace weir::bank {

/// What the program leaves with. Signals that had to be obeyed twice are the shutdown report's.
enum exit_code : int { passed = 0, failed = 1, usage = 2, forced = 3, abandoned = 4 };

/// Runs `weir bank`: audits what the last run left, loads if needed, runs the clients until the
/// time is up or a signal comes, reports, audits. Prints; returns the exit code.
///
/// Requires: the options are checked. Once in a process: it takes SIGINT and SIGTERM.
int run(const options& how);

}  // namespace weir::bank
