#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string_view>
#include <type_traits>

#include <weir/core/clock.hpp>
#include <weir/core/executor.hpp>
#include <weir/core/log.hpp>
#include <weir/runtime/registry.hpp>

namespace weir {

namespace core {
struct runtime_core;
class reactor;
}  // namespace core

struct runtime_options {
  /// Threads that run tasks. 0: as many as processors this process may use.
  unsigned workers = 0;
  /// Most threads for calls that block; more calls than that queue up. They start on demand.
  unsigned max_blocking_threads = 64;
  /// How long a worker that finds nothing looks again before it sleeps, when another
  /// thread of the program woke it soon the last time. Zero: sleeps at once.
  duration linger = std::chrono::microseconds{100};
  /// A blocking thread that had nothing to do for this long ends.
  duration blocking_idle = std::chrono::seconds{10};
  /// A worker that one task holds for longer is reported to `log`, once, with the task's name and
  /// site; in real time, whatever the clock. Found by a worker that is free, within an eighth more;
  /// while all are held, by who drives a stop (see look_at_workers). Zero: never.
  duration held_after = std::chrono::milliseconds{100};
  /// Null: the steady clock. A manual clock brings timers of its own, and `timers()` gives those.
  clock* time = nullptr;
  /// Null: silent.
  log_sink* log = nullptr;
  /// Threads are named NAME-w0, NAME-b3 (the system keeps 15 characters).
  std::string_view name = "weir";
};
static_assert(std::is_trivially_destructible_v<runtime_options>);

/// What a runtime has done and has now; each figure on its own is right, together they may be a
/// moment apart.
struct runtime_stats {
  std::uint64_t executed = 0;  ///< work items that workers ran
  std::uint64_t stolen = 0;    ///< of those, taken from another worker's queue
  std::uint64_t parks = 0;     ///< how often a worker went to sleep
  std::size_t queued = 0;      ///< scheduled from outside and not taken yet
  std::size_t timers = 0;      ///< armed
  unsigned sleeping = 0;       ///< workers asleep
  unsigned blocking_threads = 0;
  unsigned blocking_idle = 0;  ///< of those, without work
  unsigned blocking_peak = 0;
  std::size_t blocking_queued = 0;
};

/// Problem: one task per request, per retry, per connection is a sane design only if a task costs
/// tens of nanoseconds and a thread that computes does not hold up the others.
///
/// Work-stealing workers, their timers, two epolls that two idle workers watch, and an elastic set
/// of threads for calls that block. The program creates it and it ends with its scope; there is no
/// global one.
///
/// Requires: it outlives whatever runs on it. When it is destroyed no stopper and no pool is live
/// (asserted, with their names and sites), and no other thread schedules onto it.
/// Guarantees: an item that was scheduled runs once. What a running task schedules runs next on the
/// same worker (at most 16 times in a row), other things in order of scheduling per worker; no
/// order between workers. A task that computes without waiting delays what it has scheduled by 2 ms
/// at most, if another worker is idle. The destructor lets queued items and blocking calls finish,
/// expires timers that are left (a sleep ends early, a deadline does not), ends waits for
/// descriptors with errc::closed, and joins. Blocks: only the destructor. Thread safety: all
/// members. Memory ordering: what happened before `execute` is visible to the item that runs. Cost:
/// see docs/design/0002-runtime.md; a task 15 to 25 ns on one worker, a sleeping worker's wake-up
/// some 5 µs. An idle runtime uses no processor time. Source: Go's and Tokio's schedulers; what
/// differs is in the design page.
class runtime final : public core::executor {
 public:
  explicit runtime(runtime_options options = {});
  ~runtime();
  runtime(const runtime&) = delete;
  runtime& operator=(const runtime&) = delete;

  void execute(core::work& item) noexcept override;
  /// The current worker's; on other threads, one of a worker chosen by thread.
  core::timer_service& timers() noexcept override;
  [[nodiscard]] clock& time() noexcept override;
  [[nodiscard]] const char* name() const noexcept override;

  /// Runs `item` on a thread that may block: there `wait()` is fine. See also run_blocking.
  void execute_blocking(core::work& item) noexcept;
  /// The same threads as an executor. Its timers are the runtime's.
  [[nodiscard]] core::executor& blocking() noexcept;

  /// The stoppers and pools that live on it.
  [[nodiscard]] registry& live() noexcept;
  /// All of them with their tasks, without stopping anybody. Not inside a description or a
  /// destructor of one. Blocks: on short locks.
  [[nodiscard]] weir::snapshot snapshot(snapshot_detail detail = snapshot_detail::sites);

  /// Reports the workers that are held, if it is time: for threads of the program that watch over
  /// it even when every worker is held.
  void look_at_workers();

  [[nodiscard]] unsigned workers() const noexcept;
  [[nodiscard]] log_sink& log() const noexcept;
  [[nodiscard]] runtime_stats stats() const;

  /// True on the threads of its workers.
  [[nodiscard]] bool is_worker_thread() const noexcept;

  /// For readable() and writable().
  [[nodiscard]] core::reactor& reactor() noexcept;

 private:
  class blocking_executor final : public core::executor {
   public:
    explicit blocking_executor(runtime& owner) noexcept : owner_(owner) {}
    void execute(core::work& item) noexcept override { owner_.execute_blocking(item); }
    core::timer_service& timers() noexcept override { return owner_.timers(); }
    [[nodiscard]] clock& time() noexcept override { return owner_.time(); }
    [[nodiscard]] const char* name() const noexcept override;

   private:
    runtime& owner_;
  };

  void assert_nothing_lives() noexcept;

  const std::unique_ptr<core::runtime_core> core_;
  blocking_executor blocking_{*this};
};

}  // namespace weir
