#include "secrets.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace weir::app {
namespace {

void cover(char* text, std::size_t from, std::size_t to) noexcept {
  std::fill(text + from, text + std::max(from, to), '*');
}

/// scheme://user:HERE@host/…, and …?password=HERE&….
void hide_in(char* argument) noexcept {
  const std::string_view text{argument};
  const std::size_t authority = text.find("://");
  if (authority == std::string_view::npos) return;
  // The last '@': a password that should have been escaped may hold others, and '/' too.
  const std::size_t at = text.rfind('@');
  const std::size_t colon = text.find(':', authority + 3);
  if (at != std::string_view::npos && colon < at) cover(argument, colon + 1, at);
  for (const std::string_view name : {"password=", "sslpassword="}) {
    for (std::size_t found = text.find(name); found != std::string_view::npos;
         found = text.find(name, found + 1)) {
      const std::size_t value = found + name.size();
      cover(argument, value, std::min(text.find('&', value), text.size()));
    }
  }
}

}  // namespace

void hide_passwords(int argc, char** argv) noexcept {
  for (int i = 1; i < argc; ++i) hide_in(argv[i]);
}

}  // namespace weir::app
