#pragma once

#include <cstddef>
#include <exception>
#include <memory>

#include <weir/context/task_record.hpp>
#include <weir/core/assert.hpp>
#include <weir/core/list.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/sync/event.hpp>

namespace weir::postgres {

/// What waits in a pump_queue. Held by its caller and, from `submit` until it is answered, by the
/// queue and the pump: the caller may leave before.
struct pumped : core::list_hook {
  event done;
  std::shared_ptr<pumped> self;  // while queued
};

/// Of the task that is the pump.
struct pump_tail {
  static void ended(task_record&) noexcept {}
  static void unhandled(task_record&, const std::exception_ptr&) noexcept {
    core::misuse("the task of a lane or a flusher threw");
  }
};

/// Requests of many callers, and at most one pump that works on them. Whoever queues the first
/// starts the pump; it ends when it finds nothing left, in one step with the look.
///
///             submit: the caller starts the pump
///   quiet ─────────────────────────────────────► pumped
///     ▲          try_end: nothing is queued         │
///     └─────────────────────────────────────────────┘
///   begin_close, from both: nothing new is taken; closed when quiet
///
/// Thread safety: all members; `take` and `try_end` are the pump's.
class pump_queue {
 public:
  /// queued_first: nothing is queued before it, and a pump that waits for more is to be told.
  enum class answer : std::uint8_t { queued, queued_first, start_the_pump, closed };

  answer submit(std::shared_ptr<pumped> one);
  /// Counts one that comes by `submit_reserved` at once, if the load is still `seen`.
  [[nodiscard]] bool reserve(std::size_t seen) noexcept {
    return load_.compare_exchange_strong(seen, seen + 1);
  }
  answer submit_reserved(std::shared_ptr<pumped> one);
  /// Its caller waits no more. True: the pump has taken it.
  bool abandon(pumped& one) noexcept;

  /// The first; null if there is none.
  std::shared_ptr<pumped> take() noexcept;
  enum class end : std::uint8_t { not_yet, quiet, closed };
  end try_end() noexcept;

  /// True for the call after which no pump runs and none will: the caller ends what it would have.
  [[nodiscard]] bool begin_close() noexcept;

  /// Submitted and not answered.
  [[nodiscard]] std::size_t load() const noexcept { return load_.load(); }
  void answered() noexcept { load_.fetch_sub(1); }

 private:
  core::atomic<std::size_t> load_{0};
  core::mutex mutex_;
  core::intrusive_list<pumped> queue_ WEIR_GUARDED_BY(mutex_);
  bool running_ WEIR_GUARDED_BY(mutex_) = false;
  bool closed_ WEIR_GUARDED_BY(mutex_) = false;
};

/// The one of several with the least load, reserved: who chooses at the same moment sees it in use.
template <class Queues>
auto& reserve_least_loaded(const Queues& all) noexcept {
  for (;;) {
    auto* least = &*all.front();
    std::size_t load = least->load();
    for (const auto& one : all) {
      if (const std::size_t other = one->load(); other < load) {
        least = &*one;
        load = other;
      }
    }
    if (least->reserve(load)) return *least;
  }
}

}  // namespace weir::postgres
