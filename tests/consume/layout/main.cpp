// Claim: a class has one layout, whatever macros its users compile with.

#include <cstddef>
#include <cstdio>
#include <span>

#include "table.hpp"

static int differences(const char* flavour, std::span<const layout> plain,
                       std::span<const layout> other) {
  int found = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (plain[i].size == other[i].size && plain[i].alignment == other[i].alignment) continue;
    std::printf("%s: %zu bytes aligned to %zu, but %zu aligned to %zu when compiled %s\n",
                plain[i].type, plain[i].size, plain[i].alignment, other[i].size, other[i].alignment,
                flavour);
    ++found;
  }
  return found;
}

int main() {
  const auto plain = layout_plain();
  const int found = differences("with NDEBUG", plain, layout_ndebug()) +
                    differences("with _GLIBCXX_ASSERTIONS", plain, layout_hardened());
  std::printf("%zu types, %d differences\n", plain.size(), found);
  return found == 0 ? 0 : 1;
}
