#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <utility>
#include <vector>

#include <weir/core/sync/park.hpp>
#include <weir/stopper/deferred_call.hpp>
#include <weir/stopper/stopper.hpp>

namespace weir {

/// Where the time of a planned shutdown went.
struct plan_report {
  enum class stage_state : std::uint8_t {
    waiting,  ///< not begun
    running,
    done,
    failed,   ///< threw or returned an error
    overran,  ///< its budget ended first; it may still run, and is then in `shutdown`
    skipped,  ///< somebody hurried, or the stop had begun otherwise
  };
  struct stage {
    std::string name;
    duration budget{};
    stage_state state = stage_state::waiting;
    duration took{};
    std::string failure;
  };
  std::vector<stage> stages;                ///< in order; the last two are "drain" and "close"
  std::optional<shutdown_report> shutdown;  ///< empty: not over yet

  /// That of the shutdown, and 1 instead of 0 if a stage failed or overran.
  [[nodiscard]] int exit_code() const noexcept;

  /// A line of at most 80 columns for each stage and phase, then what the shutdown says.
  [[nodiscard]] std::string to_string() const;
};

/// Problem: a service behind a load balancer has things to do before it may refuse work: say that
/// it is unready, wait until that is noticed, stop accepting. Each takes time that somebody must
/// bound, and afterwards nobody knows which of them took it.
///
/// Named stages with a budget each, one after the other, and then the stop, whose last two stages
/// are *drain* (its drain and cancel budgets) and *close*:
///
///   waiting ──its turn──► running ──returned──► done, failed
///      │                     └── budget over, or hurry() ──► overran
///      └── hurry(), or refused by the stopper ──► skipped        (owner of all: `run`)
///
/// A stage is a function that may block; it runs on a blocking thread as a task of the stopper,
/// with a context that ends with its budget. One that does not end in time is left behind: its
/// context is cancelled, and the next stage begins.
///
/// Requires: stages are added before it runs; the stopper outlives it; it runs at most once
/// (asserted). Blocks: the destructor, until a run in the background is over. Thread safety:
/// `hurry` and `report` from any thread. Errors: see the report.
///
///     weir::shutdown_plan plan{stopper, {.drain = 10s, .close = 5s}};
///     plan.stage("unready", 2s, [&](const weir::context& ctx) { health.fail(ctx); });
///     const weir::signal_shutdown signals{stopper, {.plan = &plan}};
class shutdown_plan {
 public:
  /// Where it tells what every stage and phase took when all is over. Null: nowhere.
  explicit shutdown_plan(stopper& target, stop_options budgets = {},
                         log_sink* sink = &stderr_log());
  shutdown_plan(const shutdown_plan&) = delete;
  shutdown_plan& operator=(const shutdown_plan&) = delete;
  ~shutdown_plan();

  /// Adds one, after those that are there.
  template <class F>
    requires core::deferrable<std::decay_t<F>>
  shutdown_plan& stage(const char* name, duration budget, F&& fn,
                       std::source_location site = std::source_location::current()) {
    add(std::make_shared<core::deferred_function<std::decay_t<F>>>(name, site, std::forward<F>(fn)),
        budget);
    return *this;
  }

  /// All of it. `co_await` it, or `weir::wait` for it.
  [[nodiscard]] task<plan_report> run(std::source_location site = std::source_location::current());

  /// The same on a blocking thread of its own, without waiting. For signal_shutdown.
  void begin(const char* reason, int signal = 0,
             std::source_location site = std::source_location::current());

  /// Skips what is left of the stages, and of the drain budget.
  void hurry() noexcept;

  /// As things stand.
  [[nodiscard]] plan_report report() const;

 private:
  struct planned;
  struct in_background;

  void add(std::shared_ptr<core::deferred_call> call, duration budget);
  task<plan_report> run_all(shutdown_origin origin, const char* reason, int signal,
                            std::source_location site);
  task<void> run_stage(std::size_t index);
  void set(std::size_t index, plan_report::stage_state state, duration took = {},
           std::string failure = {});
  void publish(plan_report next);
  void tell() const;

  stopper& target_;
  stop_options budgets_;
  log_sink* const sink_;
  std::vector<planned> stages_;
  context_source hurried_;
  core::atomic<bool> begun_{false};
  std::unique_ptr<in_background> background_;
  mutable core::mutex mutex_;
  // Written by the run alone, which replaces it: nobody copies strings under the lock.
  std::shared_ptr<const plan_report> report_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir
