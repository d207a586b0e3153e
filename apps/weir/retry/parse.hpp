#pragma once

#include <string>
#include <variant>
#include <vector>

#include "../finished.hpp"
#include "options.hpp"

namespace weir::retry_cli {

/// Reads the words after `weir retry`. Options end where the command begins: at "--", or at the
/// first word that is no option.
std::variant<app::finished, options> parse(const std::vector<std::string>& words);

}  // namespace weir::retry_cli
