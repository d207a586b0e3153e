#pragma once

#include <cstdint>
#include <string>

#include <sys/types.h>

#include "fd.hpp"

namespace weir::retry_cli {

/// Problem: what an attempt has read from standard input is gone, and the next attempt would begin
/// in the middle.
///
/// Standard input, the same for each attempt. A file is rewound. A pipe or socket is passed on as
/// it arrives and kept in memory meanwhile, so that the next attempt gets it from the beginning. A
/// terminal, or another device, is left to the command.
///
///   keeping ──more than the limit──► passing (nothing is kept: no other attempt can have it)
///
/// Requires: one thread. Blocks: never, once `poll` says so. Throws std::system_error.
class command_input {
 public:
  explicit command_input(std::uint64_t limit_bytes);

  /// What the next attempt reads from; none if it inherits standard input as it is.
  unique_fd begin_attempt();
  void end_attempt() noexcept { sink_.reset(); }

  /// Whether another attempt would get what this one got.
  [[nodiscard]] bool replayable() const noexcept { return !passing_; }

  /// What to wait for: the descriptor that can be read next, or written next; -1 for neither.
  [[nodiscard]] int source_wanted() const noexcept;
  [[nodiscard]] int sink_wanted() const noexcept { return fed_all() ? -1 : sink_.get(); }
  /// That what one of them was waited for is so.
  void read_some();
  void write_some() noexcept;

 private:
  enum class kind : std::uint8_t { inherited, rewound, kept };

  [[nodiscard]] bool fed_all() const noexcept { return fed_ == kept_.size(); }

  kind kind_ = kind::inherited;
  std::uint64_t limit_bytes_;
  off_t start_ = 0;  // rewound: where the first attempt begins
  std::string kept_;
  std::size_t fed_ = 0;  // how much of `kept_` this attempt has got
  bool ended_ = false;   // nothing follows what is kept
  bool passing_ = false;
  unique_fd sink_;
};

}  // namespace weir::retry_cli
