#pragma once

#include <optional>
#include <string>

#include <weir/core/clock.hpp>
#include <weir/retry/backoff.hpp>

#include "attempt.hpp"
#include "display.hpp"
#include "input.hpp"
#include "options.hpp"
#include "report.hpp"
#include "signals.hpp"
#include "tty.hpp"

namespace weir::retry_cli {

/// The loop of one `weir retry`.
///
///   attempting ──failed──► waiting ──time──► attempting
///       │                     │
///       └─ succeeded, ────────┴─ a signal ──► ended
///          a reason to stop
///
/// The reasons are looked at in the order of `end_reason`'s names in `reason_to_stop`, before a
/// wait begins: no wait is begun that no attempt can follow.
class loop {
 public:
  loop(const options& asked, std::uint64_t seed, report& told);

  /// The exit code.
  int run();

 private:
  /// Why there is no other attempt, and the words for it.
  struct stop {
    end_reason why;
    std::string words;
  };

  [[nodiscard]] std::optional<stop> reason_to_stop(const attempt_outcome& done) const;
  [[nodiscard]] bool is_worth_another(const attempt_outcome& done) const noexcept;
  [[nodiscard]] std::string head_of(int number) const;
  /// The signal that ended the wait, if one did.
  std::optional<int> wait_until(time_point due);
  void say_failed(const attempt_outcome& done, const std::string& next);
  [[nodiscard]] std::string wait_text(const attempt_outcome& done, duration wait) const;
  int finish(end_reason why, int code, std::optional<int> signal = std::nullopt);
  [[nodiscard]] duration elapsed() const noexcept { return steady_clock().now() - start_; }

  const options& asked_;
  report& report_;
  signal_source signals_;
  command_input input_;
  controlling_tty tty_;
  display display_;
  weir::backoff backoff_;
  time_point start_;
  time_point stop_at_;  ///< start + --max-duration, or max()
  int number_ = 0;      ///< of the attempt, from 1
};

}  // namespace weir::retry_cli
