#include <algorithm>

#include <weir/core/error.hpp>
#include <weir/runtime/snapshot.hpp>

#include "runtime/site_text.hpp"

namespace weir {
namespace {

std::string count_of(std::uint64_t count, const char* what) {
  return std::to_string(count) + " " + what;
}

std::string head(const snapshot_entry& one) {
  std::string text = one.kind + " '" + one.name + "'";
  if (!one.has_figures) return text + ": " + one.text + "\n";
  text += ": " + one.phase + ", " + std::to_string(one.running) + " live";
  if (one.oldest) text += ", the oldest for " + to_text(*one.oldest);
  text += "; made " + to_text(one.age) + " ago at " + core::text_of(one.site) + "\n";
  text += "  " + count_of(one.started, "started") + ", " + count_of(one.refused, "refused") + ", " +
          count_of(one.throttled, "throttled");
  if (one.exits.count > 0) {
    text += "; " + count_of(one.exits.count, "ended after they were cancelled, in ") +
            to_text(one.exits.mean()) + " on average, " + to_text(one.exits.longest) + " at most";
  }
  return text + "\n";
}

std::string line(const snapshot_task& task, bool with_site) {
  std::string text = "  '" + task.name + "' for " + to_text(task.age) + ", " + task.phase;
  if (task.cancelled_for) text += " " + to_text(*task.cancelled_for) + " ago";
  if (!task.note.empty()) text += ": " + task.note;
  if (with_site) text += " (" + core::text_of(task.site) + ")";
  return text + "\n";
}

}  // namespace

duration time_histogram::mean() const noexcept {
  return count == 0 ? duration{} : total / static_cast<duration::rep>(count);
}

std::size_t snapshot::running() const noexcept {
  std::size_t sum = 0;
  for (const snapshot_entry& one : entries) sum += one.running;
  return sum;
}

std::string snapshot::to_string(std::size_t most) const {
  std::string text = "runtime '" + runtime + "': " + std::to_string(running()) + " live in " +
                     std::to_string(entries.size()) +
                     (entries.size() == 1 ? " stopper or pool\n" : " stoppers and pools\n");
  for (const held_worker& one : held) {
    text += "  worker " + std::to_string(one.worker) + " is held for " + to_text(one.held) + " by ";
    text += one.task.empty() ? std::string{"something that no stopper tracks"}
                             : "'" + one.task + "' (" + core::text_of(one.site) + ")";
    text += "\n";
  }
  for (const snapshot_entry& one : entries) {
    text += head(one);
    const std::size_t shown = std::min(most, one.tasks.size());
    for (std::size_t i = 0; i < shown; ++i) {
      text += line(one.tasks[i], detail == snapshot_detail::sites);
    }
    if (shown < one.tasks.size()) {
      text += "  and " + std::to_string(one.tasks.size() - shown) + " more\n";
    }
  }
  return text;
}

}  // namespace weir
