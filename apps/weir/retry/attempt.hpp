#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <weir/core/clock.hpp>

#include "child.hpp"
#include "input.hpp"
#include "options.hpp"
#include "relay.hpp"
#include "signals.hpp"
#include "tty.hpp"

namespace weir::retry_cli {

/// What ended an attempt.
enum class attempt_end : std::uint8_t {
  by_itself,
  attempt_timeout,
  total_time,   ///< --max-duration
  not_started,  ///< there is no such command, or it cannot be executed
};

/// One attempt, after it.
struct attempt_outcome {
  attempt_end end = attempt_end::by_itself;
  int code = 0;               ///< 124 if a timeout ended it, 126 or 127 if it did not start
  std::optional<int> signal;  ///< that killed the command
  int start_errno = 0;
  bool killed = false;  ///< SIGTERM was not enough
  findings output;
  std::optional<int> interrupted;  ///< the first signal, sent to us or typed, that ends the loop
  duration began{};                ///< since the start of the loop
  duration took{};
};

/// What all attempts of a loop share.
struct surroundings {
  const options& asked;
  signal_source& signals;
  command_input& input;
  controlling_tty& tty;
};

/// Runs a command to its end, while it passes on input, output and signals.
///
///   running ──exit──────────────► ended ──output passed on──► (done)
///      │                            ▲
///      │ time                       │ nobody of its group is left
///      └──► terminating ──grace──► killing
///           (SIGTERM)              (SIGKILL)
///
/// A command that ends by itself leaves its background processes alone; what they still write is
/// waited for, for a second. A timeout ends the whole group.
class attempt {
 public:
  attempt(const surroundings& around, int number, time_point stop_at);

  /// Throws std::system_error.
  attempt_outcome run();

 private:
  enum class phase : std::uint8_t { running, terminating, killing };

  bool start();
  [[nodiscard]] bool done(time_point now) const noexcept;
  /// Begins to pass on what was held of the output, now that it is known where to.
  bool release_held(time_point now) noexcept;
  void look_at_time(time_point now) noexcept;
  [[nodiscard]] time_point next_deadline(time_point now) const noexcept;
  void wait_for_news(time_point now);
  void handle_signals();
  void child_news();
  void stopped(int signal);
  void conclude();
  [[nodiscard]] bool reads_on(time_point now) const noexcept;

  const surroundings& around_;
  int number_;
  time_point begun_;
  time_point time_up_;
  attempt_end which_time_ = attempt_end::attempt_timeout;
  phase phase_ = phase::running;
  time_point next_step_;                       // when time makes the phase move on
  time_point read_until_ = time_point::max();  // set when the command has ended
  child_group child_;
  attempt_outcome outcome_;
  output_relay output_;
  output_relay errors_;
};

}  // namespace weir::retry_cli
