#pragma once

#include <source_location>
#include <string>
#include <string_view>

namespace weir::core {

/// "bank/main.cpp:41": the end of the path tells enough.
inline std::string text_of(std::source_location site) {
  std::string_view path = site.file_name();
  const std::size_t slash = path.rfind('/');
  if (slash != std::string_view::npos && slash > 0) {
    const std::size_t before = path.rfind('/', slash - 1);
    if (before != std::string_view::npos) path.remove_prefix(before + 1);
  }
  return std::string{path} + ":" + std::to_string(site.line());
}

}  // namespace weir::core
