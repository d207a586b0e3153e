#pragma once

#include <cstdint>
#include <optional>

#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>

namespace weir {

/// What an error means for whoever may try again: another attempt may help; it may, but not before
/// the time that the other side asked for; it would not; or nobody knows whether it happened.
class retry_verdict {
 public:
  static constexpr retry_verdict retry() noexcept { return retry_verdict{kind::retry}; }
  static constexpr retry_verdict permanent() noexcept { return retry_verdict{kind::permanent}; }
  /// Not earlier than `hint` (or max_backoff, if that is less). A negative hint says: never.
  static constexpr retry_verdict retry_after(duration hint) noexcept {
    return hint < duration::zero() ? permanent() : retry_verdict{kind::retry, hint};
  }
  /// It may have happened: another attempt only if it may happen twice (see `idempotency`).
  static constexpr retry_verdict outcome_unknown() noexcept {
    return retry_verdict{kind::outcome_unknown};
  }

  /// What the error itself says of another attempt: that its outcome is unknown (commit_unknown),
  /// or how long to wait (its number "retry after", as drivers and `circuit_breaker` give it); else
  /// that it may help.
  static retry_verdict told_by(const error& why) noexcept;

  [[nodiscard]] constexpr bool again() const noexcept { return kind_ != kind::permanent; }
  [[nodiscard]] constexpr bool unknown() const noexcept { return kind_ == kind::outcome_unknown; }
  [[nodiscard]] constexpr std::optional<duration> hint() const noexcept { return hint_; }

 private:
  enum class kind : std::uint8_t { retry, permanent, outcome_unknown };

  explicit constexpr retry_verdict(kind what, std::optional<duration> hint = std::nullopt) noexcept
      : hint_(hint), kind_(what) {}

  std::optional<duration> hint_;
  kind kind_;
};

/// The classifier if none is given: another attempt may help unless the error says that the request
/// itself is wrong.
retry_verdict retry_if_transient(const error& why) noexcept;

/// For what must not happen twice: as retry_if_transient, but after an error that leaves open
/// whether it happened (a timeout, a broken connection) the outcome is unknown. Errors that refuse
/// the request at the door (unavailable, throttled, busy, conflict, exhausted, server_down) do not.
retry_verdict retry_if_refused(const error& why) noexcept;

/// The number by which an error says how long to wait: `error.with(retry_after_number, 2s)`.
inline constexpr literal retry_after_number{"retry after"};

}  // namespace weir
