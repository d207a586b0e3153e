#pragma once

#include <array>
#include <cstdint>

#include <weir/core/sync/atomic.hpp>
#include <weir/retry/options.hpp>

namespace weir {

/// A moment in a loop.
struct retry_step {
  int attempt;       ///< the attempt that begins, or that was the last, from 0; −1: none was made
  duration elapsed;  ///< since the start or the last reset
  const error* why;  ///< what the last attempt failed with; null: nothing was reported
  duration wait;     ///< until the next attempt, where one follows
};

/// Who is told of what loops do: a log, a metric. Give it to loops as `.hooks`.
///
/// Called on the flow of the loop, with no lock held. Every method does nothing by default.
/// Requires: must not wait, and must not throw. One object may serve many loops, at once.
class retry_hooks {
 public:
  /// An attempt begins.
  virtual void attempt_begins(const retry_step&) noexcept {}
  /// A retry was decided on and paid for; it comes after `wait`.
  virtual void wait_begins(const retry_step&) noexcept {}
  /// The loop has ended. Not called for a loop that is merely left.
  virtual void loop_ended(retry_reason, const retry_step&) noexcept {}

 protected:
  ~retry_hooks() = default;
};

/// Counts what loops do. Thread safety: all members; figures of one moment may be torn.
class retry_counters final : public retry_hooks {
 public:
  struct figures {
    std::uint64_t first_tries;
    std::uint64_t retries;
    duration waited;  ///< intended waits; those that were cut short count whole
    std::array<std::uint64_t, retry_reasons> ended;

    [[nodiscard]] std::uint64_t ended_by(retry_reason why) const noexcept {
      return ended[static_cast<std::size_t>(why)];
    }
  };

  [[nodiscard]] figures read() const noexcept;

  void attempt_begins(const retry_step& step) noexcept override;
  void wait_begins(const retry_step& step) noexcept override;
  void loop_ended(retry_reason why, const retry_step&) noexcept override;

 private:
  core::atomic<std::uint64_t> first_tries_{0};
  core::atomic<std::uint64_t> retries_{0};
  core::atomic<duration::rep> waited_{0};
  std::array<core::atomic<std::uint64_t>, retry_reasons> ended_{};
};

}  // namespace weir
