#include <algorithm>

#include <weir/core/assert.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/stopper/live_tasks.hpp>

namespace weir::core {

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
      return true;
    }
  }
  // Another shard may still be open: to say no now, and yes to a later caller, would not be one
  // atomic step.
  while (!closed_.load()) yield_thread();
  return false;
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
  for (shard& each : shards_) {
    std::size_t left = 0;
    {
      lock_guard guard{each.lock};
      each.closed = true;
      left = each.count;
    }
    remaining_.fetch_add(static_cast<std::int64_t>(left));
  }
  closed_.store(true);
  return remaining_.fetch_sub(bias) == bias;
}

std::size_t live_tasks::count() const noexcept {
  std::size_t sum = 0;
  for (const shard& each : shards_) {
    lock_guard guard{each.lock};
    sum += each.count;
  }
  return sum;
}

std::vector<live_task_info> live_tasks::oldest(std::size_t most) const {
  std::vector<live_task_info> found;
  found.reserve(most * shard_count);
  for (const shard& each : shards_) {
    std::size_t taken = 0;
    lock_guard guard{each.lock};
    for (live_task* one = each.tasks.front(); one != nullptr && taken < most;
         one = each.tasks.next(*one), ++taken) {
      found.push_back({one->name, one->site, one->since, one->cancelled_early, one->note});
    }
  }
  std::sort(found.begin(), found.end(),
            [](const live_task_info& a, const live_task_info& b) { return a.since < b.since; });
  if (found.size() > most) found.resize(most);
  return found;
}

bool live_tasks::has(const void* flow, std::uintptr_t thread) const noexcept {
  for (const shard& each : shards_) {
    lock_guard guard{each.lock};
    for (live_task* one = each.tasks.front(); one != nullptr; one = each.tasks.next(*one)) {
      if (flow != nullptr && one->flow == flow) return true;
      if (one->thread == thread) return true;
    }
  }
  return false;
}

}  // namespace weir::core
