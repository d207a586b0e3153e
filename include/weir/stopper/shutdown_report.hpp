#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include <weir/core/clock.hpp>

namespace weir {

/// How a shutdown went, from good to bad. The worst thing that happened counts.
enum class shutdown_outcome : std::uint8_t {
  clean,      ///< every task ended by itself in time, every closer ran
  failed,     ///< as clean, but a task's exception asked for it or a closer failed
  forced,     ///< tasks had to be cancelled: the drain budget ran out, or somebody hurried
  abandoned,  ///< when the last budget ran out something still ran
};

/// Who asked for a shutdown.
enum class shutdown_origin : std::uint8_t { call, signal, failed_task, destructor };

/// Problem: "the service was killed after 30 seconds" tells nobody what to fix.
///
/// What a shutdown did: who asked and why, how long each phase and closer took, who was left.
/// A value; every caller of `stop` gets the same. Durations are measured on the stopper's clock.
///
///     auto report = weir::wait(stopper.stopped());
///     std::fputs(report->to_string().c_str(), stderr);
///     report->exit();
struct shutdown_report {
  std::string stopper;

  shutdown_origin origin = shutdown_origin::call;
  std::string reason;          ///< "SIGTERM", or what the caller gave
  std::source_location site;   ///< of the call, or of the failed task's spawn
  int signal = 0;              ///< of origin `signal`
  std::exception_ptr failure;  ///< what the failed task threw

  duration drain{};   ///< from the first refusal until no task was left, or they were cancelled
  duration cancel{};  ///< from the cancellation until no task was left, or the budget ran out
  duration close{};   ///< of closers and, if any were left, the last wait for tasks
  duration total{};

  std::size_t tasks = 0;      ///< live when the stop began
  std::size_t drained = 0;    ///< of those, ended by themselves
  std::size_t cancelled = 0;  ///< ended after they were cancelled
  std::size_t remaining = 0;  ///< still run

  /// Something that still ran at the end.
  struct straggler {
    std::string name;
    std::source_location site;
    duration age{};
    std::optional<duration> cancelled_for = std::nullopt;  ///< how long ago it was cancelled
    std::string note = {};                                 ///< its last, see weir::note
  };
  std::vector<straggler> stragglers;  ///< the oldest, at most max_stragglers of them
  static constexpr std::size_t max_stragglers = 32;

  /// A delayed task that was not due when the stop began.
  struct dropped_task {
    std::string name;
    std::source_location site;
  };
  std::vector<dropped_task> dropped;

  enum class closer_state : std::uint8_t { done, failed, running, not_run };
  struct closer {
    std::string name;
    std::source_location site;
    closer_state state = closer_state::not_run;
    duration took{};
    std::string failure;  ///< what it threw or returned
  };
  std::vector<closer> closers;  ///< in the order in which they ran: the last registered first

  std::vector<shutdown_report> children;  ///< of the stoppers whose parent this one is

  bool hurried = false;  ///< tasks were cancelled before, or because, their drain budget ended

  /// The worst of this one and its children.
  [[nodiscard]] shutdown_outcome outcome() const noexcept;

  /// 0 clean, 1 failed, 3 forced, 4 abandoned. (2 is left to usage errors.)
  [[nodiscard]] int exit_code() const noexcept;

  /// Several lines of at most 80 columns, with a newline at the end.
  [[nodiscard]] std::string to_string() const;

  /// Flushes stdio and leaves the process with `exit_code()`, without running a destructor: tasks
  /// that still run keep what they use until the end.
  /// Never blocks: a stream that another thread holds is left alone.
  [[noreturn]] void exit() const noexcept;

 private:
  [[nodiscard]] shutdown_outcome own_outcome() const noexcept;
};

/// The name, as in "abandoned".
const char* name_of(shutdown_outcome outcome) noexcept;

}  // namespace weir
