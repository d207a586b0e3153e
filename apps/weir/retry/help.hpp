#pragma once

#include <string_view>

namespace weir::retry_cli {

/// What `weir retry --help` prints, at most 80 columns wide.
std::string_view help() noexcept;

}  // namespace weir::retry_cli
