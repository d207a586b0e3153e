#include <weir/core/assert.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/stopper/live_tasks.hpp>
#include <weir/stopper/thread_calls.hpp>

#include "runtime/debug_root.hpp"

namespace weir::core {
namespace {

constinit atomic<std::uint64_t> sets_made{0};

}  // namespace

bool thread_calls::retract() noexcept {
  const lock_guard guard{lock_};
  const std::uint32_t below = live_.load() - 1;
  live_.store(below);
  begun_.store(begun_.load() - 1);
  ++refused_;
  if (counted_ <= below) return false;  // not collected, or before it could be seen
  counted_ = below;
  return true;
}

bool thread_calls::leave_late() noexcept {
  const lock_guard guard{lock_};
  const std::uint32_t left = (live_.load() & depth_mask) - 1;
  live_.store(left);
  if (!collected_) return false;
  counted_ = left;
  return true;
}

std::size_t thread_calls::collect() noexcept {
  for (int round = 0;; wait_a_little(round++)) {
    const lock_guard guard{lock_};
    const std::uint32_t now = live_.load();  // acquires what the last `leave` released
    if ((now & leaving) != 0) continue;
    collected_ = true;
    counted_ = now & depth_mask;
    return counted_;
  }
}

std::size_t thread_calls::count() const noexcept {
  const lock_guard guard{lock_};
  return collected_ ? counted_ : live_.load() & depth_mask;
}

std::uint64_t thread_calls::refused() const noexcept {
  const lock_guard guard{lock_};
  return refused_;
}

std::optional<live_task_info> thread_calls::read(std::size_t index) const noexcept {
  // A call that ends and one that begins in its place change the depth in between, or the id: what
  // is read between two looks at the id, with the depth still above it, is of one call. Each load
  // acquires, so that none comes before the one above it.
  const call& one = calls_[index];
  for (int tries = 0; tries < 100; ++tries) {
    if ((live_.load() & depth_mask) <= index) return std::nullopt;
    const std::uint64_t id = one.id.load();
    live_task_info seen{};
    seen.name = one.name.load();
    seen.site = std::bit_cast<std::source_location>(one.site.load());
    seen.since = time_point{duration{one.since.load()}};
    if ((live_.load() & depth_mask) > index && one.id.load() == id) return seen;
  }
  return std::nullopt;  // one of many short ones
}

void thread_calls::shape_for_debugger(debug_tasks& into) noexcept {
  const thread_calls empty{0};
  const call& first = empty.calls_[0];
  into.calls_live = offset_within(&empty, empty.live_);
  into.calls_depth_mask = depth_mask;
  into.calls_first = offset_within(&empty, first);
  into.call_size = sizeof(call);
  into.call_name = offset_within(&first, first.name);
  into.call_site = offset_within(&first, first.site);
  into.call_since = offset_within(&first, first.since);
  thread_tasks::shape_for_debugger(into);
  into.places_chunks += offset_within(&empty, empty.tasks_);
}

call_set::call_set() noexcept : number_(sets_made.fetch_add(1) + 1) {
  prepare_fences();
}

call_set::~call_set() {
  each([](const thread_calls& one) { delete &one; });
}

thread_calls* call_set::find() noexcept {
  thread_calls* found = nullptr;
  {
    const lock_guard guard{lock_};
    if (closed_) return nullptr;
    found = find_locked(this_thread_id());
  }
  slot::get().entries[number_ % cache_size] = {number_, found};
  return found;
}

thread_calls* call_set::find_locked(std::uintptr_t thread) {
  for (auto& place : all_) {
    thread_calls* const one = place.load();
    if (one == nullptr) {
      place.store(new thread_calls{thread});
      return place.load();
    }
    if (one->owner() == thread) return one;
  }
  return nullptr;
}

void call_set::close() noexcept {
  {
    const lock_guard guard{lock_};
    closed_ = true;
  }
  if (all_[0].load() == nullptr) return;
  each([](thread_calls& one) { one.close(); });
  heavy_fence();
}

std::int64_t call_set::collect() noexcept {
  std::int64_t sum = 0;
  each([&sum](thread_calls& one) {
    sum += static_cast<std::int64_t>(one.collect()) + one.tasks().collect();
  });
  return sum;
}

}  // namespace weir::core
