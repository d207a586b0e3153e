#include <weir/core/sync/thread.hpp>
#include <weir/runtime/registry.hpp>

namespace weir {

void registry::add(registry_entry& entry) noexcept {
  core::lock_guard guard{mutex_};
  entries_.push_back(entry);
}

void registry::remove(registry_entry& entry) noexcept {
  for (int round = 0;; ++round) {
    {
      core::lock_guard guard{mutex_};
      if (entry.visitors_ == 0) {
        core::intrusive_list<registry_entry>::unlink(entry);
        return;
      }
    }
    core::wait_a_little(round);  // a report is making its line of it
  }
}

/// Lets go of `current` and holds on to the entry after it. An entry that is held stays in the
/// list, so that the way on is never lost.
registry_entry* registry::visit_next(registry_entry* current) noexcept {
  core::lock_guard guard{mutex_};
  registry_entry* next = current == nullptr ? entries_.front() : entries_.next(*current);
  if (current != nullptr) --current->visitors_;
  if (next != nullptr) ++next->visitors_;
  return next;
}

template <class Visit>
void registry::visit_all(Visit visit) {
  registry_entry* entry = nullptr;
  try {
    while ((entry = visit_next(entry)) != nullptr) visit(*entry);
  } catch (...) {
    while (entry != nullptr) entry = visit_next(entry);
    throw;
  }
}

std::vector<registry::item> registry::snapshot() {
  std::vector<item> items;
  visit_all([&](const registry_entry& entry) {
    items.push_back({.kind = std::string{entry.kind()},
                     .name = std::string{entry.name()},
                     .description = entry.describe(),
                     .site = entry.site()});
  });
  return items;
}

std::vector<snapshot_entry> registry::look(snapshot_detail detail) {
  std::vector<snapshot_entry> seen;
  visit_all([&](const registry_entry& entry) {
    snapshot_entry& one = seen.emplace_back();
    one.kind = entry.kind();
    one.name = entry.name();
    one.site = entry.site();
    entry.look(one, detail);
  });
  return seen;
}

void registry::find_running(const core::work& item, held_worker& into) {
  bool found = false;
  visit_all([&](const registry_entry& entry) {
    if (!found) found = entry.find_running(item, into);
  });
}

bool registry::empty() noexcept {
  core::lock_guard guard{mutex_};
  return entries_.empty();
}

}  // namespace weir
