#pragma once

#include <array>
#include <csignal>
#include <cstdio>
#include <functional>
#include <string>

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

namespace weir::test {

/// A child process whose standard error we read, and which says "NAME" on it when it got there.
class child {
 public:
  explicit child(const std::function<int()>& body) {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    std::fflush(stdout);  // or the child's exit would write it once more
    id_ = ::fork();
    if (id_ == 0) {
      ::dup2(ends[1], STDERR_FILENO);
      ::close(ends[0]);
      ::_exit(body());
    }
    ::close(ends[1]);
    from_ = ends[0];
  }
  child(const child&) = delete;
  child& operator=(const child&) = delete;
  ~child() { ::close(from_); }

  /// Reads until `text` has come, or the end.
  bool says(const std::string& text) {
    std::array<char, 512> some{};
    while (heard_.find(text) == std::string::npos) {
      const auto count = ::read(from_, some.data(), some.size());
      if (count <= 0) return false;
      heard_.append(some.data(), static_cast<std::size_t>(count));
    }
    return true;
  }

  void send(int signal) const { EXPECT_EQ(::kill(id_, signal), 0); }

  int exit_code() {
    (void)says("this is never said, so everything is read");
    int status = 0;
    EXPECT_EQ(::waitpid(id_, &status, 0), id_);
    EXPECT_TRUE(WIFEXITED(status)) << heard_;
    return WEXITSTATUS(status);
  }

  [[nodiscard]] const std::string& heard() const noexcept { return heard_; }

 private:
  pid_t id_ = -1;
  int from_ = -1;
  std::string heard_;
};

inline void say(const char* text) {
  std::fputs(text, stderr);
}

/// No thread takes the signals but the one of signal_shutdown. (Under the thread sanitizer a thread
/// that sleeps on a futex would take one and not notice: it delays handlers until the next call of
/// the C library.)
class blocked_signals {
 public:
  blocked_signals() {
    sigset_t all;
    sigemptyset(&all);
    sigaddset(&all, SIGTERM);
    sigaddset(&all, SIGINT);
    sigaddset(&all, SIGUSR1);
    EXPECT_EQ(::pthread_sigmask(SIG_BLOCK, &all, &before_), 0);
  }
  blocked_signals(const blocked_signals&) = delete;
  blocked_signals& operator=(const blocked_signals&) = delete;
  ~blocked_signals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace weir::test
