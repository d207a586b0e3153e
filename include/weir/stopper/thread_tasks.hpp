#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>

#include <weir/core/clock.hpp>
#include <weir/core/executor.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/fence.hpp>
#include <weir/core/sync/mutex.hpp>

namespace weir::core {

struct debug_tasks;
struct live_task_info;
class thread_tasks;

/// What a report says of a task.
struct task_label {
  const char* name;
  std::source_location site;
  time_point since;
  const work* item;      // by which an executor runs it
  bool cancelled_early;  // its context is cancelled when the stop begins
};

/// Where one task stands while it is live: a cache line with a copy of its label.
///
///   free ──enter()──► taken ──leave(), on whatever thread──► free
///
/// Written by whoever enters and leaves, read by anybody: what is read between two looks at the id
/// that show the same is of one task. For that each field is a release store and an acquire load.
class alignas(64) task_place {
 public:
  [[nodiscard]] bool cancelled_early() const noexcept {
    return (id_.load(std::memory_order_relaxed) & early) != 0;  // the task's own, which is live
  }

 private:
  friend class thread_tasks;
  static constexpr std::uint64_t early = 1;  // the lowest bit of an id

  atomic<std::uint64_t> id_{0};  // 0: free; unique within its home
  atomic<const char*> name_{nullptr};
  atomic<const void*> site_{nullptr};  // a std::source_location is one pointer
  atomic<duration::rep> since_{0};
  atomic<const work*> item_{nullptr};
  // Owned. Written under the lock of its home.
  atomic<const std::shared_ptr<const std::string>*> note_{nullptr};
  thread_tasks* home_ = nullptr;
  task_place* next_ = nullptr;  // while it is free
};

/// Problem: a task is entered on one thread and may leave on another, and a lock for each of the
/// two costs more than all else that is done there: everything written before it has to reach the
/// cache first.
///
/// The tasks of one stopper that one thread has entered, and the count of those that have left on
/// it, whoever entered them. Only the owner writes the counts, and it writes plainly. A stop looks
/// through an asymmetric fence, as it does at thread_calls: it marks everything closed, makes every
/// thread pass a fence, and from then on an owner is either marked busy, and is waited for, or sees
/// that it is closed.
///
///   open ──close()──► closed ──collect()──► collected           (owner of both arrows: the closer)
///
/// A place that is left on its own thread is used next. One that is left elsewhere goes onto a
/// stack, which the owner takes when it has no other.
///
/// Requires: enter, leave and leave_late by the thread that owns it.
/// Guarantees: after `leave` has said true, and after the unlock in `leave_late`, nothing of any
/// thread_tasks is touched. Each leave is counted by `collect`, or told by leave_late.
/// Thread safety: everything else from any thread.
/// Memory ordering: a leave happens before the `collect` that counts it, and an enter before the
/// count that has its leave.
/// Cost: enter and leave 4 ns together, on one thread without a locked instruction; 64 bytes for
/// each task that was ever live at once, until the stopper ends.
class thread_tasks {
 public:
  thread_tasks() noexcept = default;
  ~thread_tasks();
  thread_tasks(const thread_tasks&) = delete;
  thread_tasks& operator=(const thread_tasks&) = delete;

  /// Null: it is closed. May throw std::bad_alloc; then nothing has happened.
  [[nodiscard]] task_place* enter(const task_label& task) {
    task_place* const place = free_ != nullptr ? free_ : more();
    // relaxed, here and in `leave`: ours alone to write. The mark keeps `collect` waiting.
    const std::uint64_t before = entered_.load(std::memory_order_relaxed);
    entered_.store(before | busy, std::memory_order_relaxed);
    light_fence();  // pairs with the heavy one between `close` and `collect`
    if (closed_.load(std::memory_order_relaxed)) [[unlikely]] {
      refuse(before);
      return nullptr;
    }
    free_ = place->next_;
    place->name_.store(task.name, std::memory_order_release);
    place->site_.store(std::bit_cast<const void*>(task.site), std::memory_order_release);
    place->since_.store(task.since.time_since_epoch().count(), std::memory_order_release);
    place->item_.store(task.item, std::memory_order_release);
    place->id_.store(before + one_more + std::uint64_t{task.cancelled_early},
                     std::memory_order_release);
    entered_.store(before + one_more, std::memory_order_release);  // pairs with collect
    return place;
  }

  /// Frees the place, which may be another thread's. False: it is closed, and leave_late has to
  /// follow.
  [[nodiscard]] bool leave(task_place& place) noexcept {
    free(place);  // still counted, so its home is still there
    const std::uint64_t before = left_.load(std::memory_order_relaxed);
    left_.store(before | busy, std::memory_order_relaxed);
    light_fence();  // pairs with the heavy one between `close` and `collect`
    if (closed_.load(std::memory_order_relaxed)) [[unlikely]]
      return false;
    left_.store(before + one_more, std::memory_order_release);  // pairs with collect
    return true;
  }
  /// True: it was collected before.
  [[nodiscard]] bool leave_late() noexcept;

  /// For a thread that has none of these, and is to count elsewhere, after this.
  static void free_from_elsewhere(task_place& place) noexcept;

  void close() noexcept { closed_.store(true); }
  /// How many more have entered here than have left here. Requires: close, then heavy_fence. Waits
  /// for an owner that is busy.
  [[nodiscard]] std::int64_t collect() noexcept;

  [[nodiscard]] std::uint64_t entered() const noexcept { return entered_.load() / one_more; }
  /// The same, for the owner.
  [[nodiscard]] std::uint64_t begun() const noexcept {
    return entered_.load(std::memory_order_relaxed) / one_more;
  }
  [[nodiscard]] std::uint64_t left() const noexcept { return left_.load() / one_more; }
  [[nodiscard]] std::uint64_t refused() const noexcept;

  /// Replaces what the task, which is live, says that it is busy with. Null: nothing.
  static void note(task_place& place, const std::shared_ptr<const std::string>& text);

  /// Calls `visit(place)` for each place, free or taken, until it says false. False: it did.
  template <class Visit>
  bool each(Visit visit) const {
    for (const chunk* some = chunks_.load(); some != nullptr; some = some->next) {
      for (std::size_t i = 0; i < some->size; ++i) {
        if (!visit(some->places[i])) return false;
      }
    }
    return true;
  }
  /// A copy, if a task is there that does not leave meanwhile.
  [[nodiscard]] static std::optional<live_task_info> read(const task_place& place) noexcept;
  /// True if there is a task that an executor runs by `item`.
  [[nodiscard]] static bool runs_as(const task_place& place, const work& item) noexcept {
    const std::uint64_t id = place.id_.load();
    return id != 0 && place.item_.load() == &item && place.id_.load() == id;
  }

  static void shape_for_debugger(debug_tasks& into) noexcept;

 private:
  struct chunk {
    chunk(std::size_t count, chunk* others)
        : size(count), places(std::make_unique<task_place[]>(count)), next(others) {}
    const std::size_t size;
    const std::unique_ptr<task_place[]> places;
    chunk* const next;
  };
  static constexpr std::size_t first_chunk = 8;
  static constexpr std::size_t largest_chunk = 1024;

  static constexpr std::uint64_t busy = 1;
  static constexpr std::uint64_t one_more = 2;

  void free(task_place& place) noexcept {
    if (place.note_.load(std::memory_order_relaxed) != nullptr) [[unlikely]]
      end_note(place);
    place.id_.store(0, std::memory_order_release);
    if (place.home_ == this) [[likely]] {
      place.next_ = free_;
      free_ = &place;
    } else {
      place.home_->take_back(place);
    }
  }

  task_place* more();
  void refuse(std::uint64_t before) noexcept;
  void take_back(task_place& place) noexcept;
  static void end_note(task_place& place) noexcept;

  // The owner's.
  task_place* free_ = nullptr;
  atomic<std::uint64_t> entered_{0};  // how many, times two; the lowest bit: busy
  atomic<std::uint64_t> left_{0};     // likewise
  atomic<bool> closed_{false};
  mutable mutex lock_;
  bool collected_ WEIR_GUARDED_BY(lock_) = false;
  std::uint64_t refused_ WEIR_GUARDED_BY(lock_) = 0;
  atomic<chunk*> chunks_{nullptr};  // the newest first
  // Others'.
  alignas(64) atomic<task_place*> returned_{nullptr};
};

}  // namespace weir::core
