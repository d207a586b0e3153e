#include "loop.hpp"

#include <algorithm>
#include <chrono>
#include <system_error>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../text.hpp"

namespace weir::retry_cli {

namespace {

constexpr std::size_t longest_name = 40;
constexpr const char* giving_up = "giving up";

retry_options waits_of(const options& asked) {
  return {.initial_backoff = asked.initial_backoff,
          .max_backoff = asked.max_backoff,
          .multiplier = asked.multiplier,
          .jitter = asked.jitter,
          .randomization = asked.randomization};
}

// Whether whoever read our output through a pipe has gone.
bool nobody_reads_output() {
  struct stat about{};
  if (fstat(STDOUT_FILENO, &about) != 0 || !S_ISFIFO(about.st_mode)) return false;
  pollfd out{STDOUT_FILENO, 0, 0};
  return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

std::string words_for(const attempt_outcome& done, const options& asked) {
  switch (done.end) {
    case attempt_end::by_itself:
      return done.signal ? "killed by " + name_of_signal(*done.signal)
                         : "exit code " + std::to_string(done.code);
    case attempt_end::attempt_timeout:
      return "timed out after " + to_text(asked.attempt_timeout.value_or(done.took)) +
             (done.killed ? ", killed" : "");
    case attempt_end::total_time:
      return std::string{"stopped by --max-duration"} + (done.killed ? ", killed" : "");
    case attempt_end::not_started:
      return "cannot run '" + shortened(asked.command.front(), longest_name) +
             "': " + std::generic_category().message(done.start_errno);
  }
  return {};
}

}  // namespace

loop::loop(const options& asked, std::uint64_t seed, report& told)
    : asked_(asked),
      report_(told),
      input_(asked.keep_limit_bytes),
      display_(asked.quiet),
      backoff_(waits_of(asked), seed),
      start_(steady_clock().now()),
      stop_at_(asked.max_duration ? saturating_add(start_, *asked.max_duration)
                                  : time_point::max()) {}

int loop::run() {
  const surroundings around{asked_, signals_, input_, tty_};
  for (;;) {
    ++number_;
    const duration began = elapsed();
    attempt_outcome done = attempt{around, number_, stop_at_}.run();
    done.began = began;
    report_.add(done);
    if (done.code == exit_code::success) {
      if (number_ > 1) {
        display_.line(head_of(number_) + " succeeded after " + to_text(elapsed()));
      }
      return finish(end_reason::succeeded, done.code);
    }
    if (const auto stop = reason_to_stop(done)) {
      say_failed(done, stop->words);
      const bool time_is_up = stop->why == end_reason::duration;
      return finish(stop->why, time_is_up ? exit_code::timed_out : done.code, done.interrupted);
    }
    const duration wait = backoff_.next(done.output.hint);
    const time_point due = saturating_add(steady_clock().now(), wait);
    if (due >= stop_at_) {
      say_failed(done, "giving up: --max-duration leaves no time");
      return finish(end_reason::duration, exit_code::timed_out);
    }
    report_.add_wait(wait);
    say_failed(done, wait_text(done, wait));
    if (const auto signal = wait_until(due)) {
      display_.line("ended by " + name_of_signal(*signal) + " before attempt " +
                    std::to_string(number_ + 1));
      return finish(end_reason::signal, exit_code::signal_base + *signal, signal);
    }
  }
}

bool loop::is_worth_another(const attempt_outcome& done) const noexcept {
  if (done.end == attempt_end::attempt_timeout) return true;
  if (asked_.on_exit && asked_.on_exit->contains(done.code)) return true;
  if (done.end == attempt_end::not_started) return false;
  if (asked_.on_output && done.output.matched) return true;
  return !asked_.on_exit && !asked_.on_output;
}

std::optional<loop::stop> loop::reason_to_stop(const attempt_outcome& done) const {
  if (done.interrupted) {
    return stop{end_reason::signal, "ended by " + name_of_signal(*done.interrupted)};
  }
  if (done.end == attempt_end::total_time) return stop{end_reason::duration, giving_up};
  if (!is_worth_another(done)) {
    if (done.end == attempt_end::not_started) return stop{end_reason::permanent, giving_up};
    const char* which = !asked_.on_output ? "--on-exit does not list it"
                        : !asked_.on_exit ? "--on-output matches no line"
                                          : "none of --on-exit, --on-output";
    return stop{end_reason::permanent, std::string{"giving up: "} + which};
  }
  if (done.output.hint && *done.output.hint < duration::zero()) {
    return stop{end_reason::permanent, "giving up: the output asks for that"};
  }
  if (!done.output.held_all) {
    return stop{end_reason::output, "giving up: output longer than --keep-limit"};
  }
  if (nobody_reads_output()) {
    return stop{end_reason::output, "giving up: nobody reads the output"};
  }
  if (!input_.replayable()) {
    return stop{end_reason::input, "giving up: input longer than --keep-limit"};
  }
  if (asked_.max_attempts && number_ >= *asked_.max_attempts) {
    return stop{end_reason::attempts, "giving up after " + to_text(elapsed())};
  }
  return std::nullopt;
}

std::string loop::head_of(int number) const {
  std::string text = "attempt " + std::to_string(number);
  if (asked_.max_attempts) text += " of " + std::to_string(*asked_.max_attempts);
  return text;
}

void loop::say_failed(const attempt_outcome& done, const std::string& next) {
  const std::string words = words_for(done, asked_);
  if (done.end == attempt_end::not_started && number_ == 1 && next == giving_up) {
    display_.complain(words);  // as a shell would, and as quiet as a shell would be
    return;
  }
  display_.line(head_of(number_) + ": " + words + "; " + next);
}

std::string loop::wait_text(const attempt_outcome& done, duration wait) const {
  std::string text = "next in " + to_text(wait);
  if (!done.output.hint) return text;
  text += ", asked for " + to_text(*done.output.hint);
  if (*done.output.hint > asked_.max_backoff) text += " (see --max-backoff)";
  return text;
}

std::optional<int> loop::wait_until(time_point due) {
  for (;;) {
    while (const auto signal = signals_.next()) {
      if (*signal == SIGCHLD) reap_others();
      if (*signal == SIGTSTP) {
        display_.end_countdown();
        raise(SIGSTOP);
      }
      if (ends_a_wait(*signal)) {
        display_.end_countdown();
        return signal;
      }
    }
    const duration left = due - steady_clock().now();
    if (left <= duration::zero()) break;
    const duration pause = std::min(left, display_.countdown(left));
    pollfd news{signals_.fd(), POLLIN, 0};
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(pause);
    const timespec length{static_cast<time_t>(seconds.count()),
                          static_cast<long>((pause - seconds).count())};
    ppoll(&news, 1, &length, nullptr);
  }
  display_.end_countdown();
  return std::nullopt;
}

int loop::finish(end_reason why, int code, std::optional<int> signal) {
  if (const auto written = report_.write(why, code, signal, elapsed()); !written) {
    display_.complain(written.error().message());
  }
  return code;
}

}  // namespace weir::retry_cli
