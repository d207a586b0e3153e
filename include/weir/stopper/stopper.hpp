#pragma once

#include <concepts>
#include <source_location>
#include <string_view>
#include <type_traits>
#include <utility>

#include <weir/context/wait.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/snapshot.hpp>
#include <weir/stopper/deferred_call.hpp>
#include <weir/stopper/delayed.hpp>
#include <weir/stopper/options.hpp>
#include <weir/stopper/permit.hpp>
#include <weir/stopper/quiesce_context.hpp>
#include <weir/stopper/registration.hpp>
#include <weir/stopper/run.hpp>
#include <weir/stopper/shutdown_report.hpp>
#include <weir/stopper/waits.hpp>

namespace weir {

namespace core {
class stopper_core;
}

/// Problem: a service must end without losing work that it has begun, without beginning more, in
/// bounded time, and say what hindered it.
///
/// Every task is counted before it starts. A stop refuses new work, lets tasks end, cancels those
/// that do not, runs closers, names what is left:
///
///                                   tasks left ┌───────────────────┐ no tasks left
///                                              ▼                   │
///   running ──quiesce(), stop()──► draining ──────► cancelling ──► closing ──► stopped
///                                     │      drain               ▲  │   closers have run
///                                     │      budget      cancel  │  │   and no tasks left,
///                                     └──────────────────budget──┘  │   or close budget over
///                                       no tasks left, and stop()
///                      (owner of each arrow: whoever waits for the stop, see `stop`)
///
/// *Quiescing* is all of it from the first refusal on.
///
/// Requires: the runtime outlives it. Nobody calls it while it is destroyed.
/// Guarantees: refuse-and-count is one atomic step: what was refused never runs, what was not is
/// waited for. Quota is home when `stop` returns, unless it gave up.
/// Blocks or suspends: what returns a task or an operation does when waited for; nothing else does,
/// except `run`, which calls. Waits are woken, never polling.
/// Errors: unavailable when it refuses; throttled and unavailable for a quota that is full, closed.
/// Thread safety: all members. Cost: spawn 2 short locks and a clock read besides the task itself.
/// Source: CockroachDB's Stopper, for what it does; the ladder of budgets is ours.
///
///     weir::stopper stopper{rt, {.name = "ledger"}};
///     stopper.spawn("ledger.settle", [&](weir::context ctx) { return settle(ctx, db); }).value();
///     auto report = weir::wait(stopper.stop({.drain = 10s}));
class stopper {
 public:
  explicit stopper(runtime& where, stopper_options options = {},
                   std::source_location site = std::source_location::current());
  stopper(const stopper&) = delete;
  stopper& operator=(const stopper&) = delete;

  /// Stopped, or without tasks: runs the closers that are left and returns. With tasks: stops with
  /// default budgets and blocks; what still runs then is reported on stderr and the process ends as
  /// by `shutdown_report::exit`, for those tasks use what would be destroyed next. That also
  /// happens after a `stop` that gave up. With tasks on a thread that may not block: misuse.
  ~stopper();

  // ---- tasks -----------------------------------------------------------------------------------

  /// Starts `fn(ctx)` or `fn()`, which returns a task<T>, on the executor. `ctx` is the stopper's.
  /// The callable is kept in the task's record, so captures live as long as the task.
  template <class F>
  core::spawn_result<F> spawn(const char* name, F&& fn,
                              std::source_location site = std::source_location::current()) {
    return spawn({.name = name}, std::forward<F>(fn), site);
  }

  /// In this order: quota (`throttled` when it is full: see spawn_when_free), refuse check, start.
  /// If it does not start, the quota is home.
  template <class F>
  core::spawn_result<F> spawn(spawn_options options, F&& fn,
                              std::source_location site = std::source_location::current()) {
    return start(nullptr, options, std::forward<F>(fn), site);
  }

  /// The task's context is a child of `ctx`, with its values and deadline, that ends with `ctx` or
  /// with the stopper, whichever is first. After the quota, `ctx` is checked: its error is given.
  template <class F>
  core::spawn_result<F> spawn(const context& ctx, spawn_options options, F&& fn,
                              std::source_location site = std::source_location::current()) {
    return start(&ctx, options, std::forward<F>(fn), site);
  }

  /// As spawn(ctx, …), but waits for the quota, at most until `ctx` ends or the stop begins:
  /// whoever spawns is slowed down. `co_await` it, or `weir::wait` for it. Not counted while it
  /// waits.
  template <class F>
  [[nodiscard]] task<core::spawn_result<F>> spawn_when_free(
      const context& ctx, spawn_options options, F&& fn,
      std::source_location site = std::source_location::current()) {
    static_assert(task_source<std::decay_t<F>>,
                  "spawn_when_free takes a callable that returns a weir::task<T>; a plain function "
                  "goes to spawn_blocking");
    static_assert(core::survives_co_await<F>,
                  "g++ 12 destroys this lambda twice: name the lambda first, then pass it");
    return core::spawn_in_turn<std::decay_t<F>>(core::gate_reference{*gate_}, ctx, options, site,
                                                std::forward<F>(fn));
  }

  /// As spawn, when `delay` is over. What is not due when the stop begins never starts, and is
  /// named in the report. The quota is asked for when it is due.
  template <class F>
  core::delayed_result<F> spawn_after(duration delay, spawn_options options, F&& fn,
                                      std::source_location site = std::source_location::current()) {
    static_assert(task_source<std::decay_t<F>>,
                  "spawn_after takes a callable that returns a weir::task<T>");
    return core::start_delayed(*gate_, delay, options, std::forward<F>(fn), site);
  }

  /// Starts `fn(ctx)` or `fn()`, a plain function that may block, on one of the runtime's blocking
  /// threads. Joining gives what it returns.
  template <class F>
  core::spawn_result<F> spawn_blocking(
      const char* name, F&& fn, std::source_location site = std::source_location::current()) {
    return spawn_blocking({.name = name}, std::forward<F>(fn), site);
  }
  template <class F>
  core::spawn_result<F> spawn_blocking(
      spawn_options options, F&& fn, std::source_location site = std::source_location::current()) {
    static_assert(!task_source<std::decay_t<F>>,
                  "spawn_blocking takes a plain function; one that returns a weir::task<T> goes to "
                  "spawn");
    return core::start_tracked(*gate_, gate_->blocking(), options.name, site,
                               core::prepare(*gate_, nullptr, options), std::forward<F>(fn));
  }

  /// Calls `fn(ctx)` or `fn()` here and now, counted meanwhile, also if it throws: what it returns
  /// as a result, or `unavailable`. If it returns a task<T>, this is a task<result<T>> to await.
  template <core::context_callable F>
  [[nodiscard]] auto run(const char* name, F&& fn,
                         std::source_location site = std::source_location::current()) {
    if constexpr (is_task<core::called<F>>) {
      static_assert(core::survives_co_await<F>,
                    "g++ 12 destroys this lambda twice: name the lambda first, then pass it");
      return core::run_coroutine<std::decay_t<F>>(core::gate_reference{*gate_}, name, site,
                                                  std::forward<F>(fn));
    } else {
      return core::run_inline(*gate_, name, site, fn);
    }
  }

  /// Permission for work that is done elsewhere: counted until the permit is released.
  [[nodiscard]] result<permit> try_enter(
      const char* name, std::source_location site = std::source_location::current());

  // ---- what a stop does besides ----------------------------------------------------------------

  /// Calls `fn(ctx)` or `fn()` when all tasks are gone or the cancel budget is over, the last
  /// registered first, on a thread that may block (the executor `options.blocking`). `ctx` has the
  /// shutdown's deadline. It may return result<void>, and call back into the stopper; what it
  /// throws is reported, and the rest still run. Once `stop` has begun, it is called here at once.
  template <class F>
    requires core::deferrable<std::decay_t<F>>
  registration defer(const char* name, F&& fn,
                     std::source_location site = std::source_location::current()) {
    return add_closer(
        *new core::deferred_function<std::decay_t<F>>{name, site, std::forward<F>(fn)});
  }

  /// Calls `fn` once when the stop begins, before anybody waits, in the order of registration, on
  /// the thread that began it; it must not block. If the stop has begun: here, at once.
  template <class F>
    requires core::deferrable<std::decay_t<F>>
  registration on_quiesce(F&& fn, std::source_location site = std::source_location::current()) {
    return add_quiesce_call(
        *new core::deferred_function<std::decay_t<F>>{"on_quiesce", site, std::forward<F>(fn)});
  }

  /// A child of `ctx` that is cancelled as soon as the stop begins.
  [[nodiscard]] quiesce_context cancel_on_quiesce(const context& ctx) {
    return {*gate_, ctx, quiesce_action::cancel};
  }

  // ---- the end ---------------------------------------------------------------------------------

  /// Refuses work from now on and waits until no task is left: no cancellation, no closers, no
  /// budgets but `ctx`. Error: would_deadlock from inside one of its own tasks.
  [[nodiscard]] task<result<void>> quiesce(
      const context& ctx, std::source_location site = std::source_location::current());

  /// The whole stop. Any number of callers get the same report; later ones can tighten the budgets,
  /// never extend them. `co_await` it, or `weir::wait` for it: the latter needs no worker, so tasks
  /// that spin for ever cannot hold it up. Each caller drives the stop as far as it can.
  /// Returns after drain + cancel + close at the latest. Error: would_deadlock, inside one of its
  /// own tasks, and then has not begun anything; see request_stop.
  [[nodiscard]] task<result<shutdown_report>> stop(
      stop_options options = {}, std::source_location site = std::source_location::current());

  /// Begins a stop, which a task of its own on the executor then drives. Does not wait; fine in a
  /// task, and in a callback.
  void request_stop(stop_options options = {},
                    std::source_location site = std::source_location::current());

  /// Waits until it refuses work; not longer than `bound`.
  [[nodiscard]] quiescing_operation quiescing(const context& bound = {}) noexcept;
  /// Waits until it has stopped; gives the report. Does not stop it.
  [[nodiscard]] stopped_operation stopped(const context& bound = {}) noexcept;

  // ---- questions -------------------------------------------------------------------------------

  [[nodiscard]] bool is_quiescing() const noexcept { return gate_->live().closed(); }
  [[nodiscard]] bool is_stopped() const noexcept;
  /// How many tasks, calls and permits are live.
  [[nodiscard]] std::size_t running() const noexcept { return gate_->live().count(); }

  /// It and its tasks, without stopping them, with what it has counted: see weir::snapshot.
  [[nodiscard]] weir::snapshot snapshot(snapshot_detail detail = snapshot_detail::sites) const;

  /// The context its tasks get: drains when the stop begins, is cancelled when the drain budget
  /// ends.
  [[nodiscard]] const context& ctx() const noexcept { return gate_->finishing(); }
  [[nodiscard]] runtime& where() const noexcept;
  /// Where its tasks run: the runtime, unless the options said otherwise.
  [[nodiscard]] core::executor& executor() const noexcept { return gate_->where(); }
  [[nodiscard]] const char* name() const noexcept;
  /// For names that are made at run time: a copy of `text` that lives as long as the stopper. The
  /// same text gives the same copy. Takes a lock.
  [[nodiscard]] const char* intern(std::string_view text);

 private:
  friend class signal_shutdown;
  friend class shutdown_plan;

  template <class F>
  core::spawn_result<F> start(const context* ctx, spawn_options options, F&& fn,
                              std::source_location site) {
    static_assert(task_source<std::decay_t<F>>,
                  "spawn takes a callable that returns a weir::task<T>; a plain function goes to "
                  "spawn_blocking(name, fn), which runs it on a thread that may block");
    if (ctx == nullptr && options.quota == nullptr && gate_->trace() == nullptr) {
      return core::start_plain(*gate_, gate_->where(), options, site, std::forward<F>(fn));
    }
    return core::start_tracked(*gate_, gate_->where(), options.name, site,
                               core::prepare(*gate_, ctx, options), std::forward<F>(fn));
  }

  static core::stopper_gate* make_gate(runtime& where, stopper_options options,
                                       std::source_location site);
  registration add_closer(core::deferred_call& call);
  registration add_quiesce_call(core::deferred_call& call);
  [[nodiscard]] core::stopper_core& core() const noexcept;

  core::stopper_gate* gate_;
};

}  // namespace weir
