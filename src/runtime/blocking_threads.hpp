#pragma once

#include <cstdint>
#include <string>

#include <weir/core/executor.hpp>
#include <weir/core/list.hpp>
#include <weir/core/log.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>
#include <weir/core/sync/thread.hpp>

#include "runtime/work_queue.hpp"

namespace weir::core {

/// Threads that may block: started on demand up to a limit, ended when they were idle for a while.
///
///            start                    queue empty               given an item
///   (none) ─────────► running ─────────────────────────► idle ─────────────────► running
///                        ▲                                │ idle for too long, or stop
///                        └── next item in the queue       ▼
///                                                       ended ──► joined by whoever comes next
///
/// Thread safety: all members; `stop` once, after which `execute` runs items on the caller.
class blocking_threads {
 public:
  blocking_threads(std::string name, unsigned most, duration idle, log_sink& log);
  ~blocking_threads();
  blocking_threads(const blocking_threads&) = delete;
  blocking_threads& operator=(const blocking_threads&) = delete;

  void execute(work& item) noexcept;

  /// Lets the threads finish what is queued, and joins them. Blocks.
  void stop() noexcept;

  struct figures {
    unsigned now = 0;
    unsigned idle = 0;
    unsigned peak = 0;
    std::size_t queued = 0;
  };
  [[nodiscard]] figures count() noexcept;

 private:
  struct member : list_hook {
    explicit member(blocking_threads& owner) noexcept : threads(owner) {}
    blocking_threads& threads;
    work* given = nullptr;
    core::park park;
    core::thread thread;
  };

  void add_thread(work& item, unsigned number) noexcept;
  void without_new_thread(work& item) noexcept;
  static void run_here(work& item) noexcept;
  void run(member& self) noexcept;
  work* next(member& self) noexcept;
  work* wait_idle(member& self) noexcept;
  /// True if it was the last one that `stop` waits for; then the caller wakes it, after the unlock.
  [[nodiscard]] bool end(member& self) noexcept WEIR_REQUIRES(mutex_);
  void join_ended() noexcept;

  const std::string name_;
  const unsigned most_;
  const duration idle_time_;
  log_sink& log_;
  mutex mutex_;
  park all_ended_;
  bool stopping_ WEIR_GUARDED_BY(mutex_) = false;
  unsigned threads_ WEIR_GUARDED_BY(mutex_) = 0;
  unsigned peak_ WEIR_GUARDED_BY(mutex_) = 0;
  unsigned started_ WEIR_GUARDED_BY(mutex_) = 0;
  work_chain queue_ WEIR_GUARDED_BY(mutex_);
  intrusive_list<member> idle_ WEIR_GUARDED_BY(mutex_);  // warm ones in front
  unsigned idle_count_ WEIR_GUARDED_BY(mutex_) = 0;
  intrusive_list<member> ended_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::core
