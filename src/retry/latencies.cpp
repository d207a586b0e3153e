#include <algorithm>
#include <cmath>

#include <weir/core/assert.hpp>
#include <weir/retry/latencies.hpp>

namespace weir {

void recent_latencies::record(duration took) noexcept {
  const std::uint64_t place = recorded_.fetch_add(1);
  last_[place % kept].store(took.count());
}

std::optional<duration> recent_latencies::percentile(double p) const noexcept {
  WEIR_ASSERT(p >= 0 && p <= 1, "a percentile is a share from 0 to 1");
  const auto known = static_cast<std::size_t>(std::min<std::uint64_t>(recorded_.load(), kept));
  if (known < needed) return std::nullopt;
  std::array<duration::rep, kept> sorted{};
  for (std::size_t i = 0; i < known; ++i) sorted[i] = last_[i].load();
  const auto rank = static_cast<std::size_t>(std::ceil(p * static_cast<double>(known)));
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(rank > 0 ? rank - 1 : 0);
  std::nth_element(sorted.begin(), at, sorted.begin() + static_cast<std::ptrdiff_t>(known));
  return duration{*at};
}

}  // namespace weir
