#pragma once

#include <string_view>

namespace weir::app {

/// What `weir --help` and `weir bank --help` print, at most 80 columns wide.
std::string_view program_help() noexcept;
std::string_view bank_help() noexcept;

}  // namespace weir::app
