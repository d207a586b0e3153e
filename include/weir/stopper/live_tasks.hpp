#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <vector>

#include <weir/core/clock.hpp>
#include <weir/core/executor.hpp>
#include <weir/core/list.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/stopper/thread_calls.hpp>

namespace weir::core {

struct debug_tasks;

/// Who counts as live without a place of its own: a permit, a deep call, a task of a thread for
/// which there was no room. Embedded in it; the strings are not copied. Without a name it is the
/// mark of a walk, which counts as nothing.
struct live_task : list_hook {
  live_task(const char* called, std::source_location made) noexcept : name(called), site(made) {}

  const char* name;
  std::source_location site;
  time_point since{};
  const work* item = nullptr;  ///< of the task that it is, or runs in; null: none, or unknown
  std::uintptr_t thread = 0;   ///< the thread it occupies from enter to leave; 0: unknown
  std::shared_ptr<const std::string> note;  ///< belongs to live_tasks
  bool cancelled_early = false;             ///< its context is cancelled when the stop begins
  std::uint8_t shard = 0;                   ///< where it is listed; belongs to live_tasks
};

/// A copy of what a report says of one that is live.
struct live_task_info {
  const char* name;
  std::source_location site;
  time_point since;
  bool cancelled_early;
  std::shared_ptr<const std::string> note;
};

/// What has become of all that ever asked to come in.
struct live_totals {
  std::size_t running = 0;
  std::uint64_t started = 0;
  std::uint64_t refused = 0;
};

/// Problem: a stop must refuse new work and know everything that was begun, in one atomic step, and
/// name what does not end; and that may not cost a task more than a few nanoseconds.
///
/// Counts what is live and keeps what a report says of it. A task takes a place in the thread_tasks
/// of the thread that it is entered on, wherever it runs meanwhile. A call that ends on the thread
/// that it began on is kept in that thread's thread_calls. Neither takes a lock. The rest is
/// listed, in shards with a lock each, so that two threads that enter never meet.
///
///   open ──close() begins──► closing ──every shard closed──► closed      (owner: closer)
///
/// Guarantees: refuse-and-count is linearizable. Once `close` has returned, no `enter` succeeds and
/// every one that did is counted; one that was refused is followed by refusals alone. Exactly one
/// call says "that was the last": the `leave` that empties it after `close`, or `close` itself.
/// Lifetime: a `leave` that came before the close touches nothing after its unlock. One that came
/// after it touches `remaining_` once more, which is not zero until it has; so whoever is told
/// "that was the last" may free this object.
/// Blocks: on one shard's short lock; whoever is refused until the close is through all shards.
/// Thread safety: all members; `close` is called once.
/// Memory ordering: what happened before any `leave` is visible to whoever is told of the last.
/// Cost: of a task 4 ns, of a call 2 ns; of what is listed one uncontended lock each, 5 ns and
/// more. Source: the sharded stop bias of a read-write lock for many readers (BRAVO, 2019), with
/// the bias in the shard that the caller writes anyway.
class live_tasks {
 public:
  static constexpr std::size_t shard_count = 16;

  live_tasks() noexcept = default;
  ~live_tasks();
  live_tasks(const live_tasks&) = delete;
  live_tasks& operator=(const live_tasks&) = delete;

  /// Lists `task` in shard number `shard`, modulo their count; false if it is closed.
  [[nodiscard]] bool enter(live_task& task, std::uint32_t shard) noexcept;

  /// Takes it off the list. True: it was the last after `close`.
  [[nodiscard]] bool leave(live_task& task) noexcept;

  /// Where this thread's calls and tasks are kept; null: list them. See thread_calls::enter.
  [[nodiscard]] thread_calls* calls_of_this_thread() noexcept { return calls_.of_this_thread(); }
  /// After `enter` has said closed, as after an enter that is refused. True: that was the last.
  [[nodiscard]] bool refused(thread_calls& mine) noexcept;
  /// After `leave` has said false. True: it was the last after `close`.
  [[nodiscard]] bool leave_late(thread_calls& mine) noexcept {
    return mine.leave_late() && remaining_.fetch_sub(1) == 1;
  }

  /// After thread_tasks::enter has said closed: nobody is let in once this returns.
  void wait_until_closed() const noexcept;
  /// After `leave` has said false. True: it was the last after `close`.
  [[nodiscard]] bool leave_late(thread_tasks& mine) noexcept {
    return mine.leave_late() && remaining_.fetch_sub(1) == 1;
  }
  /// Frees a place on a thread that has no thread_calls: counts in a shard. True: it was the last
  /// after `close`.
  [[nodiscard]] bool leave_from_elsewhere(task_place& place, std::uint32_t shard) noexcept;

  /// Replaces what the task, which is live, says that it is busy with.
  void note(live_task& task, std::shared_ptr<const std::string> text) noexcept;

  /// Refuses everything from now on. True: nobody is left already.
  [[nodiscard]] bool close() noexcept;

  [[nodiscard]] bool closed() const noexcept { return closed_.load(); }

  /// How many are live: exact as of some moment during the call if nobody enters meanwhile.
  [[nodiscard]] std::size_t count() const noexcept;

  /// The oldest, at most `most` of them, oldest first.
  [[nodiscard]] std::vector<live_task_info> oldest(std::size_t most) const;

  /// All figures at once.
  [[nodiscard]] live_totals totals() const noexcept;

  /// How many tasks a walk looks at under one lock: some 6 µs for tasks that are in no cache.
  static constexpr std::size_t slice = 64;

  /// Adds a copy of each that is live: of every one that is live throughout, and of some of those
  /// that come or go meanwhile. Every lock is free again after at most `slice` tasks.
  void copy(std::vector<live_task_info>& into) const;
  /// The one that an executor runs by `item`.
  [[nodiscard]] std::optional<live_task_info> find_running(const work& item) const;

  /// Arrays of as many as the debug_tasks say.
  [[nodiscard]] const void* shards_for_debugger() const noexcept { return shards_.data(); }
  [[nodiscard]] const void* calls_for_debugger() const noexcept {
    return calls_.array_for_debugger();
  }
  /// How a debugger finds its way from there.
  static debug_tasks shape_for_debugger() noexcept;

  /// True if something live runs in the flow that is run by `item` (unless null), or on this
  /// thread.
  [[nodiscard]] bool has(const work* item, std::uintptr_t thread) const noexcept;

 private:
  class walk;
  class eldest;

  struct alignas(64) shard {
    mutable mutex lock;
    bool closed WEIR_GUARDED_BY(lock) = false;
    std::int64_t count WEIR_GUARDED_BY(lock) = 0;  // below zero: places were left here
    std::uint64_t started WEIR_GUARDED_BY(lock) = 0;
    std::uint64_t refused WEIR_GUARDED_BY(lock) = 0;
    mutable intrusive_list<live_task> tasks WEIR_GUARDED_BY(lock);  // in order of enter
  };

  // More than can ever be live. Leaves that meet a closed shard before the closer has added that
  // shard's count take `remaining_` below what is left, but never near zero.
  static constexpr std::int64_t bias = std::int64_t{1} << 40;

  /// Calls `visit(info)` for each call and each task with a place.
  template <class Visit>
  void each_unlisted(Visit visit) const;

  std::array<shard, shard_count> shards_;
  call_set calls_;
  atomic<std::int64_t> remaining_{bias};
  atomic<bool> closed_{false};
};

}  // namespace weir::core
