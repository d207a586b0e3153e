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
  while (!closed_.load()) yield_thread();
}

bool live_tasks::refused(thread_calls& mine) noexcept {
  const bool last = mine.retract() && remaining_.fetch_sub(1) == 1;
  wait_until_closed();
  return last;
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
    std::size_t left = 0;
    {
      lock_guard guard{each.lock};
      each.closed = true;
      left = each.count;
    }
    remaining_.fetch_add(static_cast<std::int64_t>(left));
  }
  remaining_.fetch_add(static_cast<std::int64_t>(calls_.collect()));
  closed_.store(true);
  return remaining_.fetch_sub(bias) == bias;
}

std::size_t live_tasks::count() const noexcept {
  std::size_t sum = 0;
  for (const shard& each : shards_) {
    lock_guard guard{each.lock};
    sum += each.count;
  }
  calls_.each([&sum](const thread_calls& one) { sum += one.count(); });
  return sum;
}

void live_tasks::add_calls(std::vector<live_task_info>& into) const {
  calls_.each([&into](const thread_calls& one) {
    for (std::size_t i = 0; i < thread_calls::depth; ++i) {
      auto call = one.read(i);
      if (call) into.push_back(*std::move(call));
    }
  });
}

std::vector<live_task_info> live_tasks::oldest(std::size_t most) const {
  std::vector<live_task_info> found;
  found.reserve(most * shard_count);
  for (const shard& each : shards_) {
    std::size_t taken = 0;
    lock_guard guard{each.lock};
    for (live_task* one = each.tasks.front(); one != nullptr && taken < most;
         one = each.tasks.next(*one)) {
      if (one->name == nullptr) continue;
      ++taken;
      found.push_back(glance(*one));
    }
  }
  add_calls(found);
  std::sort(found.begin(), found.end(),
            [](const live_task_info& a, const live_task_info& b) { return a.since < b.since; });
  if (found.size() > most) found.resize(most);
  return found;
}

live_totals live_tasks::totals() const noexcept {
  live_totals sum;
  for (const shard& each : shards_) {
    lock_guard guard{each.lock};
    sum.running += each.count;
    sum.started += each.started;
    sum.refused += each.refused;
  }
  calls_.each([&sum](const thread_calls& one) {
    sum.running += one.count();
    sum.started += one.begun();
    sum.refused += one.refused();
  });
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
  add_calls(into);
}

std::optional<live_task_info> live_tasks::find_running(const work& item) const {
  std::optional<live_task_info> found;
  const auto look = [&](const live_task& one) {
    // What is listed lives, and so does the flow that it is part of.
    const auto* flow = static_cast<const task_record*>(one.flow);
    if (flow == nullptr || !flow->runs_as(item)) return true;
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

bool live_tasks::has(const void* flow, std::uintptr_t thread) const noexcept {
  for (const shard& each : shards_) {
    lock_guard guard{each.lock};
    for (live_task* one = each.tasks.front(); one != nullptr; one = each.tasks.next(*one)) {
      if (flow != nullptr && one->flow == flow) return true;
      if (one->thread == thread) return true;
    }
  }
  bool here = false;
  calls_.each([&here, thread](const thread_calls& one) {
    here = here || (one.owner() == thread && one.count() != 0);
  });
  return here;
}

}  // namespace weir::core

extern "C" {
const weir::core::debug_tasks weir_debug_tasks = weir::core::live_tasks::shape_for_debugger();
}
