#include "child.hpp"

#include <cerrno>
#include <iterator>
#include <string_view>
#include <system_error>

#include <spawn.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "exit_codes.hpp"

namespace weir::retry_cli {

namespace {

constexpr std::string_view attempt_variable = "WEIR_RETRY_ATTEMPT=";
constexpr const char* cannot_start = "cannot start a process";

constexpr const char* by_shell[] = {"/bin/sh", "-c", R"(exec "$0" "$@")"};

/// Ended by a null; posix_spawn takes it as if it changed the texts, which it does not.
using strings = std::vector<const char*>;

/// What posix_spawn is told: a group of its own, the signals, the descriptors.
class spawn_plan {
 public:
  explicit spawn_plan(const start_options& how) {
    check(posix_spawn_file_actions_init(&files_));
    check(posix_spawnattr_init(&attributes_));
    check(posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK));
    check(posix_spawnattr_setsigmask(&attributes_, &how.signal_mask));
    become(STDIN_FILENO, how.input);
    become(STDOUT_FILENO, how.output);
    become(STDERR_FILENO, how.errors);
  }
  ~spawn_plan() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&files_);
  }
  spawn_plan(const spawn_plan&) = delete;
  spawn_plan& operator=(const spawn_plan&) = delete;

  /// The process, or the errno.
  [[nodiscard]] std::expected<pid_t, int> run(const strings& words,
                                              const strings& environment) const {
    pid_t pid = -1;
    const int why =
        posix_spawnp(&pid, words[0], &files_, &attributes_, const_cast<char* const*>(words.data()),
                     const_cast<char* const*>(environment.data()));
    if (why != 0) return std::unexpected(why);
    return pid;
  }

 private:
  static void check(int why) {
    if (why != 0) throw std::system_error(why, std::generic_category(), cannot_start);
  }
  void become(int standard, int with) {
    if (with >= 0) check(posix_spawn_file_actions_adddup2(&files_, with, standard));
  }

  posix_spawn_file_actions_t files_;
  posix_spawnattr_t attributes_;
};

}  // namespace

std::expected<child_group, int> child_group::start(const start_options& how) {
  strings words;
  words.reserve(how.command.size() + 1);
  for (const std::string& word : how.command) words.push_back(word.c_str());
  words.push_back(nullptr);
  std::string attempt{attempt_variable};
  attempt += std::to_string(how.attempt);
  strings environment{attempt.c_str()};
  for (char** one = environ; *one != nullptr; ++one) {
    if (!std::string_view{*one}.starts_with(attempt_variable)) environment.push_back(*one);
  }
  environment.push_back(nullptr);

  const spawn_plan plan{how};
  auto pid = plan.run(words, environment);
  if (!pid && pid.error() == ENOEXEC) {
    // A script without a #! line. A shell takes it for one of its own, and finds it as we did.
    words.insert(words.begin(), std::begin(by_shell), std::end(by_shell));
    pid = plan.run(words, environment);
  }
  if (pid) return child_group{*pid};
  if (pid.error() == EAGAIN || pid.error() == ENOMEM) {
    throw std::system_error(pid.error(), std::generic_category(), cannot_start);
  }
  return std::unexpected(pid.error());
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
