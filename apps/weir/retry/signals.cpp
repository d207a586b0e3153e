#include "signals.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include <sys/signalfd.h>

namespace weir::retry_cli {

namespace {

constexpr int ending[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT};
constexpr int passed_on[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
// SIGCHLD and SIGTSTP are acted on. SIGCONT tells that the program was stopped.
constexpr int own[] = {SIGCHLD, SIGTSTP, SIGCONT};
// Writing to a closed pipe, and to or from a terminal that is somebody else's, is to be an error.
constexpr int silenced[] = {SIGPIPE, SIGTTOU, SIGTTIN};

}  // namespace

signal_source::signal_source() {
  sigset_t watched;
  sigemptyset(&watched);
  for (const int signal : passed_on) sigaddset(&watched, signal);
  for (const int signal : own) sigaddset(&watched, signal);
  sigset_t blocked = watched;
  for (const int signal : silenced) sigaddset(&blocked, signal);
  pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  fd_ = unique_fd{signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC)};
  if (!fd_) throw std::system_error(errno, std::generic_category(), "cannot watch for signals");
  // Where it was ignored, nobody would be told how a command ended.
  std::signal(SIGCHLD, SIG_DFL);
}

std::optional<int> signal_source::next() {
  signalfd_siginfo info{};
  if (read(fd_.get(), &info, sizeof info) != static_cast<ssize_t>(sizeof info)) return std::nullopt;
  return static_cast<int>(info.ssi_signo);
}

bool ends_the_loop(int signal) noexcept {
  return std::ranges::find(ending, signal) != std::end(ending);
}

bool is_forwarded(int signal) noexcept {
  return std::ranges::find(passed_on, signal) != std::end(passed_on);
}

bool ends_a_wait(int signal) noexcept {
  return is_forwarded(signal) && signal != SIGWINCH;
}

std::string name_of_signal(int signal) {
  const char* name = sigabbrev_np(signal);
  return name != nullptr ? std::string{"SIG"} + name : "signal " + std::to_string(signal);
}

}  // namespace weir::retry_cli
