#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include <weir/context/task_record.hpp>
#include <weir/core/sync/thread_local.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/retry.hpp>
#include <weir/runtime/frame_cache.hpp>

namespace weir {
namespace {

/// A context that never ends has no clock of its own to tell; a task's timers have.
clock& clock_of(const context& ctx) noexcept {
  if (ctx.state() == nullptr) {
    if (const task_record* task = task_record::current()) return task->executor().time();
  }
  return ctx.time();
}

/// Fills the places of errors that nobody has reported. Allocates nothing.
error no_error() noexcept {
  return {errc::failed, "no error was reported"};
}

struct seed_tag {};

/// A seed of its own for each loop: two that fail together must not wait together, on one thread,
/// on two, or in two processes.
std::uint64_t fresh_seed(const retry& loop, time_point now) noexcept {
  auto& made_here = core::thread_slot<std::uint64_t, seed_tag>::get();
  const auto thread = reinterpret_cast<std::uintptr_t>(&made_here);
  return (++made_here * 0x9e3779b97f4a7c15U) ^ (thread << 16U) ^
         reinterpret_cast<std::uintptr_t>(&loop) ^
         static_cast<std::uint64_t>(now.time_since_epoch().count());
}

literal message_of(std::optional<retry_reason> why) noexcept {
  if (!why) return "stopped trying before the loop had ended";
  switch (*why) {
    case retry_reason::succeeded:
      return "asked for the failure of a loop that succeeded";
    case retry_reason::permanent:
      return "not tried again: the error is permanent";
    case retry_reason::outcome_unknown:
      return "not tried again: it may have happened, and may not happen twice";
    case retry_reason::attempts:
      return "gave up: no attempt is left";
    case retry_reason::duration:
      return "gave up: no time is left for another attempt";
    case retry_reason::budget:
      return "gave up: the budget of retries is empty";
    case retry_reason::nested:
      return "not tried again: an outer loop is retrying";
    case retry_reason::cancelled:
      return "gave up: the context ended";
    case retry_reason::shutdown:
      return "gave up: the context drains";
    case retry_reason::until:
      return "gave up: what it was to try until has happened";
    case retry_reason::invalid:
      break;
  }
  return "never ran: its options are invalid";
}

}  // namespace

retry::settings::settings(const retry_options& options) noexcept
    : longest(
          std::min(options.max_duration.value_or(never), options.total_timeout.value_or(never))),
      total_timeout(options.total_timeout.value_or(never)),
      attempt_timeout(options.attempt_timeout.value_or(never)),
      reset_after(options.reset_after.value_or(never)),
      until(options.until),
      budget(options.budget),
      hooks(options.hooks),
      max_retries(options.max_retries.value_or(std::numeric_limits<int>::max())),
      while_draining(options.while_draining),
      doomed_wait(options.doomed_wait),
      idempotency(options.idempotency),
      nested(options.nested) {}

retry::granted::granted(const context& parent, context_options limits, int number,
                        time_point now) noexcept
    : mark{number}, begun(now), scope(parent, limits) {
  core::context_state& state = *scope.get().state();
  state.key = &retrying;
  state.value = std::shared_ptr<const void>{std::shared_ptr<const void>{}, &mark};  // owns nothing
}

retry::retry(const context& ctx, const retry_options& options) noexcept
    : context_(ctx),
      settings_(options),
      clock_(clock_of(ctx)),
      start_(clock_.now()),
      backoff_(options, options.seed ? *options.seed : fresh_seed(*this, start_)),
      last_errors_{no_error(), no_error()} {
  nested_ = options.nested == nested_retry::once && ctx.value(retrying) != nullptr;
  check(options);
}

retry::~retry() {
  end_attempt();
  unpay();
  if (attempt_ != nullptr) core::free_frame(attempt_, sizeof(granted));
}

/// Options that are refused end the loop; which one it was is kept as the last error.
void retry::check(const retry_options& options) noexcept {
  result<void> valid = options.check();
  if (valid) return;
  reason_ = retry_reason::invalid;
  errors_ = 1;
  last_errors_[0] = std::move(valid).error();
}

void retry::start_over(time_point now) noexcept {
  start_ = now;
  backoff_.reset();
  wait_ = none;
  reason_.reset();
  attempts_ = 0;
  waiting_ = false;
}

/// As `context_.check()`, without another look at the clock.
bool retry::cancelled(time_point now) const noexcept {
  core::context_state* state = context_.state();
  if (state == nullptr) return false;
  if (state->cancelled()) return true;
  if (now < state->deadline()) return false;
  state->expire();
  return true;
}

/// By something that no reset undoes.
bool retry::stopped(time_point now) const noexcept {
  if (reason_ == retry_reason::invalid || until_ready_ || cancelled(now)) return true;
  return context_.draining() && settings_.while_draining == while_draining::stop;
}

void retry::reset() noexcept {
  reset(clock_.now());
}

void retry::reset(time_point now) noexcept {
  if (stopped(now)) return;
  start_over(now);
  immediate_ = began_;
}

void retry::switch_to(const retry_options& options) noexcept {
  const time_point now = clock_.now();
  if (stopped(now)) return;
  settings_ = settings{options};
  backoff_ = weir::backoff{options, options.seed ? *options.seed : backoff_.seed()};
  reset(now);
  check(options);
}

void retry::failed(error why, retry_verdict verdict) noexcept {
  last_errors_[errors_++ % kept_errors] = std::move(why);
  if (!waiting_) wait_ = verdict.hint().value_or(none);
  failed_ = true;
  if (!verdict.again()) {
    end(retry_reason::permanent);
  } else if (verdict.unknown() && settings_.idempotency == idempotency::no) {
    end(retry_reason::outcome_unknown);
  }
}

void retry::succeeded() noexcept {
  failed_ = false;
  if (settings_.budget != nullptr && !reason_) settings_.budget->succeeded();
  end(retry_reason::succeeded);
}

void retry::end(retry_reason why) noexcept {
  if (reason_) return;
  reason_ = why;
  if (settings_.hooks != nullptr) settings_.hooks->loop_ended(why, step(clock_.now()));
}

retry_step retry::step(time_point now) const noexcept {
  return {.attempt = attempts_ - 1,
          .elapsed = now - start_,
          .why = error_before(0),
          .wait = waiting_ ? wait_ : duration::zero()};
}

duration retry::elapsed() const noexcept {
  return clock_.now() - start_;
}

const error* retry::error_before(std::size_t steps) const noexcept {
  if (steps >= std::min<std::size_t>(errors_, kept_errors)) return nullptr;
  return &last_errors_[(errors_ - 1 - steps) % kept_errors];
}

/// Memory for an attempt, or, between two of them, for what watches `until`.
void* retry::block() {
  if (attempt_ == nullptr) {
    attempt_ = static_cast<granted*>(core::allocate_frame(sizeof(granted)));
  }
  return attempt_;
}

retry_attempt retry::begin_attempt(time_point now) {
  block();
  if (settings_.budget != nullptr && !repeats()) settings_.budget->tried();
  context_options limits;
  if (settings_.attempt_timeout != never) limits.timeout = settings_.attempt_timeout;
  if (settings_.total_timeout != never) {
    limits.deadline = saturating_add(start_, settings_.total_timeout);
  }
  std::construct_at(attempt_, context_, limits, attempts_++, now);
  running_ = began_ = true;
  immediate_ = waiting_ = failed_ = paid_ = false;
  wait_ = none;
  if (settings_.hooks != nullptr) settings_.hooks->attempt_begins(step(now));
  return {.context = attempt_->scope.get(), .number = attempt_->mark.attempt};
}

void retry::end_running() noexcept {
  running_ = false;
  const time_point begun = attempt_->begun;
  std::destroy_at(attempt_);
  // In a task it goes back to the thread's cache, for a thousand loops that wait are a thousand
  // contexts that nobody looks at. A plain thread has no such cache.
  if (task_record::current() != nullptr && !settings_.until) {
    core::free_frame(std::exchange(attempt_, nullptr), sizeof(granted));
  }
  if (settings_.reset_after == never || reason_) return;
  const time_point now = clock_.now();
  if (now - begun < settings_.reset_after) return;
  const duration hint = wait_;  // what the other side asked for holds all the same
  reset(now);
  failed_ = false;  // it worked for long enough: what follows is a first try
  wait_ = hint;
  immediate_ = immediate_ && hint == none;
}

std::optional<retry_reason> retry::stop_reason(time_point now) const noexcept {
  if (cancelled(now)) return retry_reason::cancelled;
  if (context_.draining() && settings_.while_draining == while_draining::stop) {
    return retry_reason::shutdown;
  }
  if (until_ready_) return retry_reason::until;
  if (nested_ && repeats()) return retry_reason::nested;
  if (attempts_ > settings_.max_retries) return retry_reason::attempts;
  if (now >= stop_at()) return retry_reason::duration;
  if (waiting_ && settings_.doomed_wait == doomed_wait::skip) {
    const time_point last = std::min(stop_at(), context_.deadline().value_or(time_point::max()));
    if (due_ >= last && due_ != time_point::max()) return retry_reason::duration;
  }
  return std::nullopt;
}

bool retry::decided_now(time_point& wake_at) noexcept {
  if (reason_ || !began_) return true;
  const time_point now = clock_.now();
  if (stop_reason(now)) return true;
  if (!waiting_ && !immediate_) {
    wait_ = backoff_.next(wait_ != none ? std::optional{wait_} : std::nullopt);
    due_ = saturating_add(now, wait_);
    waiting_ = true;
    if (stop_reason(now)) return true;
  }
  if (!pay(now) || immediate_) return true;
  wake_at = std::min(due_, stop_at());
  return wake_at <= now;
}

/// False, and the loop has ended, if the budget is empty.
bool retry::pay(time_point now) noexcept {
  if (paid_ || !repeats()) return true;
  if (settings_.budget != nullptr && !settings_.budget->try_withdraw()) {
    end(retry_reason::budget);
    return false;
  }
  paid_ = true;
  if (settings_.hooks != nullptr) settings_.hooks->wait_begins(step(now));
  return true;
}

/// Gives back what was paid for a retry that is not made.
void retry::unpay() noexcept {
  if (paid_ && settings_.budget != nullptr) settings_.budget->refund();
  paid_ = false;
}

result<retry_attempt> retry::conclude() {
  const time_point now = clock_.now();
  if (!reason_ && began_) {
    if (const auto why = stop_reason(now)) end(*why);
  }
  if (!reason_) return begin_attempt(now);
  unpay();
  if (reason_ == retry_reason::invalid) return failure();
  return std::unexpected(error{code_of_end(), message_of(reason_)});
}

errc retry::code_of_end() const noexcept {
  if (reason_ == retry_reason::invalid) return errc::invalid_argument;
  if (reason_ == retry_reason::cancelled) {
    const auto cause = context_.cancel_cause();
    return cause && cause->what.code() == errc::deadline_exceeded ? errc::deadline_exceeded
                                                                  : errc::cancelled;
  }
  if (reason_ == retry_reason::shutdown) return errc::unavailable;
  if (reason_ == retry_reason::until) return errc::closed;
  if (reason_ == retry_reason::succeeded) return errc::already_done;
  if (const error* last = error_before(0)) return last->code();
  if (reason_ == retry_reason::attempts) return errc::exhausted;
  if (reason_ == retry_reason::duration) return errc::deadline_exceeded;
  return errc::failed;
}

std::unexpected<error> retry::failure() const {
  if (reason_ == retry_reason::invalid) return std::unexpected(last_errors_[0]);
  const bool refused = reason_ == retry_reason::duration && waiting_;
  const literal message = refused ? literal{"gave up: the next wait is longer than the time left"}
                                  : message_of(reason_);
  error told = error{code_of_end(), message}
                   .with("reason", std::string{reason_ ? name_of(*reason_) : "none"})
                   .with("attempts", std::int64_t{attempts_})
                   .with("elapsed", std::chrono::nanoseconds{elapsed()});
  if (refused) told = std::move(told).with("wait", std::chrono::nanoseconds{wait_});
  if (const error* before = error_before(1)) {
    told = std::move(told).with("error before", before->to_string());
  }
  if (const error* last = error_before(0)) {
    told = std::move(told).caused_by(*last);
  } else if (reason_ == retry_reason::cancelled) {
    if (const auto cause = context_.cancel_cause()) told = std::move(told).caused_by(cause->what);
  }
  return std::unexpected(std::move(told));
}

}  // namespace weir
