#pragma once

#include <sys/types.h>
#include <termios.h>

#include "fd.hpp"

namespace weir::retry_cli {

/// Problem: a command in a group of its own is stopped when it asks the terminal for a password. A
/// command that has the terminal from the start keeps Ctrl-C to itself, so that the loop goes on.
///
/// The terminal that controls the program, lent to a command's group when that asks for it. Until
/// then Ctrl-C is the program's, which passes it on.
/// Requires: SIGTTOU is blocked. One thread.
class controlling_tty {
 public:
  controlling_tty() noexcept;

  [[nodiscard]] bool exists() const noexcept { return static_cast<bool>(fd_); }
  [[nodiscard]] bool is_ours() const noexcept;
  [[nodiscard]] bool lent() const noexcept { return lent_; }

  void lend(pid_t group) noexcept;
  /// Brings the modes back, too, in which a command that was killed may have left the terminal.
  void take_back() noexcept;

 private:
  unique_fd fd_;
  termios modes_{};
  bool lent_ = false;
};

}  // namespace weir::retry_cli
