#include <algorithm>

#include <weir/stopper/stopper.hpp>

#include "stopper/stopper_core.hpp"

namespace weir {
namespace core {
namespace {

/// When tasks were told what, as far as it has come.
struct milestones {
  const char* phase;
  std::optional<time_point> began;
  std::optional<time_point> cancelled;
};

snapshot_task told(const live_task_info& one, const milestones& at, time_point now) {
  snapshot_task task;
  task.name = one.name;
  task.site = one.site;
  task.age = std::max(now - one.since, duration::zero());  // `since` is coarse
  if (one.note != nullptr) task.note = *one.note;
  const std::optional<time_point>& cancelled = one.cancelled_early ? at.began : at.cancelled;
  if (cancelled) {
    task.phase = "cancelled";
    task.cancelled_for = now - *cancelled;
  } else if (at.began) {
    task.phase = "draining";
  }
  return task;
}

}  // namespace

void stopper_core::leaves_late(bool cancelled_early) noexcept {
  exits_.ended(cancelled_early, time().now());
}

void stopper_core::look(snapshot_entry& into, snapshot_detail detail) const {
  const live_totals totals = live_.totals();
  std::vector<live_task_info> found;
  if (detail == snapshot_detail::counts) {
    found = live_.oldest(1);
  } else {
    live_.copy(found);
    // Each shard is in order by itself.
    std::sort(found.begin(), found.end(),
              [](const live_task_info& a, const live_task_info& b) { return a.since < b.since; });
  }
  milestones at{};
  {
    lock_guard guard{mutex_};
    at = {core::name_of(phase_), began_, cancelled_};
  }
  const time_point now = time().now();
  into.has_figures = true;
  into.phase = at.phase;
  into.age = now - made_;
  into.running = detail == snapshot_detail::counts ? totals.running : found.size();
  into.started = totals.started;
  into.refused = totals.refused;
  into.throttled = throttled();
  if (!found.empty()) into.oldest = now - found.front().since;
  into.exits = exits_.read();
  if (detail == snapshot_detail::counts) return;
  into.tasks.reserve(found.size());
  for (const live_task_info& one : found) into.tasks.push_back(told(one, at, now));
}

bool stopper_core::find_running(const work& item, held_worker& into) const {
  const std::optional<live_task_info> found = live_.find_running(item);
  if (!found) return false;
  into.task = found->name;
  into.site = found->site;
  return true;
}

void stopper_core::dump(log_sink& sink) const {
  write_lines(sink, log_level::info, runtime_.snapshot().to_string());
}

}  // namespace core

snapshot stopper::snapshot(snapshot_detail detail) const {
  weir::snapshot seen{.runtime = where().name(), .detail = detail, .entries = {}, .held = {}};
  snapshot_entry& mine = seen.entries.emplace_back();
  const core::stopper_core& it = core();
  mine.kind = it.kind();
  mine.name = it.name();
  mine.site = it.site();
  it.look(mine, detail);
  return seen;
}

}  // namespace weir
