#include <weir/core/assert.hpp>
#include <weir/stopper/shutdown_plan.hpp>

#include "stopper/stopper_core.hpp"

namespace weir {

using stage_state = plan_report::stage_state;

namespace {

constexpr std::size_t columns = 80 - 11;  // stderr_log puts "weir info: " in front

const char* name_of(stage_state state) noexcept {
  switch (state) {
    case stage_state::waiting:
      return "not begun";
    case stage_state::running:
      return "runs";
    case stage_state::done:
      return "done";
    case stage_state::failed:
      return "failed";
    case stage_state::overran:
      return "overran";
    case stage_state::skipped:
      break;
  }
  return "skipped";
}

/// The stop as the last two stages.
void add_shutdown(plan_report& into, shutdown_report shutdown, const stop_options& budgets) {
  using closer_state = shutdown_report::closer_state;
  stage_state closing = stage_state::done;
  for (const shutdown_report::closer& one : shutdown.closers) {
    if (one.state == closer_state::failed) closing = stage_state::failed;
  }
  for (const shutdown_report::closer& one : shutdown.closers) {
    const bool ran = one.state == closer_state::done || one.state == closer_state::failed;
    if (!ran) closing = stage_state::overran;
  }
  const bool late = shutdown.hurried || shutdown.remaining > 0;
  into.stages.push_back({.name = "drain",
                         .budget = budgets.drain + budgets.cancel,
                         .state = late ? stage_state::overran : stage_state::done,
                         .took = shutdown.drain + shutdown.cancel,
                         .failure = {}});
  into.stages.push_back({.name = "close",
                         .budget = budgets.close,
                         .state = closing,
                         .took = shutdown.close,
                         .failure = {}});
  into.shutdown = std::move(shutdown);
}

/// "  stop accepting  120ms of 1s: done", cut at the last column.
std::string line(const plan_report::stage& one) {
  std::string text = "  " + one.name;
  if (text.size() < 18) text.resize(18, ' ');
  text += "  " + to_text(one.took) + " of " + to_text(one.budget) + ": " + name_of(one.state);
  if (!one.failure.empty()) text += ": " + one.failure;
  if (text.size() > columns) text.replace(columns - 2, std::string::npos, 2, '.');
  return text + "\n";
}

}  // namespace

int plan_report::exit_code() const noexcept {
  const int code = shutdown ? shutdown->exit_code() : 4;
  if (code != 0) return code;
  for (const stage& one : stages) {
    if (one.state == stage_state::failed || one.state == stage_state::overran) return 1;
  }
  return 0;
}

std::string plan_report::to_string() const {
  duration total{};
  for (const stage& one : stages) total += one.took;
  std::string text = "shutdown plan, " + to_text(total) + " in all\n";
  for (const stage& one : stages) text += line(one);
  if (shutdown) text += shutdown->to_string();
  return text;
}

struct shutdown_plan::planned {
  std::shared_ptr<core::deferred_call> call;
  duration budget;
};

/// A run that nobody waits for but the destructor.
struct shutdown_plan::in_background final : core::work {
  in_background(shutdown_plan& plan, const char* why, int number, std::source_location where)
      : work([](work& self) noexcept { static_cast<in_background&>(self).go(); }),
        owner(plan),
        reason(why),
        signal(number),
        site(where) {}

  void go() noexcept {
    const auto origin = signal != 0 ? shutdown_origin::signal : shutdown_origin::call;
    auto all = owner.run_all(origin, reason, signal, site);
    (void)weir::wait(std::move(all));
    over.wake();  // last: the plan may be gone after this
  }

  shutdown_plan& owner;
  const char* reason;
  int signal;
  std::source_location site;
  core::park over;
};

shutdown_plan::shutdown_plan(stopper& target, stop_options budgets, log_sink* sink)
    : target_(target),
      budgets_(budgets),
      sink_(sink),
      hurried_(target.executor().time()),
      report_(std::make_shared<const plan_report>()) {}

shutdown_plan::~shutdown_plan() {
  if (background_ != nullptr) background_->over.wait();
}

void shutdown_plan::add(std::shared_ptr<core::deferred_call> call, duration budget) {
  WEIR_ASSERT(!begun_.load(), "a stage was added to a shutdown_plan that runs");
  plan_report next = report();
  next.stages.push_back({.name = call->name, .budget = budget, .failure = {}});
  publish(std::move(next));
  stages_.push_back({std::move(call), budget});
}

task<plan_report> shutdown_plan::run(std::source_location site) {
  return run_all(shutdown_origin::call, budgets_.reason, 0, site);
}

void shutdown_plan::begin(const char* reason, int signal, std::source_location site) {
  background_ = std::make_unique<in_background>(*this, reason, signal, site);
  target_.where().execute_blocking(*background_);
}

void shutdown_plan::hurry() noexcept {
  hurried_.cancel(error{errc::cancelled, "somebody hurries"});
  target_.core().hurry();
}

task<plan_report> shutdown_plan::run_all(shutdown_origin origin, const char* reason, int signal,
                                         std::source_location site) {
  WEIR_ASSERT(!begun_.exchange(true), "a shutdown_plan runs once");
  for (std::size_t i = 0; i < stages_.size(); ++i) {
    auto one = run_stage(i);
    co_await std::move(one);
  }
  core::stop_request request{origin, reason, site};
  request.signal = signal;
  request.budgets = budgets_;
  if (hurried_.get().cancelled()) request.budgets->drain = duration::zero();
  auto stopping = core::stopper_core::stop(core::gate_reference{target_.core()}, request, false);
  result<shutdown_report> stopped = co_await std::move(stopping);
  plan_report all = report();
  if (stopped) add_shutdown(all, *std::move(stopped), budgets_);
  publish(all);
  tell();
  co_return all;
}

task<void> shutdown_plan::run_stage(std::size_t index) {
  clock& time = target_.executor().time();
  const auto& [call, budget] = stages_[index];
  const time_point began = time.now();
  set(index, stage_state::running);
  // Of the stopper's: it is cancelled when the stop has left it behind, too.
  const auto bound = std::make_shared<context_source>(
      target_.ctx(), context_options{.deadline = saturating_add(began, budget)});
  auto body = [called = call, bound]() -> result<void> {
    try {
      return called->run(bound->get());
    } catch (const std::exception& e) {
      return std::unexpected(error{errc::failed, std::string{"threw: "} + e.what()});
    } catch (...) {
      return fail(errc::failed, "threw something that is no std::exception");
    }
  };
  if (hurried_.get().cancelled()) {
    set(index, stage_state::skipped);
    co_return;
  }
  auto started = target_.spawn_blocking(call->name, std::move(body), call->site);
  if (!started) {
    set(index, stage_state::skipped, {}, started.error().to_string());
    co_return;
  }
  const context_source patience{hurried_.get(), {.deadline = saturating_add(began, budget)}};
  join_operation<result<void>> end = started->join(patience.get());
  const result<void> ended = co_await end;
  const bool overran = !started->done();
  if (overran) bound->cancel(error{errc::deadline_exceeded, "the stage's budget is over"});
  set(index,
      overran ? stage_state::overran
      : ended ? stage_state::done
              : stage_state::failed,
      time.now() - began, ended || overran ? std::string{} : ended.error().to_string());
}

void shutdown_plan::set(std::size_t index, stage_state state, duration took, std::string failure) {
  plan_report next = report();
  plan_report::stage& stage = next.stages[index];
  stage.state = state;
  stage.took = took;
  stage.failure = std::move(failure);
  publish(std::move(next));
}

void shutdown_plan::publish(plan_report next) {
  auto made = std::make_shared<const plan_report>(std::move(next));
  core::lock_guard guard{mutex_};
  report_.swap(made);  // what it was is freed after the unlock
}

plan_report shutdown_plan::report() const {
  std::shared_ptr<const plan_report> now;
  {
    core::lock_guard guard{mutex_};
    now = report_;
  }
  return *now;
}

void shutdown_plan::tell() const {
  if (sink_ != nullptr) write_lines(*sink_, log_level::info, report().to_string());
}

}  // namespace weir
