#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include <weir/core/executor.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/core/sync/thread_local.hpp>
#include <weir/runtime/linger.hpp>

#include "runtime/idle_set.hpp"
#include "runtime/ring.hpp"
#include "runtime/share_policy.hpp"
#include "runtime/worker_timers.hpp"

namespace weir::core {

struct runtime_core;

/// What a worker has counted. Written by it alone, read by anybody.
struct worker_counters {
  atomic<std::uint64_t> executed{0};
  atomic<std::uint64_t> stolen{0};
  atomic<std::uint64_t> parks{0};

  /// relaxed: figures for people and for the watch over stuck workers; they order nothing.
  static void add(atomic<std::uint64_t>& counter, std::uint64_t more) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
  }
};

/// One thread that runs tasks.
///
/// What a running task schedules goes into the *next* slot, which runs first: two tasks that talk
/// to each other stay on one processor, and what one has written is warm for the other. Everything
/// else goes through the ring in order. The slot may win only so many times in a row.
///
/// A worker that has work is never waited for: whatever is in its ring it will run. Others are
/// woken to share it only when that pays (share_policy). A worker that is stuck in a long
/// computation is found by the poller, which looks at the others every millisecond while any of
/// them is awake, and takes over its queue, its slot and its timers.
class worker {
 public:
  worker(runtime_core& core, std::uint32_t index, sharing who);

  [[nodiscard]] int start(std::string_view name) noexcept;
  void join() noexcept { thread_.join(); }

  /// From this worker's thread: by the running task, or by a timer or an event.
  void schedule(work& item) noexcept;

  [[nodiscard]] runtime_core& core() const noexcept { return core_; }
  [[nodiscard]] worker_timers& timers() noexcept { return timers_; }
  [[nodiscard]] const worker_counters& counters() const noexcept { return counters_; }
  /// What it runs now, if anything: an address to compare, for it may be gone.
  [[nodiscard]] const work* running() const noexcept {
    return running_.load(std::memory_order_relaxed);
  }

 private:
  static constexpr std::size_t steal_most = 32;
  static constexpr std::size_t injected_batch = 64;

  void loop() noexcept;
  void run(work& item) noexcept;

  work* next_local() noexcept;
  work* take_slot() noexcept;
  work* take_injected(std::size_t most) noexcept;
  void push(work& item) noexcept;
  void overflow(work& item) noexcept;
  void share_if_worth() noexcept;

  // Between runs: worker_look.cpp
  void look_around() noexcept;
  void look_at(std::uint32_t set) noexcept;
  void look_at_free_sets() noexcept;
  void lend_if_long_at_work(duration at_work) noexcept;
  bool expire_due() noexcept;
  work* watch_others(bool idle) noexcept;
  work* steal_from(worker& victim) noexcept;

  // Out of work: worker_sleep.cpp
  work* search() noexcept;
  work* search_others() noexcept;
  void end_search() noexcept;
  work* sleep(bool& searching, bool& ended) noexcept;
  work* poll(const idle_set::berth& at) noexcept;
  void park() noexcept;
  duration poll_limit(std::uint32_t& quiet) noexcept;
  duration standby_limit() noexcept;
  [[nodiscard]] duration until(time_point when) const noexcept;
  void leave_deep_sleep() noexcept;
  bool roused(const idle_set::berth& at) noexcept;

  runtime_core& core_;
  const std::uint32_t index_;
  const sharing sharing_;
  // relaxed: read by others only to find out what this is stuck in; orders nothing.
  atomic<work*> running_{nullptr};
  atomic<work*> slot_{nullptr};
  std::uint32_t slot_runs_ = 0;    // wins of the slot in a row
  std::uint32_t look_period_ = 1;  // runs from one look_around to the next
  std::uint32_t until_look_ = 1;
  std::uint32_t random_;
  std::uint32_t set_;  // of the reactor, where it slept last
  time_point woke_{};
  time_point last_poll_{};
  time_point last_watch_{};
  std::vector<std::uint64_t> seen_;  // executed of each worker, as of the last watch
  work_ring<> ring_;
  share_policy policy_;
  linger linger_;
  worker_timers timers_;
  worker_counters counters_;
  thread thread_;
};

struct current_worker_tag {};

/// The worker that this thread is, of whichever runtime; or null.
inline worker*& current_worker() noexcept {
  return thread_slot<worker*, current_worker_tag>::get();
}

}  // namespace weir::core
