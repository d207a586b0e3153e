#pragma once

#include <cstdint>
#include <optional>

#include <weir/retry/options.hpp>

namespace weir {

/// Problem: growing, jittered waits are six lines of arithmetic in which most libraries have had
/// an overflow, a negative wait, or a cap that jitter exceeds.
///
/// The waits of one loop, one after the other: no context, no clock, no limits. `retry` is the loop
/// around it.
///
/// Requires: options that `check()` accepts.
/// Guarantees: every wait is within [0, max_backoff]; the result is rounded up to whole
/// nanoseconds. Saturating: any number of waits stays finite. Same seed, same waits.
/// Blocks: never. Thread safety: one owner. Cost: a few nanoseconds, no allocation.
/// Source: "Exponential Backoff And Jitter" (AWS); CockroachDB's retry for the proportional form.
class backoff {
 public:
  backoff(const retry_options& options, std::uint64_t seed) noexcept;

  /// The next wait. A hint, such as a server's Retry-After, makes it no shorter than the hint,
  /// itself not longer than max_backoff.
  duration next(std::optional<duration> hint = std::nullopt) noexcept;

  /// Starts over, with the same seed.
  void reset() noexcept;

  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

 private:
  double uniform(double low, double high) noexcept;

  double initial_ns_;
  double multiplier_;
  double randomization_;
  double base_ns_;  // min(initial · multiplierⁿ, max); decorrelated: the wait before
  duration max_;
  std::uint64_t seed_;
  std::uint32_t draws_ = 0;
  weir::jitter jitter_;
};

}  // namespace weir
