#include "runtime/worker.hpp"

#include <algorithm>

#include <weir/context/task_record.hpp>
#include <weir/runtime/frame_cache.hpp>

#include "runtime/runtime_core.hpp"

namespace weir::core {
namespace {

constexpr std::uint32_t slot_runs_most = 16;  // then the ring has its turn

}  // namespace

worker::worker(runtime_core& core, std::uint32_t index, sharing who)
    : core_(core),
      index_(index),
      sharing_(who),
      random_(index * 2654435761U + 1),
      set_(index % core.reactor.sets()),
      ring_(who),
      policy_(core.waking),
      linger_(core.linger),
      timers_(core, index) {}

int worker::start(std::string_view name) noexcept {
  return thread_.start(name, [](void* self) { static_cast<worker*>(self)->loop(); }, this);
}

void worker::schedule(work& item) noexcept {
  // A task that schedules itself while it runs yields: to the end of the queue.
  const work* const running = running_.load(std::memory_order_relaxed);
  if (running == nullptr || running == &item) {
    push(item);
    return;
  }
  // relaxed: nobody else fills the slot; a thief can only have emptied it, which the exchange sees.
  work* displaced = slot_.load(std::memory_order_relaxed);
  if (displaced == nullptr || sharing_ == sharing::alone) {
    slot_.store(&item, std::memory_order_release);  // pairs with the exchange of a thief
  } else {
    displaced = slot_.exchange(&item);
  }
  if (displaced != nullptr) push(*displaced);
}

void worker::push(work& item) noexcept {
  if (!ring_.push(item)) overflow(item);
}

void worker::overflow(work& item) noexcept {
  // Half the ring at once: the next thousand pushes are cheap again.
  work_chain moved;
  while (moved.count < ring_.capacity / 2) {
    work* oldest = ring_.pop();
    if (oldest == nullptr) break;
    moved.push(*oldest);
  }
  moved.push(item);
  core_.injected.push(moved);
}

work* worker::take_slot() noexcept {
  // relaxed: filled by this thread.
  work* item = slot_.load(std::memory_order_relaxed);
  if (item == nullptr) return nullptr;
  if (sharing_ == sharing::shared) return slot_.exchange(nullptr);
  slot_.store(nullptr, std::memory_order_relaxed);  // no partner: there is no thief
  return item;
}

work* worker::next_local() noexcept {
  if (slot_runs_ < slot_runs_most) {
    if (work* item = take_slot()) {
      ++slot_runs_;
      return item;
    }
  }
  slot_runs_ = 0;
  if (work* item = ring_.pop()) return item;
  return take_slot();
}

work* worker::take_injected(std::size_t most) noexcept {
  const std::size_t queued = core_.injected.size();
  if (queued == 0) return nullptr;
  // A fair share: the others take theirs.
  const std::size_t share = queued / core_.workers.size() + 1;
  work_chain taken = core_.injected.pop(std::min(share, most));
  work* first = taken.pop();
  while (work* item = taken.pop()) push(*item);
  return first;
}

void worker::run(work& item) noexcept {
  running_.store(&item, std::memory_order_relaxed);
  item.run();
  running_.store(nullptr, std::memory_order_relaxed);
  worker_counters::add(counters_.executed, 1);
  if (sharing_ == sharing::shared) share_if_worth();
}

void worker::share_if_worth() noexcept {
  if (!policy_.worth_sharing(ring_.size())) return;
  ring_.publish();  // before the look at who sleeps
  if (core_.idle.sleepers() == 0) return;
  core_.waking.waking(monotonic_now());
  if (!core_.idle.wake_one()) core_.waking.not_waking();
}

void worker::loop() noexcept {
  const frame_cache_scope cache;
  const no_blocking_scope no_blocking{core_.name.c_str()};
  current_worker() = this;
  seen_.resize(core_.workers.size());
  woke_ = monotonic_now();
  policy_.slept(woke_);
  for (;;) {
    work* item = next_local();
    if (item == nullptr) item = search();
    if (item == nullptr) break;
    run(*item);
    if (--until_look_ == 0) look_around();
  }
  current_worker() = nullptr;
}

}  // namespace weir::core
