#include <memory>

#include "stopper/stopper_core.hpp"

namespace weir::core {
namespace {

constexpr char gate_key = 0;

atomic<std::uint32_t> threads_seen{0};

}  // namespace

stopper_gate::stopper_gate(const stopper_gate* parent, executor& where, executor& blocking,
                           tracer* trace, void (*free)(stopper_gate&) noexcept)
    : call_clock_(where),
      finishing_(parent != nullptr ? context_source{parent->finishing()}
                                   : context_source{where.time()}),
      leaving_(finishing_.get()),
      where_(where),
      time_(where.time()),
      blocking_(blocking),
      trace_(trace),
      free_(free) {
  // Nobody else has the context yet. The value owns nothing: it only says whose context this is.
  context_state& root = *finishing_.get().state();
  root.key = &gate_key;
  root.value = std::shared_ptr<const void>{std::shared_ptr<void>{}, this};
}

bool stopper_gate::covers(const context& ctx) const noexcept {
  const context_state* state = ctx.state();
  return state != nullptr && state->find(&gate_key, context_state::shields::stop_at) == this;
}

error stopper_gate::refusal(const char* task) const {
  const auto& core = static_cast<const stopper_core&>(*this);
  return error{errc::unavailable, "the stopper is stopping and takes no more work"}
      .with("task", std::string{task})
      .with("stopper", core.full_name());
}

void stopper_gate::unhandled(const char* task, std::source_location site,
                             std::exception_ptr thrown) noexcept {
  static_cast<stopper_core*>(this)->unhandled(task, site, std::move(thrown));
}

std::uint32_t stopper_gate::next_shard() noexcept {
  return threads_seen.fetch_add(1) % live_tasks::shard_count + 1;  // 0: not asked for yet
}

void stopper_gate::leave_slowly(task_place& place, thread_calls* mine) noexcept {
  const bool last = mine != nullptr ? live_.leave_late(mine->tasks())
                                    : live_.leave_from_elsewhere(place, this_thread_shard());
  if (last) last_has_left();
}

void stopper_gate::leaves_late(bool cancelled_early) noexcept {
  static_cast<stopper_core*>(this)->leaves_late(cancelled_early);
}

void stopper_gate::last_has_left() noexcept {
  static_cast<stopper_core*>(this)->last_has_left();
}

}  // namespace weir::core
