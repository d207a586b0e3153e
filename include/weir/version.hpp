#pragma once

namespace weir {

/// The version of the headers this file belongs to. CMake reads it from here.
inline constexpr const char* version_string = "0.1.0";

/// The version of the compiled library the program is linked to. When it differs from
/// `version_string`, headers and library come from different installations.
const char* linked_version() noexcept;

}  // namespace weir
