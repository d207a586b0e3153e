#include <weir/stopper/stopper.hpp>

#include "stopper/stopper_core.hpp"

namespace weir {

stopper::stopper(runtime& where, stopper_options options, std::source_location site)
    : gate_(make_gate(where, options, site)) {}

core::stopper_gate* stopper::make_gate(runtime& where, stopper_options options,
                                       std::source_location site) {
  core::stopper_core* const parent = options.parent != nullptr ? &options.parent->core() : nullptr;
  if (options.executor == nullptr) {
    options.executor = parent != nullptr ? &parent->where() : &static_cast<core::executor&>(where);
  }
  if (options.blocking == nullptr) {
    options.blocking = parent != nullptr ? &parent->blocking() : &where.blocking();
  }
  if (options.trace == nullptr && parent != nullptr) options.trace = parent->trace();
  return new core::stopper_core{where, parent, options, site};
}

stopper::~stopper() {
  core().end_of_object();
  gate_->release();
}

core::stopper_core& stopper::core() const noexcept {
  return static_cast<core::stopper_core&>(*gate_);
}

result<permit> stopper::try_enter(const char* name, std::source_location site) {
  permit entered{permit::enter(*gate_, name, site)};
  if (!entered) return std::unexpected(gate_->refusal(name));
  return entered;
}

registration stopper::add_closer(core::deferred_call& call) {
  return core().add_closer(call);
}

registration stopper::add_quiesce_call(core::deferred_call& call) {
  return core().add_quiesce_call(call);
}

task<result<void>> stopper::quiesce(const context& ctx, std::source_location site) {
  return core::stopper_core::drain(
      core::gate_reference{*gate_}, ctx,
      core::stop_request{shutdown_origin::call, "quiesce() was called", site},
      core().inside_own_task());
}

task<result<shutdown_report>> stopper::stop(stop_options options, std::source_location site) {
  core::stop_request request{shutdown_origin::call, options.reason, site};
  request.budgets = options;
  return core::stopper_core::stop(core::gate_reference{*gate_}, request, core().inside_own_task());
}

void stopper::request_stop(stop_options options, std::source_location site) {
  core::stop_request request{shutdown_origin::call, options.reason, site};
  request.budgets = options;
  core().drive_in_background(request);
}

quiescing_operation stopper::quiescing(const context& bound) noexcept {
  return {*gate_, core().quiescing(), bound.state()};
}

stopped_operation stopper::stopped(const context& bound) noexcept {
  return {*gate_, core().stopped(), bound.state()};
}

result<shutdown_report> stopped_operation::take() {
  return static_cast<core::stopper_core&>(gate()).report();
}

bool stopper::is_stopped() const noexcept {
  return core().done();
}

runtime& stopper::where() const noexcept {
  return core().host();
}

const char* stopper::intern(std::string_view text) {
  return core().intern(text);
}

const char* stopper::name() const noexcept {
  return core().full_name().c_str();
}

}  // namespace weir
