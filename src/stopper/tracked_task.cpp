#include <memory>

#include <weir/core/sync/thread.hpp>
#include <weir/stopper/permit.hpp>
#include <weir/stopper/run.hpp>
#include <weir/stopper/tracked_task.hpp>

namespace weir {
namespace core {
namespace {

void free_listed(live_task* listed) noexcept {
  std::destroy_at(listed);
  free_frame(listed, sizeof(live_task));
}

/// Of the task that this thread runs; null outside of tasks.
const work* running_item() noexcept {
  const task_record* const flow = task_record::current();
  return flow != nullptr ? &flow->item() : nullptr;
}

}  // namespace

tracked_record::tracked_record(stopper_gate& gate, core::executor& where, const char* called_,
                               std::source_location made, tracked_parts&& parts)
    : tracked_record(gate, where, called_, made, parts.on_quiesce) {
  if (parts.bound.state() != nullptr) {
    return_context();
    borrows_ = false;
    ctx = std::move(parts.bound);
  }
  if (parts.quota.count() == 0 && parts.link.empty()) return;
  rare_ = std::make_unique<rare>();
  rare_->quota = std::move(parts.quota);
  rare_->link = std::move(parts.link);
}

bool tracked_record::enter_listed() {
  if (rare_ == nullptr) rare_ = std::make_unique<rare>();
  rare_->listed = std::make_unique<live_task>(name, site);
  live_task& listed = *rare_->listed;
  listed.item = &item();
  listed.cancelled_early = early_;
  return gate_.enter(listed);
}

void tracked_record::leave_listed() noexcept {
  gate_.leave(*rare_->listed);
}

void tracked_record::set_note(const std::shared_ptr<const std::string>& text) {
  if (place_ != nullptr) {
    thread_tasks::note(*place_, text);
  } else {
    gate_.note(*rare_->listed, text);
  }
}

void tracked_record::begin_span(const span_plan& plan) {
  tracer* const trace = gate_.trace();
  if (trace == nullptr) return;
  const bool root = plan.relation == span_relation::root;
  const span_start begun{name, site, root ? span_context{} : plan.related, plan.relation};
  const span_context span = trace->start(begun);
  try {
    context traced = ctx.with_value(current_span, span);
    if (borrows_) return_context();
    borrows_ = false;
    ctx = std::move(traced);
  } catch (...) {
    trace->end(span, span_status::failed);
    let_go_of_context();
    leave();
    throw;
  }
}

void tracked_record::end_span(span_status status) noexcept {
  gate_.trace()->end(span_of(ctx), status);
}

void tracked_record::let_go_rare() noexcept {
  rare_->link = quiesce_context{};
  rare_->quota.release();
}

counted_scope::counted_scope(stopper_gate& gate, const char* name,
                             std::source_location site) noexcept
    : gate_(gate), live_(name, site), entered_([&] {
        live_.item = running_item();
        return gate_.enter(live_);
      }()) {}

live_task* counted_call::enter_slowly(stopper_gate& gate, thread_calls* mine, std::uint32_t got,
                                      const char* name, std::source_location site) noexcept {
  if (got == thread_calls::closed) {
    gate.refused(*mine);
    return nullptr;
  }
  auto* const listed = new (allocate_frame(sizeof(live_task))) live_task{name, site};
  listed->item = running_item();
  listed->thread = this_thread_id();
  if (gate.enter(*listed)) return listed;
  free_listed(listed);
  return nullptr;
}

void counted_call::leave_slowly(stopper_gate& gate, thread_calls* mine,
                                live_task* listed) noexcept {
  if (mine != nullptr) {
    gate.leave_late(*mine);
  } else if (listed != nullptr) {
    gate.leave(*listed);
    free_listed(listed);
  }
}

error quota_failure(error why) {
  if (why.code() != errc::closed) return why;
  return error{errc::unavailable, "the quota is closed"}.caused_by(std::move(why));
}

/// Units that are there now, in the semaphore's own words if not. A wait of no length.
result<units> take_quota(const spawn_options& options) WEIR_NO_THREAD_SAFETY_ANALYSIS {
  semaphore& quota = *options.quota;
  acquire_operation attempt{quota, nullptr, options.units};
  bool settled = false;
  {
    wake_list wakes;
    lock_guard guard{attempt.guard()};
    settled = attempt.try_locked(wakes);
  }
  if (settled) {
    auto taken = attempt.take();
    if (!taken) return std::unexpected(quota_failure(std::move(taken).error()));
    return taken;
  }
  return std::unexpected(
      error{errc::throttled, "the quota is used up: try later, or wait with spawn_when_free"}
          .with("wanted", options.units)
          .with("available", quota.available())
          .with("total", quota.total()));
}

result<tracked_parts> prepare(stopper_gate& gate, const context* ctx,
                              const spawn_options& options) {
  units quota;
  if (options.quota != nullptr) {
    auto taken = take_quota(options);
    if (!taken) {
      if (taken.error().code() == errc::throttled) gate.count_throttled();
      return std::unexpected(std::move(taken).error());
    }
    quota = *std::move(taken);
  }
  return prepare(gate, ctx, options, std::move(quota));
}

result<tracked_parts> prepare(stopper_gate& gate, const context* ctx, const spawn_options& options,
                              units quota) {
  tracked_parts parts;
  parts.quota = std::move(quota);
  parts.on_quiesce = options.on_quiesce;
  parts.span.relation = options.span;
  if (gate.trace() != nullptr) {
    parts.span.related = ctx != nullptr ? span_of(*ctx) : span_of(this_context());
  }
  const bool early = options.on_quiesce == quiesce_action::cancel;
  if (ctx == nullptr) return parts;
  if (auto alive = ctx->check(); !alive) return std::unexpected(std::move(alive).error());
  if (gate.covers(*ctx) && !early) {
    parts.bound = *ctx;
    return parts;
  }
  parts.link = quiesce_context{gate, *ctx, options.on_quiesce};
  parts.bound = parts.link.get();
  return parts;
}

}  // namespace core

permit::held* permit::enter(core::stopper_gate& gate, const char* name, std::source_location site) {
  auto* made = new held{.gate = gate, .live = core::live_task{name, site}};
  if (gate.enter(made->live)) return made;
  delete made;
  return nullptr;
}

void permit::release() noexcept {
  held* mine = std::exchange(held_, nullptr);
  if (mine == nullptr) return;
  mine->gate.leave(mine->live);
  delete mine;
}

}  // namespace weir
