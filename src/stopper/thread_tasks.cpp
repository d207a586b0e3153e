#include <algorithm>

#include <weir/core/sync/thread.hpp>
#include <weir/stopper/live_tasks.hpp>
#include <weir/stopper/thread_tasks.hpp>

#include "runtime/debug_root.hpp"

namespace weir::core {

thread_tasks::~thread_tasks() {
  for (const chunk* some = chunks_.load(); some != nullptr;) {
    const chunk* const ended = some;
    some = some->next;
    delete ended;
  }
}

/// The owner's, when it has no place left: those that came back, or new ones.
task_place* thread_tasks::more() {
  if (returned_.load() != nullptr) return free_ = returned_.exchange(nullptr);
  chunk* const others = chunks_.load();
  const std::size_t size =
      others != nullptr ? std::min(2 * others->size, largest_chunk) : first_chunk;
  auto* const made = new chunk{size, others};
  for (std::size_t i = 0; i < size; ++i) {
    task_place& place = made->places[i];
    place.home_ = this;
    place.next_ = i + 1 < size ? &made->places[i + 1] : nullptr;
  }
  chunks_.store(made);
  return free_ = made->places.get();
}

void thread_tasks::refuse(std::uint64_t before) noexcept {
  const lock_guard guard{lock_};
  ++refused_;
  entered_.store(before);
}

bool thread_tasks::leave_late() noexcept {
  const lock_guard guard{lock_};
  left_.store((left_.load() & ~busy) + one_more);
  return collected_;
}

std::int64_t thread_tasks::collect() noexcept {
  for (int round = 0;; wait_a_little(round++)) {
    const lock_guard guard{lock_};
    // Acquires what the last enter and leave released. Neither changes once it is not busy.
    const std::uint64_t in = entered_.load();
    const std::uint64_t out = left_.load();
    if (((in | out) & busy) != 0) continue;
    collected_ = true;
    return static_cast<std::int64_t>(in / one_more) - static_cast<std::int64_t>(out / one_more);
  }
}

void thread_tasks::take_back(task_place& place) noexcept {
  place.next_ = returned_.load();
  while (!returned_.compare_exchange_weak(place.next_, &place)) {
  }
}

void thread_tasks::free_from_elsewhere(task_place& place) noexcept {
  if (place.note_.load() != nullptr) end_note(place);
  place.id_.store(0);
  place.home_->take_back(place);
}

std::uint64_t thread_tasks::refused() const noexcept {
  const lock_guard guard{lock_};
  return refused_;
}

void thread_tasks::note(task_place& place, const std::shared_ptr<const std::string>& text) {
  const auto* made = text != nullptr ? new std::shared_ptr<const std::string>{text} : nullptr;
  const std::shared_ptr<const std::string>* ended = nullptr;
  {
    const lock_guard guard{place.home_->lock_};
    ended = place.note_.exchange(made);
  }
  delete ended;
}

void thread_tasks::end_note(task_place& place) noexcept {
  const std::shared_ptr<const std::string>* ended = nullptr;
  {
    const lock_guard guard{place.home_->lock_};
    ended = place.note_.exchange(nullptr);
  }
  delete ended;
}

std::optional<live_task_info> thread_tasks::read(const task_place& place) noexcept {
  const std::uint64_t id = place.id_.load();
  if (id == 0) return std::nullopt;
  live_task_info seen{place.name_.load(), std::bit_cast<std::source_location>(place.site_.load()),
                      time_point{duration{place.since_.load()}}, (id & task_place::early) != 0,
                      nullptr};
  if (place.note_.load() != nullptr) {
    const lock_guard guard{place.home_->lock_};  // keeps the note
    if (const auto* text = place.note_.load()) seen.note = *text;
  }
  // The note may be of a task that came meanwhile; then the id is another, too.
  if (place.id_.load() != id) return std::nullopt;
  return seen;
}

void thread_tasks::shape_for_debugger(debug_tasks& into) noexcept {
  const thread_tasks empty;
  const task_place place;
  into.places_chunks = offset_within(&empty, empty.chunks_);
  into.place_size = sizeof(task_place);
  into.place_id = offset_within(&place, place.id_);
  into.place_name = offset_within(&place, place.name_);
  into.place_site = offset_within(&place, place.site_);
  into.place_since = offset_within(&place, place.since_);
  into.place_note = offset_within(&place, place.note_);
}

}  // namespace weir::core
