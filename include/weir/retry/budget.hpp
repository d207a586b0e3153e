#pragma once

#include <cstdint>
#include <type_traits>

#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>
#include <weir/core/sync/atomic.hpp>

namespace weir {

/// How many retries a budget grants.
struct budget_options {
  double per_try = 0.1;         ///< earned by each first try: 0.1 is one retry for ten calls
  double per_success = 0;       ///< earned by each success
  double capacity = 100;        ///< most retries saved up; the longest burst
  double initial = 0;           ///< saved up at the beginning
  double floor_per_second = 1;  ///< granted even when nothing was earned; 0: none

  /// Nothing, or invalid_argument with a text "field" that names the first option out of its range.
  [[nodiscard]] result<void> check() const;
};
static_assert(std::is_trivially_destructible_v<budget_options>);

/// Problem: limits per loop do not protect a server. When it fails, every client retries at once,
/// and the load that broke it is multiplied by the attempts of each.
///
/// A number of tokens that many loops share. First tries (or successes) earn a part of a token,
/// each retry costs one; when none is left, loops end with `retry_reason::budget` instead of
/// retrying. First tries are never refused. Give it to loops and hedged calls as `.budget`.
///
///     weir::retry_budget budget;  // for one server, with the program's lifetime
///     auto row = weir::retry_call(ctx, {.max_retries = 3, .budget = &budget}, fetch);
///
/// At low traffic ten calls may take an hour, and nothing would be earned when it is needed: so a
/// *floor* grants some retries per second whatever was earned. It is asked when nothing else is
/// left, and saves up one second's worth, at least one retry.
///
/// Requires: options that `check()` accepts (asserted in every build); outlives its users.
/// Guarantees: exact under races: retries granted ≤ initial + earned + floor, at every moment.
/// Counts in millionths of a token, so that 0.1 is exact. A loop that ends before it makes the
/// retry that it paid for gives the token back.
/// Blocks: never; no locks. Thread safety: all members.
/// Memory ordering: none to rely on: a token guards no data.
/// Cost: one locked instruction to earn or to spend; a full budget earns with one load. The clock
/// is read only when the floor is asked. 64 bytes.
/// Source: Finagle's RetryBudget, gRPC's retry throttling (A6); the floor is the generic cell rate
/// algorithm (ATM Forum, 1996).
class retry_budget {
 public:
  explicit retry_budget(const budget_options& options = {}, clock& time = steady_clock()) noexcept;
  retry_budget(const retry_budget&) = delete;
  retry_budget& operator=(const retry_budget&) = delete;

  /// A call was tried for the first time.
  void tried() noexcept { earn(per_try_); }

  /// A call succeeded, at whichever attempt.
  void succeeded() noexcept { earn(per_success_); }

  /// True if a retry may be made: it is paid for then.
  [[nodiscard]] bool try_withdraw() noexcept {
    std::int64_t held = micro_.load();
    while (held >= token) {
      // What raced in above the capacity was never there.
      const std::int64_t left = (held < capacity_ ? held : capacity_) - token;
      if (micro_.compare_exchange_weak(held, left)) return true;
    }
    return take_from_floor();
  }

  /// A retry that was paid for is not made.
  void refund() noexcept { earn(token); }

  /// Whole retries that are paid for now; the floor is not among them.
  [[nodiscard]] std::int64_t available() const noexcept;

 private:
  static constexpr std::int64_t token = 1'000'000;

  void earn(std::int64_t amount) noexcept {
    if (amount == 0 || micro_.load() >= capacity_) return;
    micro_.fetch_add(amount);
  }
  bool take_from_floor() noexcept;

  // The budget fills a line: two of them, for two servers, share none.
  alignas(64) core::atomic<std::int64_t> micro_;
  core::atomic<std::int64_t> floor_due_;  // when the floor's next token is due, in ns of `clock_`
  std::int64_t per_try_;
  std::int64_t per_success_;
  std::int64_t capacity_;
  std::int64_t floor_interval_;  // ns between two tokens; 0: none
  std::int64_t floor_saved_;     // how early they may be taken, in ns
  clock& clock_;
};

}  // namespace weir
