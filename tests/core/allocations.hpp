#pragma once

#include <cstddef>

namespace weir_test {

/// How often this program has called operator new.
std::size_t allocations() noexcept;

/// The so-manieth call of this thread from now on finds no memory; 0: none does.
void fail_allocation(std::size_t number) noexcept;

}  // namespace weir_test
