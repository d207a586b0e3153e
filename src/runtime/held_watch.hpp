#pragma once

#include <cstdint>
#include <vector>

#include <weir/core/clock.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/runtime/snapshot.hpp>

namespace weir::core {

struct runtime_core;

/// Problem: one task that computes or blocks for seconds holds up what waits behind it, and nobody
/// knows which it is.
///
/// Looks at all workers now and then, by whoever calls; for each:
///
///   free ──in a run──► seen ──the same run `after` later──► reported (once)
///     ▲                  │                                     │
///     └── another run, or none ────────────────────────────────┘     (owner: who looks)
///
/// A run is told from the next by the count of those that ended, and its task by looking for it in
/// the stoppers' lists: a run pays one store for this.
/// Limits: a hold counts from the first look at it, and looks are an eighth of `after` apart. While
/// every worker is held, those look who drive a stop or take a snapshot, and nobody else.
class held_watch {
 public:
  /// Zero: never.
  explicit held_watch(duration after) noexcept : after_(after) {}

  /// Reports to the runtime's log. Returns at once if it is too early, or if another looks.
  void look(runtime_core& core, time_point now);

  /// Those that are held by now.
  [[nodiscard]] std::vector<held_worker> held(runtime_core& core, time_point now);

 private:
  struct seen {
    std::uint64_t executed = 0;
    time_point since{};
    bool running = false;
    bool reported = false;
  };
  enum class which : std::uint8_t { all, news };

  [[nodiscard]] std::vector<held_worker> observe(runtime_core& core, time_point now, which wanted);

  const duration after_;
  atomic<duration::rep> next_look_{0};
  mutex mutex_;
  std::vector<seen> workers_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::core
