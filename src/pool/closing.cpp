#include <algorithm>
#include <array>
#include <utility>

#include <weir/pool/core.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/stopper/stopper.hpp>

#include "runtime/site_text.hpp"

/// The end of a pool. Leases that are out are never touched: their resource is closed when they
/// come home, and until then they are named.
namespace weir::core {

pool_core::home pool_home(stopper& owner) noexcept {
  runtime& where = owner.where();
  return {.where = owner.executor(), .live = &where.live(), .log = &where.log(), .owner = &owner};
}

registration close_pool_with(stopper& owner, std::shared_ptr<pool_core> pool) {
  // Closers run when the tasks are gone: during the drain they still get resources to finish with.
  // The name lives as long as the closer, which holds the pool.
  const char* name = pool->pool_name().c_str();
  return owner.defer(name, [pool = std::move(pool)](const context& ctx) -> result<void> {
    // An eighth of the time is left to tell who holds what, and to the closers that come after: one
    // lease that never comes home must not keep other pools from closing.
    const auto end = ctx.deadline();
    if (!end) return weir::wait(pool->close(ctx));
    const time_point now = ctx.time().now();
    const context_source share{ctx, {.deadline = *end - std::max(*end - now, duration{}) / 8}};
    return weir::wait(pool->close(share.get()));
  });
}

void pool_core::leave(registration& closer) noexcept {
  if (home_.owner != nullptr) {
    // A closer would stay behind until the stop. A permit is gone as soon as the pool is.
    // Whoever looks at the stopper then may still read its name.
    auto stay = home_.owner->try_enter(home_.owner->intern(name_), some_holder());
    if (!stay) {
      closer.keep();
    } else {
      lock_guard guard{mutex_};
      if (alive_ != nullptr) stay_ = *std::move(stay);
    }
  }
  begin_close();
}

void pool_core::begin_close() noexcept {
  source_.cancel(error{errc::closed, "the pool closes"});
  wake_list wakes;
  lock_guard guard{mutex_};
  if (closed_) return;
  closed_ = true;
  empty_cells(pool_cells::then::close);
  disarm_maintenance();
  const time_point now = clock_.now();
  for (roll_entry* e = roll_.front(); e != nullptr; e = roll_.next(*e)) look_at(e->slot, now);
  while (acquire_base* op = queue_.oldest()) {
    refuse(*op, acquire_base::refusal::closed, nullptr, wakes);
  }
  while (pool_slot* slot = idle_.pop_front()) {
    --stats_.idle;
    retire(*slot, close_cause::shutdown, wakes);
  }
  check_home(wakes);
}

task<result<void>> pool_core::close(context bound) {
  const std::shared_ptr<pool_core> alive = shared_from_this();
  begin_close();
  auto home = co_await all_home_.wait(bound);
  if (home || all_home_.is_set()) co_return result<void>{};  // even if the time was over before
  const pool_stats left = stats();
  error late =
      error{errc::unavailable, "the pool '" + name_ + "' did not get all its resources back"}
          .with("open", static_cast<std::int64_t>(left.open))
          .with("in use", static_cast<std::int64_t>(left.in_use))
          .with("opening", static_cast<std::int64_t>(left.opening))
          .with("closing", static_cast<std::int64_t>(left.closing));
  if (left.in_use != 0) late = std::move(late).with("held by", holders());
  co_return std::unexpected(std::move(late).caused_by(std::move(home.error())));
}

bool pool_core::look_at(pool_slot& slot, time_point now) noexcept {
  // relaxed: see pool_slot.
  const std::uint64_t turn = slot.turns_.load(std::memory_order_relaxed);
  if (turn % 2 == 0) return false;
  if (turn != slot.seen_turn_) {
    slot.seen_turn_ = turn;
    slot.seen_at_ = now;
    slot.reported_ = false;
  }
  return true;
}

std::source_location pool_core::some_holder() noexcept {
  lock_guard guard{mutex_};
  for (roll_entry* e = roll_.front(); e != nullptr; e = roll_.next(*e)) {
    // relaxed: see pool_slot.
    if (e->slot.turns_.load(std::memory_order_relaxed) % 2 == 0) continue;
    return e->slot.holder_.load(std::memory_order_relaxed);
  }
  return std::source_location::current();
}

std::string pool_core::holders() {
  std::array<loan, 8> seen{};
  std::size_t known = 0;
  std::size_t all = 0;
  {
    const time_point now = clock_.now();
    lock_guard guard{mutex_};
    for (roll_entry* e = roll_.front(); e != nullptr; e = roll_.next(*e)) {
      if (!look_at(e->slot, now)) continue;
      // relaxed: see pool_slot.
      const auto site = e->slot.holder_.load(std::memory_order_relaxed);
      if (known < seen.size()) seen[known++] = {.site = site, .held = now - e->slot.seen_at_};
      ++all;
    }
  }
  std::string text;
  for (std::size_t i = 0; i < known; ++i) {
    text += (i == 0 ? "" : ", ") + text_of(seen[i].site) + " for at least " + to_text(seen[i].held);
  }
  if (all > known) text += " and " + std::to_string(all - known) + " more";
  return text;
}

}  // namespace weir::core
