#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <type_traits>

#include <weir/context/cases.hpp>
#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>

namespace weir {

class retry_budget;
class retry_hooks;

/// How chance spreads the waits, so that those who failed together do not come back together.
/// b is min(initial · multiplierⁿ, max).
enum class jitter : std::uint8_t {
  none,          ///< b
  proportional,  ///< between b − randomization·b and b + randomization·b
  full,          ///< between 0 and b
  equal,         ///< between b/2 and b
  decorrelated,  ///< between initial and three times the wait before; ignores the multiplier
};

/// What a loop does when its context begins to drain.
enum class while_draining : std::uint8_t { stop, go_on };

/// What a loop does with a wait that no attempt can follow, because time is up before it ends.
enum class doomed_wait : std::uint8_t {
  skip,               ///< ends at once
  wait_out_deadline,  ///< waits until time is up, and ends then
};

/// Whether what may have happened already may happen again: a payment no, a read yes.
enum class idempotency : std::uint8_t { no, yes };

/// What a loop does inside an attempt of another loop. Three layers of four attempts each are 64
/// calls; with one layer that retries they are four.
enum class nested_retry : std::uint8_t {
  once,   ///< makes one attempt and leaves the retries to the outer loop
  go_on,  ///< retries as if it were alone
};

/// Why a loop ended.
enum class retry_reason : std::uint8_t {
  succeeded,
  permanent,        ///< the error says that another attempt would not help
  outcome_unknown,  ///< it may have happened, and the options do not say that it may happen twice
  attempts,         ///< max_retries is used up
  duration,   ///< no time is left for another attempt: max_duration, total_timeout, a deadline
  budget,     ///< the budget that it shares with others is empty
  nested,     ///< an outer loop is retrying already
  cancelled,  ///< the context was cancelled, or its deadline passed
  shutdown,   ///< the context drains
  until,      ///< the operation of `retry_options::until` was ready
  invalid,    ///< the options were refused: nothing ran
};

/// How many reasons there are.
inline constexpr std::size_t retry_reasons =
    std::size_t{1} + static_cast<std::size_t>(retry_reason::invalid);

/// The reason's name, as in "attempts".
const char* name_of(retry_reason why) noexcept;

/// Refers to an operation of any type, or to none. The operation must outlive it, so it is named:
///
///     auto closed = event.wait({});
///     weir::retry attempts{ctx, {.until = closed}};         // OK
///     weir::retry attempts{ctx, {.until = event.wait({})}}; // does not compile: gone too early
class operation_ref {
 public:
  constexpr operation_ref() noexcept = default;
  template <operation O>
  operation_ref(O& op) noexcept : op_(&op), functions_(&functions_of<O>) {}

  [[nodiscard]] explicit operator bool() const noexcept { return op_ != nullptr; }

  /// The operation as a case, without its own context.
  [[nodiscard]] core::wait_case as_case() const noexcept { return functions_(op_); }

 private:
  template <operation O>
  static core::wait_case functions_of(void* op) noexcept {
    return core::make_case(*static_cast<O*>(op));
  }

  void* op_ = nullptr;
  core::wait_case (*functions_)(void*) noexcept = nullptr;
};

/// When to try again, and when to stop. Everything that is not set is unlimited.
struct retry_options {
  // Behaviour.
  duration initial_backoff = std::chrono::milliseconds{50};  ///< before the first retry
  duration max_backoff = std::chrono::seconds{2};            ///< no wait is longer, jitter included
  double multiplier = 2;                                     ///< from wait to wait; at least 1
  weir::jitter jitter = weir::jitter::proportional;
  double randomization = 0.15;  ///< for proportional jitter; from 0 to 1

  std::optional<int> max_retries = std::nullopt;  ///< n retries are n + 1 attempts
  /// From the start to the begin of the last attempt, boundary exclusive. Never interrupts an
  /// attempt; counts again from a reset.
  std::optional<duration> max_duration = std::nullopt;
  /// As max_duration, and a deadline of each attempt's context as well: it does interrupt.
  std::optional<duration> total_timeout = std::nullopt;
  /// Each attempt's context is cancelled after this, or at the end of total_timeout.
  std::optional<duration> attempt_timeout = std::nullopt;
  /// An attempt that lasted this long was healthy: the loop resets before the next.
  std::optional<duration> reset_after = std::nullopt;

  weir::while_draining while_draining = weir::while_draining::stop;
  weir::doomed_wait doomed_wait = weir::doomed_wait::skip;
  weir::idempotency idempotency = weir::idempotency::no;
  weir::nested_retry nested = weir::nested_retry::once;
  /// Ends the loop, and interrupts its waits, when ready. Waited for anew in each wait (a relative
  /// timer starts anew), committed to at most once, and not bounded by its own context but by the
  /// loop's. It must outlive the loop.
  operation_ref until{};

  /// Who pays for the retries, shared with other loops; outlives the loop. Null: nobody.
  retry_budget* budget = nullptr;
  /// Who is told; outlives the loop. Null: nobody.
  retry_hooks* hooks = nullptr;

  /// Same seed, same waits. Not set: every loop has its own.
  std::optional<std::uint64_t> seed = std::nullopt;

  /// Nothing, or invalid_argument with a text "field" that names the first option out of its range.
  [[nodiscard]] result<void> check() const;

  /// These options, for n attempts in total. n ≤ 0 is refused by check().
  [[nodiscard]] retry_options with_max_attempts(int n) const noexcept;
};
// g++ 12 destroys other temporaries twice inside a co_await operand.
static_assert(std::is_trivially_destructible_v<retry_options>);

}  // namespace weir
