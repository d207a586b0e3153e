#include <algorithm>
#include <iterator>

#include <weir/context/task_record.hpp>
#include <weir/core/assert.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/stopper/live_tasks.hpp>

#include "runtime/debug_root.hpp"

namespace weir::core {
namespace {

live_task_info glance(const live_task& one) noexcept {
  return {one.name, one.site, one.since, one.cancelled_early, one.note};
}

}  // namespace

live_tasks::~live_tasks() {
  WEIR_ASSERT(count() == 0, "a stopper's memory was freed while something is live in it");
}

bool live_tasks::enter(live_task& task, std::uint32_t number) noexcept {
  task.shard = static_cast<std::uint8_t>(number % shard_count);
  shard& own = shards_[task.shard];
  {
    lock_guard guard{own.lock};
    if (!own.closed) {
      own.tasks.push_back(task);
      ++own.count;
      ++own.started;
      return true;
    }
    ++own.refused;
  }
  wait_until_closed();
  return false;
}

/// Another shard may still be open: to say no now, and yes to a later caller, would not be one
/// atomic step.
void live_tasks::wait_until_closed() const noexcept {
  for (int round = 0; !closed_.load(); ++round) wait_a_little(round);
}

bool live_tasks::refused(thread_calls& mine) noexcept {
  const bool last = mine.retract() && remaining_.fetch_sub(1) == 1;
  wait_until_closed();
  return last;
}

bool live_tasks::leave_from_elsewhere(task_place& place, std::uint32_t number) noexcept {
  thread_tasks::free_from_elsewhere(place);
  shard& own = shards_[number % shard_count];
  bool counts = false;
  {
    lock_guard guard{own.lock};
    --own.count;
    counts = own.closed;
  }
  return counts && remaining_.fetch_sub(1) == 1;
}

bool live_tasks::leave(live_task& task) noexcept {
  shard& own = shards_[task.shard];
  bool counts = false;
  {
    lock_guard guard{own.lock};
    intrusive_list<live_task>::unlink(task);
    --own.count;
    counts = own.closed;
  }
  // Not closed: nothing is touched any more, for a close may already have counted us as gone.
  return counts && remaining_.fetch_sub(1) == 1;
}

void live_tasks::note(live_task& task, std::shared_ptr<const std::string> text) noexcept {
  lock_guard guard{shards_[task.shard].lock};
  task.note.swap(text);  // what it was is freed after the unlock: parameters outlive the guard
}

bool live_tasks::close() noexcept {
  calls_.close();
  for (shard& each : shards_) {
    std::int64_t left = 0;
    {
      lock_guard guard{each.lock};
      each.closed = true;
      left = each.count;
    }
    remaining_.fetch_add(left);
  }
  remaining_.fetch_add(calls_.collect());
  closed_.store(true);
  return remaining_.fetch_sub(bias) == bias;
}

std::size_t live_tasks::count() const noexcept {
  return totals().running;
}

template <class Visit>
void live_tasks::each_unlisted(Visit visit) const {
  calls_.each([&visit](const thread_calls& one) {
    for (std::size_t i = 0; i < thread_calls::depth; ++i) {
      if (auto call = one.read(i)) visit(*std::move(call));
    }
    one.tasks().each([&visit](const task_place& place) {
      if (auto task = thread_tasks::read(place)) visit(*std::move(task));
      return true;
    });
  });
}

/// The oldest of all that it is shown: a heap with the youngest of them on top.
class live_tasks::eldest {
 public:
  explicit eldest(std::size_t most) : most_(most) { found_.reserve(most); }

  [[nodiscard]] bool wants(time_point since) const noexcept {
    return found_.size() < most_ || (most_ != 0 && since < found_.front().since);
  }
  void show(live_task_info&& one) {
    if (!wants(one.since)) return;
    if (found_.size() == most_) {
      std::pop_heap(found_.begin(), found_.end(), older);
      found_.pop_back();
    }
    found_.push_back(std::move(one));
    std::push_heap(found_.begin(), found_.end(), older);
  }
  [[nodiscard]] std::vector<live_task_info> in_order() && {
    std::sort_heap(found_.begin(), found_.end(), older);
    return std::move(found_);
  }

 private:
  static bool older(const live_task_info& a, const live_task_info& b) noexcept {
    return a.since < b.since;
  }

  const std::size_t most_;
  std::vector<live_task_info> found_;
};

std::vector<live_task_info> live_tasks::oldest(std::size_t most) const {
  eldest found{most};
  std::vector<live_task_info> some;
  some.reserve(most);
  for (const shard& each : shards_) {
    {
      lock_guard guard{each.lock};
      for (live_task* one = each.tasks.front(); one != nullptr && some.size() < most;
           one = each.tasks.next(*one)) {
        if (one->name != nullptr) some.push_back(glance(*one));
      }
    }
    for (live_task_info& one : some) found.show(std::move(one));
    some.clear();
  }
  each_unlisted([&found](live_task_info&& one) { found.show(std::move(one)); });
  return std::move(found).in_order();
}

live_totals live_tasks::totals() const noexcept {
  // Who has left is read before who has entered, so that no task is missing that is live
  // throughout, and those who have left have been seen to enter.
  std::uint64_t left = 0;
  calls_.each([&left](const thread_calls& one) { left += one.tasks().left(); });
  std::int64_t running = 0;
  live_totals sum;
  for (const shard& each : shards_) {
    lock_guard guard{each.lock};
    running += each.count;
    sum.started += each.started;
    sum.refused += each.refused;
  }
  calls_.each([&](const thread_calls& one) {
    const std::uint64_t entered = one.tasks().entered();
    running += static_cast<std::int64_t>(one.count() + entered);
    sum.started += one.begun() + entered;
    sum.refused += one.refused() + one.tasks().refused();
  });
  running -= static_cast<std::int64_t>(left);
  sum.running = static_cast<std::size_t>(std::max(running, std::int64_t{0}));
  return sum;
}

/// A way through one shard that lets go of its lock in between: two marks in the list, one where it
/// is and one where the list ended when it began, for a list that grows as fast as we walk would
/// never end.
class live_tasks::walk {
 public:
  explicit walk(const shard& over) noexcept : shard_(over) {
    lock_guard guard{shard_.lock};
    shard_.tasks.push_front(here_);
    shard_.tasks.push_back(end_);
  }
  ~walk() {
    lock_guard guard{shard_.lock};
    intrusive_list<live_task>::unlink(here_);
    intrusive_list<live_task>::unlink(end_);
  }
  walk(const walk&) = delete;
  walk& operator=(const walk&) = delete;

  /// Shows the next ones to `visit`, under the lock, until it says false. False: that was all.
  template <class Visit>
  bool step(Visit visit) noexcept {
    lock_guard guard{shard_.lock};
    live_task* last = &here_;
    bool more = true;
    for (std::size_t seen = 0; more && seen < slice; ++seen) {
      live_task* one = shard_.tasks.next(*last);
      more = one != &end_;
      if (!more) break;
      last = one;
      if (one->name != nullptr) more = visit(*one);  // else it is of another walk
    }
    if (last != &here_) {
      intrusive_list<live_task>::unlink(here_);
      shard_.tasks.insert_after(*last, here_);
    }
    return more;
  }

 private:
  const shard& shard_;
  live_task here_{nullptr, {}};
  live_task end_{nullptr, {}};
};

void live_tasks::copy(std::vector<live_task_info>& into) const {
  into.reserve(into.size() + count());
  std::array<live_task_info, slice> some;
  for (const shard& each : shards_) {
    walk way{each};
    for (bool more = true; more;) {
      std::size_t count = 0;
      more = way.step([&](const live_task& one) {
        some[count++] = glance(one);
        return true;
      });
      // Moved, so that no note is freed under the lock when the next ones come.
      std::move(some.begin(), some.begin() + static_cast<std::ptrdiff_t>(count),
                std::back_inserter(into));
    }
  }
  each_unlisted([&into](live_task_info&& one) { into.push_back(std::move(one)); });
}

std::optional<live_task_info> live_tasks::find_running(const work& item) const {
  std::optional<live_task_info> found;
  calls_.each([&](const thread_calls& one) {
    if (found) return;
    one.tasks().each([&](const task_place& place) {
      if (thread_tasks::runs_as(place, item)) found = thread_tasks::read(place);
      return !found;
    });
  });
  if (found) return found;
  const auto look = [&](const live_task& one) {
    if (one.item != &item) return true;
    found = glance(one);
    return false;
  };
  for (const shard& each : shards_) {
    walk way{each};
    while (way.step(look)) {
    }
    if (found) break;
  }
  return found;
}

debug_tasks live_tasks::shape_for_debugger() noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  const shard empty;
  const live_task task{"", {}};
  const list_hook* const link = &task;
  debug_tasks shape{.shard_count = shard_count,
                    .shard_size = sizeof(shard),
                    .shard_list = offset_within(&empty, empty.tasks),
                    .name = offset_within(link, task.name),
                    .site = offset_within(link, task.site),
                    .since = offset_within(link, task.since),
                    .note = offset_within(link, task.note)};
  shape.calls_slots = call_set::most;
  thread_calls::shape_for_debugger(shape);
  return shape;
}

bool live_tasks::has(const work* item, std::uintptr_t thread) const noexcept {
  for (const shard& each : shards_) {
    lock_guard guard{each.lock};
    for (live_task* one = each.tasks.front(); one != nullptr; one = each.tasks.next(*one)) {
      if (item != nullptr && one->item == item) return true;
      if (one->thread == thread) return true;
    }
  }
  bool here = false;
  calls_.each([&here, item, thread](const thread_calls& one) {
    here = here || (one.owner() == thread && one.count() != 0);
    if (here || item == nullptr) return;
    here = !one.tasks().each(
        [item](const task_place& place) { return !thread_tasks::runs_as(place, *item); });
  });
  return here;
}

}  // namespace weir::core

extern "C" {
const weir::core::debug_tasks weir_debug_tasks = weir::core::live_tasks::shape_for_debugger();
}
