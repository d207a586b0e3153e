#pragma once

#include <csignal>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace weir::retry_cli {

/// What a command is started with. A descriptor of -1: it inherits ours.
struct start_options {
  const std::vector<std::string>& command;
  const sigset_t& signal_mask;
  int attempt = 1;  ///< in its environment as WEIR_RETRY_ATTEMPT
  int input = -1;
  int output = -1;
  int errors = -1;
};

/// How a process ended.
struct exit_status {
  int code = 0;               ///< as a shell tells it: 128 + n for signal n
  std::optional<int> signal;  ///< that it was killed by
};

/// A command in a process group of its own, found as a shell finds it.
///
/// Requires: one thread; the program is the reaper of what its commands leave behind
/// (`become_reaper`), so that it learns when nobody of a group is left.
/// Guarantees: a group is signalled only while a process of ours is in it, so that the number
/// cannot belong to somebody else.
class child_group {
 public:
  /// Nobody: to be assigned to before anything is asked of it.
  child_group() noexcept = default;

  /// The errno of what failed: ENOENT, if there is no such command.
  static std::expected<child_group, int> start(const start_options& how);

  [[nodiscard]] pid_t id() const noexcept { return leader_; }

  /// How the command ended; nothing while it runs.
  [[nodiscard]] const std::optional<exit_status>& status() const noexcept { return status_; }

  /// Reads the news of all children. The signal that has stopped the command since, if one has.
  std::optional<int> reap();

  /// Whether a process is left in the group, as far as its parent is the command or gone.
  [[nodiscard]] bool alive() const noexcept;

  void signal(int number) const noexcept;

 private:
  explicit child_group(pid_t leader) noexcept : leader_(leader) {}

  pid_t leader_ = -1;
  std::optional<exit_status> status_;
};

/// Makes this program the parent of processes whose parent ends.
void become_reaper() noexcept;

/// Reads the news of children whose attempt is over.
void reap_others() noexcept;

}  // namespace weir::retry_cli
