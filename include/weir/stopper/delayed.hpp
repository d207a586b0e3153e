#pragma once

#include <memory>
#include <source_location>
#include <utility>

#include <weir/runtime/task_handle.hpp>
#include <weir/stopper/run.hpp>

namespace weir {

namespace core {

/// What a delayed task and its handle share.
struct delay_control {
  explicit delay_control(const context& above) : source(above) {}
  context_source source;
  atomic<bool> started{false};
};

}  // namespace core

/// A task that begins later. Made by `stopper::spawn_after`.
///
///   waiting ──due──► started ──► ended
///      │ cancel(): cancelled        (owner of each arrow: the task itself)
///      └ the stop begins: dropped
///
/// Dropping the handle lets the task go on.
/// Thread safety: `cancel` and `started` from any thread, the rest from its owner. Cost: a task
/// that sleeps, some 500 bytes.
template <class T>
class [[nodiscard]] delayed_task {
 public:
  using value_type = typename core::joined<T>::value_type;

  delayed_task(task_handle<result<value_type>> handle, std::shared_ptr<core::delay_control> control)
      : handle_(std::move(handle)), control_(std::move(control)) {}

  /// Before it is due: it never starts. While it runs: its context is cancelled. Later: nothing.
  void cancel() noexcept { control_->source.cancel(); }

  /// True once its function has been called.
  [[nodiscard]] bool started() const noexcept { return control_->started.load(); }

  /// Waits for its end. Errors: cancelled; unavailable, if the stop began before it was due;
  /// throttled, if its quota was full then; those of the wait.
  join_operation<result<value_type>> join(const context& ctx) { return handle_.join(ctx); }

  void detach() noexcept { handle_.detach(); }

 private:
  task_handle<result<value_type>> handle_;
  std::shared_ptr<core::delay_control> control_;
};

namespace core {

/// A quota's units when the time has come, or why not. Never waits.
result<units> take_quota(const spawn_options& options);

/// Puts what never started into the report.
void report_dropped(stopper_gate& gate, const char* name, std::source_location site);

template <class F>
using delayed_value = typename joined<spawned_value<F>>::value_type;

template <class F>
task<result<delayed_value<F>>> run_delayed(stopper_gate& gate, std::source_location site,
                                           std::shared_ptr<delay_control> control, time_point due,
                                           spawn_options options, F& fn) {
  const context ctx = control->source.get();
  sleep_operation sleep = sleep_until(ctx, due);
  auto draining = until_draining(gate.finishing());
  auto first = co_await select(sleep, draining);
  if (first.index() == 1) {
    report_dropped(gate, options.name, site);
    co_return std::unexpected(gate.refusal(options.name));
  }
  auto& slept = *std::get_if<0>(&first);
  if (!slept) co_return std::unexpected(std::move(slept).error());
  units quota;
  if (options.quota != nullptr) {
    auto taken = take_quota(options);
    if (!taken) co_return std::unexpected(std::move(taken).error());
    quota = *std::move(taken);
  }
  control->started.store(true);
  if constexpr (std::is_void_v<spawned_value<F>>) {
    co_await call_with_context(fn, ctx);
    co_return result<void>{};
  } else {
    co_return co_await call_with_context(fn, ctx);
  }
}

/// What a delayed task is spawned as: keeps the callable in the task's record.
template <class F>
struct delayed_call {
  stopper_gate& gate;
  std::source_location site;
  std::shared_ptr<delay_control> control;
  time_point due;
  spawn_options options;
  F fn;

  task<result<delayed_value<F>>> operator()(const context&) {
    return run_delayed(gate, site, control, due, options, fn);
  }
};

template <class F>
using delayed_result = result<delayed_task<spawned_value<std::decay_t<F>>>>;

template <class F>
delayed_result<F> start_delayed(stopper_gate& gate, duration delay, spawn_options options, F&& fn,
                                std::source_location site) {
  using call = delayed_call<std::decay_t<F>>;
  const bool early = options.on_quiesce == quiesce_action::cancel;
  auto control = std::make_shared<delay_control>(early ? gate.leaving() : gate.finishing());
  const time_point due = saturating_add(gate.time().now(), delay);
  spawn_options unlimited = options;
  unlimited.quota = nullptr;
  auto handle =
      start_tracked(gate, gate.where(), options.name, site, prepare(gate, nullptr, unlimited),
                    call{gate, site, control, due, options, std::forward<F>(fn)});
  if (!handle) return std::unexpected(std::move(handle).error());
  return delayed_task<spawned_value<std::decay_t<F>>>{*std::move(handle), std::move(control)};
}

}  // namespace core
}  // namespace weir
