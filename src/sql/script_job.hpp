#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/sql/driver.hpp>
#include <weir/sql/script.hpp>

namespace weir::core {

/// A script on its way: what it was given, and what comes of it.
///
///           an attempt has committed it: succeed
///   open ──────────────────────────────────────────► succeeded ┐
///    ▲│     its own fault, or nobody knows: fail               │
///    │└────────────────────────────────────────────► failed ───┤
///    └─────────────────────────────────────────────────────────┘
///           reopen: it is idempotent, and run again
/// From succeeded to failed, if it is not known to be on the disk.
///
/// Thread safety: whoever runs it; its caller before and after.
class script_job {
 public:
  explicit script_job(sql::script what) : what_(std::move(what)) {}

  [[nodiscard]] std::size_t size() const noexcept { return what_.size(); }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return what_.size_bytes(); }
  [[nodiscard]] std::string_view text(std::size_t step) const noexcept {
    return what_.steps_[step].text.view();
  }

  /// The parameters of a step where its statement wants them. Live as long as this.
  result<std::span<const sql::value>> values(std::size_t step, const sql::driver_statement& made);
  /// Where the step's rows go, started; null if its statement gives none.
  sql::row_buffer* rows(std::size_t step, const sql::driver_statement& made);
  /// What a step has done.
  void note(std::size_t step, sql::exec_result done) noexcept { given_.steps_[step].done = done; }

  /// Before each attempt: what an earlier one gave is forgotten.
  void restart();
  void succeed() noexcept { state_ = state::succeeded; }
  void fail(error why) {
    failed_ = std::move(why);
    state_ = state::failed;
  }
  void reopen() noexcept {
    failed_.reset();
    state_ = state::open;
  }
  [[nodiscard]] bool settled() const noexcept { return state_ != state::open; }
  [[nodiscard]] bool succeeded() const noexcept { return state_ == state::succeeded; }

  /// Once, when settled.
  result<sql::script_result> take();

  /// Fails those that are not settled.
  static void fail_open(std::span<script_job* const> jobs, const error& why) {
    for (script_job* one : jobs) {
      if (!one->settled()) one->fail(why);
    }
  }

  /// The error with the number of its step.
  static error at_step(std::size_t step, error why) {
    return std::move(why).with("step", static_cast<std::int64_t>(step));
  }

 private:
  enum class state : std::uint8_t { open, succeeded, failed };

  sql::script what_;
  std::vector<std::vector<sql::value>> placed_;  // of steps with named parameters
  sql::script_result given_;
  std::optional<error> failed_;
  state state_ = state::open;
};

/// Scripts that share one COMMIT.
struct script_unit {
  sql::tx_options options;
  std::vector<script_job*> jobs;
  bool began = false;                    // the latest attempt came past BEGIN
  sql::driver_flusher* early = nullptr;  // if its locks are to be released early
  std::uint64_t unflushed = 0;  // the connection of it that has to have lived since; 0: none
};

}  // namespace weir::core
