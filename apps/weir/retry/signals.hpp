#pragma once

#include <csignal>
#include <optional>
#include <string>

#include "fd.hpp"

namespace weir::retry_cli {

/// Problem: a signal must neither get lost between a check and a wait, nor run code of ours at an
/// arbitrary moment.
///
/// From its birth to the end of the program, the signals that `weir retry` acts on are blocked and
/// read from a descriptor instead: one that is still pending then has no effect. What the program
/// was started to ignore (nohup) stays ignored.
/// Requires: one thread. Throws std::system_error.
class signal_source {
 public:
  signal_source();
  signal_source(const signal_source&) = delete;
  signal_source& operator=(const signal_source&) = delete;

  /// Readable when a signal waits.
  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

  /// The next signal that waits, or nothing.
  std::optional<int> next();

  /// What a command is to start with: the mask from before.
  [[nodiscard]] const sigset_t& original_mask() const noexcept { return before_; }

 private:
  sigset_t before_{};
  unique_fd fd_;
};

/// Whether a command that gets this signal is expected to end, and the loop with it.
bool ends_the_loop(int signal) noexcept;

/// Whether the running command gets this signal, too.
bool is_forwarded(int signal) noexcept;

/// Whether this signal, with no command there to get it, ends a wait.
bool ends_a_wait(int signal) noexcept;

/// "SIGTERM"; "signal 42" for one without a name.
std::string name_of_signal(int signal);

}  // namespace weir::retry_cli
