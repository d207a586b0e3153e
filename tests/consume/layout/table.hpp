#pragma once

#include <cstddef>
#include <span>

/// One public type as some translation unit sees it.
struct layout {
  const char* type;
  std::size_t size;
  std::size_t alignment;
};

std::span<const layout> layout_plain();
std::span<const layout> layout_ndebug();
std::span<const layout> layout_hardened();
