#include <cstdio>
#include <cstdlib>

#include <weir/core/assert.hpp>

namespace weir::core {

void misuse(const char* sentence, std::source_location where) noexcept {
  std::fprintf(stderr, "weir: %s:%u: %s\n", where.file_name(), static_cast<unsigned>(where.line()),
               sentence);
  std::abort();
}

}  // namespace weir::core
