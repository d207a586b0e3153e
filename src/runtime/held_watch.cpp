#include "runtime/held_watch.hpp"

#include "runtime/runtime_core.hpp"
#include "runtime/site_text.hpp"

namespace weir::core {

void held_watch::look(runtime_core& core, time_point now) {
  if (after_ <= duration::zero()) return;
  // relaxed: who reads an old value looks once more than needed.
  if (now.time_since_epoch().count() < next_look_.load(std::memory_order_relaxed)) return;
  next_look_.store((now + after_ / 8).time_since_epoch().count(), std::memory_order_relaxed);
  for (const held_worker& one : observe(core, now, which::news)) {
    std::string text = core.name + "-w" + std::to_string(one.worker) + " is held for " +
                       to_text(one.held) + " by ";
    text += one.task.empty() ? std::string{"something that no stopper tracks"}
                             : "task '" + one.task + "' (" + text_of(one.site) + ")";
    core.log.write(log_level::warning,
                   text + ": what blocks or computes belongs into spawn_blocking");
  }
}

std::vector<held_worker> held_watch::held(runtime_core& core, time_point now) {
  if (after_ <= duration::zero()) return {};
  return observe(core, now, which::all);
}

std::vector<held_worker> held_watch::observe(runtime_core& core, time_point now, which wanted) {
  std::vector<held_worker> found;
  found.reserve(core.workers.size());
  {
    lock_guard guard{mutex_};
    if (workers_.empty()) workers_.resize(core.workers.size());
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
      seen& before = workers_[i];
      // Read before what runs: if it is the same afterwards, so was the run.
      const std::uint64_t executed = core.workers[i]->counters().executed.load();
      const bool running = core.workers[i]->running() != nullptr;
      if (!running || !before.running || executed != before.executed) {
        before = {executed, now, running, false};
        continue;
      }
      if (now - before.since < after_) continue;
      if (wanted == which::all || !std::exchange(before.reported, true)) {
        found.push_back({.worker = i, .task = {}, .site = {}, .held = now - before.since});
      }
    }
  }
  for (held_worker& one : found) {
    const work* item = core.workers[one.worker]->running();
    if (item != nullptr) core.live.find_running(*item, one);
  }
  return found;
}

}  // namespace weir::core
