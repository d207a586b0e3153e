#pragma once

#include <cstddef>

namespace weir_test {

/// How often this program has called operator new.
std::size_t allocations() noexcept;

}  // namespace weir_test
