#include "child.hpp"

#include <cerrno>
#include <string_view>
#include <system_error>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exit_codes.hpp"
#include "fd.hpp"

namespace weir::retry_cli {

namespace {

constexpr std::string_view attempt_variable = "WEIR_RETRY_ATTEMPT=";

// In the new process, which shares our memory until it runs the command, and so changes none of it.
// Tells the errno through `failure`, which a successful exec closes.
[[noreturn]] void become(const start_options& how, char* const* words, char* const* environment,
                         int failure) {
  setpgid(0, 0);
  if (how.input >= 0) dup2(how.input, STDIN_FILENO);
  if (how.output >= 0) dup2(how.output, STDOUT_FILENO);
  if (how.errors >= 0) dup2(how.errors, STDERR_FILENO);
  pthread_sigmask(SIG_SETMASK, &how.signal_mask, nullptr);
  execvpe(words[0], words, environment);
  const int why = errno;
  const ssize_t told = write(failure, &why, sizeof why);
  _exit(told < 0 ? exit_code::usage : exit_code::not_found);
}

}  // namespace

std::expected<child_group, int> child_group::start(const start_options& how) {
  std::vector<char*> words;
  words.reserve(how.command.size() + 1);
  for (const std::string& word : how.command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  std::string attempt{attempt_variable};
  attempt += std::to_string(how.attempt);
  std::vector<char*> environment{attempt.data()};
  for (char** one = environ; *one != nullptr; ++one) {
    if (!std::string_view{*one}.starts_with(attempt_variable)) environment.push_back(*one);
  }
  environment.push_back(nullptr);

  pipe_ends failure = make_pipe();
  // Not fork(), which copies what describes our memory for a process that at once drops it: a third
  // of the time of an attempt. Not posix_spawnp(), which runs no script without a #! line.
  const pid_t pid = vfork();
  if (pid < 0) throw std::system_error(errno, std::generic_category(), "cannot start a process");
  if (pid == 0) become(how, words.data(), environment.data(), failure.write.get());
  setpgid(pid, pid);  // on both sides: whoever comes first
  failure.write.reset();

  int why = 0;
  ssize_t got = 0;
  do {
    got = read(failure.read.get(), &why, sizeof why);
  } while (got < 0 && errno == EINTR);
  if (got == static_cast<ssize_t>(sizeof why)) {
    waitpid(pid, nullptr, 0);
    return std::unexpected(why);
  }
  return child_group{pid};
}

std::optional<int> child_group::reap() {
  std::optional<int> stopped;
  for (int status = 0;;) {
    const pid_t who = waitpid(-1, &status, WNOHANG | WUNTRACED);
    if (who <= 0) return stopped;
    if (who != leader_) continue;
    if (WIFSTOPPED(status)) {
      stopped = WSTOPSIG(status);
    } else if (WIFSIGNALED(status)) {
      status_ = exit_status{exit_code::signal_base + WTERMSIG(status), WTERMSIG(status)};
    } else {
      status_ = exit_status{WEXITSTATUS(status), std::nullopt};
    }
  }
}

bool child_group::alive() const noexcept {
  siginfo_t info{};
  return waitid(P_PGID, static_cast<id_t>(leader_), &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void child_group::signal(int number) const noexcept {
  if (alive()) kill(-leader_, number);
}

void become_reaper() noexcept {
  prctl(PR_SET_CHILD_SUBREAPER, 1);
}

void reap_others() noexcept {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

}  // namespace weir::retry_cli
