#pragma once

#include <concepts>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/stopper/options.hpp>
#include <weir/stopper/tracked_task.hpp>

namespace weir::core {

/// g++ 12 destroys a temporary twice if it is made inside a `co_await` operand and taken by a
/// coroutine. A named callable is copied instead, and is safe.
#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13
template <class F>
inline constexpr bool survives_co_await =
    std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<std::remove_cvref_t<F>>;
#else
template <class F>
inline constexpr bool survives_co_await = true;
#endif

/// Counted from construction to destruction.
class counted_scope {
 public:
  counted_scope(stopper_gate& gate, const char* name, std::source_location site) noexcept;
  ~counted_scope() {
    if (entered_) gate_.leave(live_);
  }
  counted_scope(const counted_scope&) = delete;
  counted_scope& operator=(const counted_scope&) = delete;

  [[nodiscard]] bool entered() const noexcept { return entered_; }

 private:
  stopper_gate& gate_;
  live_task live_;
  const bool entered_;
};

/// The same for what begins and ends on this thread, the last begun first.
///
/// Inlined always, and nothing that is not takes its address: its members stay in registers, where
/// a store that is read back at once would cost more than all that it does.
class counted_call {
 public:
  [[gnu::always_inline]] counted_call(stopper_gate& gate, const char* name,
                                      std::source_location site) noexcept
      : gate_(gate), calls_(gate.calls_of_this_thread()) {
    if (calls_ != nullptr) place_ = calls_->enter(name, site, gate.now_for(*calls_));
    if (place_ < thread_calls::depth) [[likely]]
      return;
    listed_ = enter_slowly(gate, calls_, place_, name, site);
    calls_ = nullptr;
  }
  [[gnu::always_inline]] ~counted_call() {
    if (calls_ == nullptr || !calls_->leave(place_)) [[unlikely]]
      leave_slowly(gate_, calls_, listed_);
  }
  counted_call(const counted_call&) = delete;
  counted_call& operator=(const counted_call&) = delete;

  [[nodiscard]] bool entered() const noexcept { return calls_ != nullptr || listed_ != nullptr; }

 private:
  static live_task* enter_slowly(stopper_gate& gate, thread_calls* mine, std::uint32_t got,
                                 const char* name, std::source_location site) noexcept;
  static void leave_slowly(stopper_gate& gate, thread_calls* mine, live_task* listed) noexcept;

  stopper_gate& gate_;
  thread_calls* calls_;  // null: listed, or refused
  std::uint32_t place_ = thread_calls::full;
  live_task* listed_ = nullptr;  // owned
};

/// What `run` gives: what the callable returns, as a result.
template <class F>
using run_result = result<typename joined<spawned_value<F>>::value_type>;

template <class F>
run_result<F> run_inline(stopper_gate& gate, const char* name, std::source_location site, F& fn) {
  const counted_call counted{gate, name, site};
  if (!counted.entered()) return std::unexpected(gate.refusal(name));
  if constexpr (std::is_void_v<called<F>>) {
    call_with_context(fn, gate.finishing());
    return {};
  } else {
    return call_with_context(fn, gate.finishing());
  }
}

template <class F>
task<run_result<F>> run_coroutine(gate_reference held, const char* name, std::source_location site,
                                  F fn) {
  stopper_gate& gate = *held.get();
  const counted_scope counted{gate, name, site};
  if (!counted.entered()) co_return std::unexpected(gate.refusal(name));
  if constexpr (std::is_void_v<spawned_value<F>>) {
    co_await call_with_context(fn, gate.finishing());
    co_return run_result<F>{};
  } else {
    co_return co_await call_with_context(fn, gate.finishing());
  }
}

/// Quota, context check, link: what comes before the callable is stored. `ctx` null: the stopper's.
result<tracked_parts> prepare(stopper_gate& gate, const context* ctx, const spawn_options& options);
result<tracked_parts> prepare(stopper_gate& gate, const context* ctx, const spawn_options& options,
                              units quota);

/// As a stopper says it: that it takes no more work of this kind.
error quota_failure(error why);

template <class F>
using spawn_result = result<task_handle<spawned_value<std::decay_t<F>>>>;

/// Asks to be counted, and starts. `span` may be null.
template <class F>
spawn_result<F> start_asking(stopper_gate& gate, const span_plan* span,
                             std::unique_ptr<tracked_task<std::decay_t<F>>> asking) {
  if (!asking->enter()) return std::unexpected(gate.refusal(asking->name));
  if (span != nullptr) asking->begin_span(*span);
  auto& counted = *asking.release();
  task_handle<spawned_value<std::decay_t<F>>> handle{counted};
  counted.schedule();
  return handle;
}

/// Stores the callable, asks to be counted, starts; unless the preparation has failed.
template <class F>
spawn_result<F> start_tracked(stopper_gate& gate, executor& where, const char* name,
                              std::source_location site, result<tracked_parts> parts, F&& fn) {
  if (!parts) return std::unexpected(std::move(parts).error());
  const span_plan span = parts->span;
  return start_asking<F>(gate, &span,
                         std::make_unique<tracked_task<std::decay_t<F>>>(
                             gate, where, name, site, *std::move(parts), std::forward<F>(fn)));
}

/// The same for what has no quota, no tracer and the stopper's own context, where nothing can be
/// refused before it is counted.
template <class F>
spawn_result<F> start_plain(stopper_gate& gate, executor& where, const spawn_options& options,
                            std::source_location site, F&& fn) {
  return start_asking<F>(
      gate, nullptr,
      std::make_unique<tracked_task<std::decay_t<F>>>(gate, where, options.name, site,
                                                      options.on_quiesce, std::forward<F>(fn)));
}

template <class F>
task<spawn_result<F>> spawn_in_turn(gate_reference held, context ctx, spawn_options options,
                                    std::source_location site, F fn) {
  stopper_gate& gate = *held.get();
  units quota;
  if (options.quota != nullptr) {
    auto first = co_await select(options.quota->acquire(ctx, options.units),
                                 until_draining(gate.finishing()));
    if (first.index() == 1) co_return std::unexpected(gate.refusal(options.name));
    auto& acquired = *std::get_if<0>(&first);
    if (!acquired) co_return std::unexpected(quota_failure(std::move(acquired).error()));
    quota = *std::move(acquired);
  }
  co_return start_tracked(gate, gate.where(), options.name, site,
                          prepare(gate, &ctx, options, std::move(quota)), std::move(fn));
}

}  // namespace weir::core
