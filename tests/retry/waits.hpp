#pragma once

#include <vector>

#include <weir/retry/backoff.hpp>

namespace weir::test {

inline constexpr jitter every_jitter[] = {jitter::none, jitter::proportional, jitter::full,
                                          jitter::equal, jitter::decorrelated};

inline std::vector<duration> first_waits(backoff& source, int count) {
  std::vector<duration> waits;
  for (int i = 0; i < count; ++i) waits.push_back(source.next());
  return waits;
}

}  // namespace weir::test
