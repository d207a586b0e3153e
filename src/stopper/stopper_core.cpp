#include "stopper/stopper_core.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/core/assert.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/start.hpp>

namespace weir::core {
namespace {

/// The end of a task that drives a stop: nobody counts it, for the stop would wait for it.
struct driver_tail {
  void ended(task_record&) noexcept {}
  void unhandled(task_record& record, const std::exception_ptr& thrown) noexcept {
    std::fprintf(stderr, "weir: %s failed\n", record.name);
    std::rethrow_exception(thrown);  // terminates, with the exception to be seen
  }
};

std::string what(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "something that is no std::exception";
  }
}

std::string story(const char* task, std::source_location site, const std::exception_ptr& thrown) {
  return "task '" + std::string{task} + "' (" + site.file_name() + ":" +
         std::to_string(site.line()) +
         ") ended with an exception that nobody joins for: " + what(thrown);
}

}  // namespace

stopper_core::stopper_core(runtime& where, stopper_core* parent, const stopper_options& options,
                           std::source_location site)
    : stopper_gate(parent, *options.executor, *options.blocking, options.trace,
                   [](stopper_gate& self) noexcept { delete static_cast<stopper_core*>(&self); }),
      runtime_(where),
      parent_(parent != nullptr ? gate_reference{*parent} : gate_reference{}),
      name_(joined_name(parent, options.name)),
      options_(options),
      site_(site),
      ladder_(time()) {
  debug_ = {name_.c_str(), live_.shards_for_debugger(), live_.calls_for_debugger()};
  runtime_.live().add(*this);
  if (parent != nullptr) parent->adopt(*this);
}

stopper_core::~stopper_core() {
  drop_calls(closers_);
  drop_calls(quiesce_calls_);
  while (closer_note* note = notes_.pop_front()) delete note;
}

void stopper_core::changed(news& out) noexcept {
  ++version_;
  while (wait_node* node = waiting_.pop_front()) node->grant(out.wakes);
  out.listener = listener_;
  out.parent = static_cast<stopper_core*>(parent_.get());
}

std::uint64_t stopper_core::version() noexcept {
  lock_guard guard{mutex_};
  return version_;
}

bool stopper_core::drained() noexcept {
  {
    lock_guard guard{mutex_};
    if (!drained_ || !told_) return false;
    if (children_.empty()) return true;
  }
  const auto below = children();
  return std::all_of(below.begin(), below.end(), [](const gate_reference& child) {
    return static_cast<stopper_core*>(child.get())->drained();
  });
}

void stopper_core::set_listener(stop_listener listener) noexcept {
  lock_guard guard{mutex_};
  listener_ = listener;
}

void stopper_core::begin(const stop_request& request) {
  bool first = false;
  {
    news out;
    lock_guard guard{mutex_};
    const time_point now = time().now();
    if (phase_ == phase::running) {
      first = true;
      phase_ = phase::draining;
      began_ = now;
      exits_.cancelled_early(now);
      if (options_.heartbeat > duration::zero()) {
        next_beat_ = saturating_add(now, options_.heartbeat);
      }
    }
    if (!stopping_) request_ = request;
    if (request.budgets && phase_ < phase::closing) {
      if (!stopping_) budgets_ = *request.budgets;
      stopping_ = true;
      const time_point drained_by = saturating_add(now, request.budgets->drain);
      const time_point ended_by = saturating_add(drained_by, request.budgets->cancel);
      drain_until_ = std::min(drain_until_, drained_by);
      cancel_until_ = std::min(cancel_until_, ended_by);
      close_until_ = std::min(close_until_, saturating_add(ended_by, request.budgets->close));
    }
    changed(out);
  }
  // From now on a new child begins by itself. The others first: they use what is above them.
  for (const gate_reference& child : children()) {
    static_cast<stopper_core*>(child.get())->begin(request);
  }
  if (first) refuse_and_tell();
}

/// The first two steps of a stop, by whoever began it.
void stopper_core::refuse_and_tell() {
  log(log_level::info, "refuses work from now on");
  retain();  // for the one who is told that the last has left
  const bool nobody_left = live_.close();
  {
    lock_guard guard{mutex_};
    at_begin_ = live_.count();
  }
  if (nobody_left) last_has_left();
  quiescing_.set();
  run_quiesce_calls();
  leaving_.cancel(error{errc::cancelled, "the stopper is stopping"}, site_);
  finishing_.drain(error{errc::unavailable, "the stopper is draining"}, site_);
  news out;
  lock_guard guard{mutex_};
  told_ = true;
  changed(out);
}

void stopper_core::last_has_left() noexcept {
  {
    news out;
    lock_guard guard{mutex_};
    drained_ = true;
    changed(out);
  }
  release();
}

void stopper_core::hurry() noexcept {
  {
    news out;
    lock_guard guard{mutex_};
    if (phase_ == phase::draining && stopping_) {
      drain_until_ = time().now();
      cancel_until_ = std::min(cancel_until_, saturating_add(drain_until_, budgets_.cancel));
      close_until_ = std::min(close_until_, saturating_add(cancel_until_, budgets_.close));
      changed(out);
    }
  }
  for (const gate_reference& child : children()) {
    static_cast<stopper_core*>(child.get())->hurry();
  }
}

task<void> stopper_core::drive(gate_reference held, stop_request request, driver who) {
  auto& self = static_cast<stopper_core&>(*held.get());
  self.begin(request);
  for (;;) {
    const std::uint64_t seen = self.version();
    const time_point next = self.advance();
    if (self.done()) break;
    progress_operation progress{self, seen, nullptr, who};
    if (next == time_point::max()) {
      (void)co_await progress;
    } else {
      sleep_operation sleep = sleep_until(self.ladder_.get(), next);
      (void)co_await select(progress, sleep);
    }
  }
}

void stopper_core::drive_in_background(const stop_request& request) {
  begin(request);
  auto driver = [held = gate_reference{*this}, request] {
    return drive(held, request, driver::background);
  };
  start(where(), {.name = "weir.stop", .site = request.site}, context{}, std::move(driver),
        driver_tail{})
      .detach();
}

task<result<void>> stopper_core::drain(gate_reference held, context ctx, stop_request request,
                                       bool from_own_task) {
  auto& self = static_cast<stopper_core&>(*held.get());
  if (from_own_task || self.inside_own_task()) {
    co_return fail(errc::would_deadlock, "quiesce was called inside a task that it would wait for");
  }
  self.begin(request);
  for (;;) {
    const std::uint64_t seen = self.version();
    if (self.drained()) co_return result<void>{};
    progress_operation progress{self, seen, ctx.state(), driver::somebody};
    auto changed = co_await progress;
    if (!changed) co_return std::unexpected(std::move(changed).error());
  }
}

task<result<shutdown_report>> stopper_core::stop(gate_reference held, stop_request request,
                                                 bool from_own_task) {
  auto& self = static_cast<stopper_core&>(*held.get());
  if (from_own_task || self.inside_own_task()) {
    co_return fail(errc::would_deadlock,
                   "stop was called inside a task that it would wait for: use request_stop");
  }
  auto driving = drive(held, request);
  co_await std::move(driving);
  co_return self.report();
}

bool stopper_core::inside_own_task() const noexcept {
  const task_record* const flow = task_record::current();
  if (live_.has(flow != nullptr ? &flow->item() : nullptr, this_thread_id())) return true;
  const auto below = children();
  return std::any_of(below.begin(), below.end(), [](const gate_reference& child) {
    return static_cast<const stopper_core*>(child.get())->inside_own_task();
  });
}

void stopper_core::unhandled(const char* task, std::source_location site,
                             std::exception_ptr thrown) noexcept {
  const exception_policy& policy = options_.on_exception;
  if (policy.terminates()) {
    std::fprintf(stderr, "weir: %s\n", story(task, site, thrown).c_str());
    std::rethrow_exception(thrown);  // out of noexcept: terminates, with the exception to be seen
  }
  if (!policy.stops()) {
    policy.call(task, std::move(thrown));
    return;
  }
  bool stop = false;
  if (keep_failure(thrown, stop)) {
    if (!stop) return;
    stop_request request{shutdown_origin::failed_task, task, site};
    request.budgets.emplace();
    drive_in_background(request);
    return;
  }
  // Once it has stopped, the runtime and its log may be gone; the exception may not.
  (done() ? stderr_log() : runtime_.log()).write(log_level::error, story(task, site, thrown));
}

/// True for the first one, if it can still be in the report. `stop`: it has to begin the stop, too.
bool stopper_core::keep_failure(const std::exception_ptr& thrown, bool& stop) noexcept {
  lock_guard guard{mutex_};
  if (failure_ || finishing_up_ || phase_ == phase::stopped) return false;
  failure_ = thrown;
  stop = !stopping_;
  return true;
}

void report_dropped(stopper_gate& gate, const char* name, std::source_location site) {
  static_cast<stopper_core&>(gate).dropped(name, site);
}

void stopper_core::dropped(const char* task, std::source_location site) {
  shutdown_report::dropped_task told{task, site};
  lock_guard guard{mutex_};
  dropped_.push_back(std::move(told));
}

const char* stopper_core::intern(std::string_view text) {
  lock_guard guard{mutex_};
  const auto known = interned_.find(text);
  return known != interned_.end() ? known->c_str() : interned_.emplace(text).first->c_str();
}

bool stopper_core::done() noexcept {
  lock_guard guard{mutex_};
  return phase_ == phase::stopped;
}

void stopper_core::log(log_level level, const char* what) noexcept {
  runtime_.log().write(level, "stopper '" + name_ + "': " + what);
}

std::string stopper_core::describe() const {
  const std::size_t live = live_.count();
  const char* now = nullptr;
  {
    lock_guard guard{mutex_};
    now = core::name_of(phase_);
  }
  std::string text = std::string{now} + ", " + std::to_string(live) + " live, made at " +
                     site_.file_name() + ":" + std::to_string(site_.line());
  for (const live_task_info& one : live_.oldest(4)) {
    text += "\n  " + std::string{one.name} + " for " + to_text(time().now() - one.since) +
            ", from " + one.site.file_name() + ":" + std::to_string(one.site.line());
  }
  return text;
}

void stopper_core::end_of_object() {
  runtime_.live().remove(*this);
  if (!done()) {
    stop_request request{shutdown_origin::destructor, "the stopper was destroyed", site_};
    request.budgets.emplace();
    begin(request);
    advance(closing::here);
  }
  if (!done()) {
    WEIR_ASSERT(!inside_own_task(),
                "a stopper was destroyed inside one of its own tasks, which it would wait for");
    WEIR_ASSERT(!runtime_.is_worker_thread(),
                "a stopper with live tasks was destroyed on a worker: co_await its stop() first");
    auto driving = drive(gate_reference{*this}, stop_request{});
    wait(std::move(driving), ladder_.get());
  }
  call_clock_.close();  // its tasks, which may call, are gone
  if (live_.count() == 0) return;
  std::fputs(report_.to_string().c_str(), stderr);
  report_.exit();
}

const char* name_of(stopper_core::phase phase) noexcept {
  switch (phase) {
    case stopper_core::phase::running:
      return "running";
    case stopper_core::phase::draining:
      return "draining";
    case stopper_core::phase::cancelling:
      return "cancelling";
    case stopper_core::phase::closing:
      return "closing";
    case stopper_core::phase::stopped:
      break;
  }
  return "stopped";
}

}  // namespace weir::core
