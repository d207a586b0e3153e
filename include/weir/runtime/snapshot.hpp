#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include <weir/core/clock.hpp>

namespace weir {

/// How much a snapshot looks at. What is not asked for is neither copied nor locked for.
enum class snapshot_detail : std::uint8_t {
  counts,  ///< each stopper and pool with its figures, no task
  names,   ///< and every task: name, age, phase, note
  sites,   ///< and where each was spawned
};

/// How long things took, coarsely: enough to tell milliseconds from minutes.
struct time_histogram {
  static constexpr std::array<duration, 5> limits{
      std::chrono::milliseconds{1}, std::chrono::milliseconds{10}, std::chrono::milliseconds{100},
      std::chrono::seconds{1}, std::chrono::seconds{10}};

  std::uint64_t count = 0;
  duration total{};
  duration longest{};
  std::array<std::uint64_t, limits.size() + 1> below{};  ///< below each limit; the last: the rest

  [[nodiscard]] duration mean() const noexcept;
};

/// One live task, inline call or permit.
struct snapshot_task {
  std::string name;
  std::source_location site;
  duration age{};
  const char* phase = "running";          ///< "running", "draining", "cancelled"
  std::optional<duration> cancelled_for;  ///< how long ago
  std::string note;                       ///< the last it left; empty: none
};

/// One stopper or pool.
struct snapshot_entry {
  std::string kind;
  std::string name;
  std::source_location site;
  std::string text;  ///< what it says of itself, if it has no figures

  bool has_figures = false;  ///< a stopper has; then the following is set
  std::string phase;
  duration age{};
  std::size_t running = 0;
  std::uint64_t started = 0;
  std::uint64_t refused = 0;
  std::uint64_t throttled = 0;
  std::optional<duration> oldest;    ///< age of the oldest task
  time_histogram exits;              ///< from a task's cancellation by the stop to its end
  std::vector<snapshot_task> tasks;  ///< the oldest first
};

/// A worker that has been in one run for longer than `runtime_options::held_after`.
struct held_worker {
  unsigned worker = 0;
  std::string task;  ///< empty: nothing that a stopper tracks
  std::source_location site;
  duration held{};
};

/// Problem: "what is this program doing?", asked while it does it, must not stop it.
///
/// What lives, at about one moment: each task was live at some moment during the call, and what
/// was live throughout is in it. Copied under short locks, at most 64 tasks each; strings are made
/// and text is formatted outside. A value: it refers to nothing.
/// Cost: some 100 ns per live task.
///
///     std::fputs(rt.snapshot().to_string().c_str(), stderr);
struct snapshot {
  std::string runtime;
  snapshot_detail detail = snapshot_detail::sites;
  std::vector<snapshot_entry> entries;  ///< the oldest first
  std::vector<held_worker> held;

  [[nodiscard]] std::size_t running() const noexcept;

  /// For people: of each entry at most `most` tasks, the oldest, a line each.
  [[nodiscard]] std::string to_string(std::size_t most = 100) const;

  /// All of it, as one line of JSON. Durations are whole nanoseconds and named `_ns`; what is no
  /// UTF-8 is replaced by U+FFFD.
  [[nodiscard]] std::string to_json() const;
};

}  // namespace weir
