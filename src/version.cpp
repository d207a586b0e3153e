#include <weir/version.hpp>

namespace weir {

const char* linked_version() noexcept {
  return version_string;
}

}  // namespace weir
