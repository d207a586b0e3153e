#include "attempt.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <limits>

#include <poll.h>
#include <unistd.h>

namespace weir::retry_cli {

namespace {

using namespace std::chrono_literals;

// How long what a command left behind may keep its output open. Long enough for the rest of a
// pipeline, and a bound for a server that it started.
constexpr duration linger = 1s;

// What `poll` takes: rounded up, so that nobody wakes a moment too early and spins.
int to_poll_timeout(duration left) {
  if (left <= duration::zero()) return 0;
  const auto ms = std::chrono::ceil<std::chrono::milliseconds>(left).count();
  return static_cast<int>(std::min<std::int64_t>(ms, std::numeric_limits<int>::max()));
}

}  // namespace

attempt::attempt(const surroundings& around, int number, time_point stop_at)
    : around_(around),
      number_(number),
      begun_(steady_clock().now()),
      time_up_(stop_at),
      output_(around.asked, outcome_.output, STDOUT_FILENO),
      errors_(around.asked, outcome_.output, STDERR_FILENO) {
  which_time_ = attempt_end::total_time;
  if (around.asked.attempt_timeout) {
    const time_point own = saturating_add(begun_, *around.asked.attempt_timeout);
    if (own < time_up_) {
      time_up_ = own;
      which_time_ = attempt_end::attempt_timeout;
    }
  }
  next_step_ = time_up_;
}

bool attempt::start() {
  const unique_fd input = around_.input.begin_attempt();
  unique_fd output;
  unique_fd errors;
  const bool hold = around_.asked.hold_stdout;
  const bool read = around_.asked.reads_lines();
  if (hold || read) output = output_.open(hold);
  if (read) errors = errors_.open(false);
  auto started = child_group::start({.command = around_.asked.command,
                                     .signal_mask = around_.signals.original_mask(),
                                     .attempt = number_,
                                     .input = input.get(),
                                     .output = output.get(),
                                     .errors = errors.get()});
  if (started) {
    child_ = *started;
    return true;
  }
  outcome_.end = attempt_end::not_started;
  outcome_.start_errno = started.error();
  outcome_.code = started.error() == ENOENT ? exit_code::not_found : exit_code::cannot_run;
  return false;
}

attempt_outcome attempt::run() {
  if (start()) {
    for (time_point now = begun_; !done(now) || release_held(now); now = steady_clock().now()) {
      look_at_time(now);
      wait_for_news(now);
      handle_signals();
    }
    conclude();
  }
  around_.input.end_attempt();
  output_.close();
  errors_.close();
  outcome_.took = steady_clock().now() - begun_;
  return outcome_;
}

bool attempt::reads_on(time_point now) const noexcept {
  return now < read_until_ && !(output_.ended() && errors_.ended());
}

bool attempt::done(time_point now) const noexcept {
  if (!child_.status()) return false;
  const bool timed_out = phase_ != phase::running;
  // After SIGKILL there is nothing more to be done about those who are left.
  const bool given_up = phase_ == phase::killing && now >= next_step_;
  if (timed_out && child_.alive() && !given_up) return false;
  if (reads_on(now)) return false;
  const bool passed_on = output_.passed_on_all() && errors_.passed_on_all();
  return passed_on || outcome_.interrupted || now >= (timed_out ? read_until_ : time_up_);
}

bool attempt::release_held(time_point now) noexcept {
  if (!output_.holds()) return false;
  const auto& ended = child_.status();
  const bool succeeded = phase_ == phase::running && ended && ended->code == exit_code::success;
  output_.release(succeeded ? STDOUT_FILENO : STDERR_FILENO);
  read_until_ = saturating_add(now, linger);
  return true;
}

void attempt::look_at_time(time_point now) noexcept {
  if (now < next_step_) return;
  switch (phase_) {
    case phase::running:
      if (child_.status()) {  // what is left is its output, which has a bound of its own
        next_step_ = time_point::max();
        return;
      }
      outcome_.end = which_time_;
      phase_ = phase::terminating;
      next_step_ = saturating_add(now, around_.asked.kill_after);
      child_.signal(SIGTERM);
      child_.signal(SIGCONT);  // a stopped process gets SIGTERM only when it goes on
      return;
    case phase::terminating:
      phase_ = phase::killing;
      next_step_ = saturating_add(now, linger);
      outcome_.killed = true;
      child_.signal(SIGKILL);
      return;
    case phase::killing:
      next_step_ = time_point::max();
      return;
  }
}

time_point attempt::next_deadline(time_point now) const noexcept {
  // What has passed is no reason to wake any more.
  return now < read_until_ ? std::min(next_step_, read_until_) : next_step_;
}

void attempt::wait_for_news(time_point now) {
  enum : std::size_t {
    signals,
    in_source,
    in_sink,
    out_source,
    out_sink,
    err_source,
    err_sink,
    all
  };
  command_input& input = around_.input;
  const bool reading = now < read_until_;
  const pollfd wanted[all] = {
      {around_.signals.fd(), POLLIN, 0},   {input.source_wanted(), POLLIN, 0},
      {input.sink_wanted(), POLLOUT, 0},   {reading ? output_.source_wanted() : -1, POLLIN, 0},
      {output_.sink_wanted(), POLLOUT, 0}, {reading ? errors_.source_wanted() : -1, POLLIN, 0},
      {errors_.sink_wanted(), POLLOUT, 0},
  };
  pollfd fds[all];
  std::ranges::copy(wanted, fds);
  const time_point until = next_deadline(now);
  // -1 waits for ever.
  const int timeout = until == time_point::max() ? -1 : to_poll_timeout(until - now);
  if (poll(fds, all, timeout) <= 0) return;
  if (fds[in_sink].revents != 0) input.write_some();
  if (fds[in_source].revents != 0) input.read_some();
  if (fds[out_source].revents != 0) output_.read_some();
  if (fds[out_sink].revents != 0) output_.write_some();
  if (fds[err_source].revents != 0) errors_.read_some();
  if (fds[err_sink].revents != 0) errors_.write_some();
}

void attempt::handle_signals() {
  while (const auto signal = around_.signals.next()) {
    if (*signal == SIGCHLD) {
      child_news();
      continue;
    }
    if (is_forwarded(*signal) || *signal == SIGTSTP || *signal == SIGCONT) child_.signal(*signal);
    if (ends_the_loop(*signal) && !outcome_.interrupted) outcome_.interrupted = signal;
  }
}

void attempt::child_news() {
  if (const auto signal = child_.reap()) stopped(*signal);
  const auto& ended = child_.status();
  if (!ended || read_until_ != time_point::max()) return;
  read_until_ = saturating_add(steady_clock().now(), linger);
  // With the terminal in its hands, the command was the one to whom Ctrl-C was typed.
  const bool by_typing = ended->signal == SIGINT || ended->signal == SIGQUIT;
  if (around_.tty.lent() && by_typing && !outcome_.interrupted) {
    outcome_.interrupted = ended->signal;
  }
  around_.tty.take_back();
}

void attempt::stopped(int signal) {
  controlling_tty& tty = around_.tty;
  const bool wants_tty = signal == SIGTTIN || signal == SIGTTOU;
  if (!tty.exists() || !(wants_tty || signal == SIGTSTP)) return;
  const bool had_tty = tty.lent();
  tty.take_back();
  if (!wants_tty || !tty.is_ours()) {
    raise(SIGSTOP);  // until the shell brings the job back
  }
  if ((had_tty || wants_tty) && tty.is_ours()) tty.lend(child_.id());
  child_.signal(SIGCONT);
}

void attempt::conclude() {
  const auto& ended = child_.status();
  if (outcome_.end == attempt_end::by_itself && ended) {
    outcome_.code = ended->code;
    outcome_.signal = ended->signal;
  } else {
    outcome_.code = exit_code::timed_out;
  }
}

}  // namespace weir::retry_cli
