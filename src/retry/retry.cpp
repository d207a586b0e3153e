#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <weir/context/task_record.hpp>
#include <weir/core/sync/thread_local.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/retry.hpp>

namespace weir {
namespace {

/// A context that never ends has no clock of its own to tell; a task's timers have.
clock& clock_of(const context& ctx) noexcept {
  if (ctx.state() == nullptr) {
    if (const task_record* task = task_record::current()) return task->executor().time();
  }
  return ctx.time();
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

retry::retry(const context& ctx, retry_options options) noexcept
    : context_(ctx),
      options_(options),
      clock_(clock_of(ctx)),
      start_(clock_.now()),
      stop_at_(time_point::max()),
      backoff_(options, options.seed ? *options.seed : fresh_seed(*this, start_)) {
  nested_ = options.nested == nested_retry::once && ctx.value(retrying) != nullptr;
  start_over(start_);
  if (!options_.check()) reason_ = retry_reason::invalid;
}

retry::~retry() {
  end_attempt();
  unpay();
}

void retry::start_over(time_point now) noexcept {
  start_ = now;
  const duration longest = std::min(options_.max_duration.value_or(duration::max()),
                                    options_.total_timeout.value_or(duration::max()));
  stop_at_ = saturating_add(now, longest);
  backoff_.reset();
  hint_.reset();
  reason_.reset();
  attempts_ = 0;
  waiting_ = false;
}

/// By something that no reset undoes.
bool retry::stopped() const noexcept {
  if (reason_ == retry_reason::invalid || until_ready_ || !context_.check()) return true;
  return context_.draining() && options_.while_draining == while_draining::stop;
}

void retry::reset() noexcept {
  if (stopped()) return;
  start_over(clock_.now());
  immediate_ = began_;
}

void retry::switch_to(const retry_options& options) noexcept {
  if (stopped()) return;
  options_ = options;
  backoff_ = weir::backoff{options, options.seed ? *options.seed : backoff_.seed()};
  reset();
  if (!options_.check()) reason_ = retry_reason::invalid;
}

void retry::failed(error why, retry_verdict verdict) noexcept {
  last_errors_[errors_++ % kept_errors] = std::move(why);
  hint_ = verdict.hint();
  failed_ = true;
  if (!verdict.again()) {
    end(retry_reason::permanent);
  } else if (verdict.unknown() && options_.idempotency == idempotency::no) {
    end(retry_reason::outcome_unknown);
  }
}

void retry::succeeded() noexcept {
  failed_ = false;
  if (options_.budget != nullptr && !reason_) options_.budget->succeeded();
  end(retry_reason::succeeded);
}

void retry::end(retry_reason why) noexcept {
  if (reason_) return;
  reason_ = why;
  if (options_.hooks != nullptr) options_.hooks->loop_ended(why, step(clock_.now()));
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
  if (steps >= std::min(errors_, kept_errors)) return nullptr;
  const auto& kept = last_errors_[(errors_ - 1 - steps) % kept_errors];
  return kept ? &*kept : nullptr;
}

retry_attempt retry::begin_attempt(time_point now) noexcept {
  if (options_.budget != nullptr && !repeats()) options_.budget->tried();
  mark_.attempt = attempts_++;
  began_ = true;
  immediate_ = waiting_ = failed_ = paid_ = false;
  attempt_begun_ = now;
  std::optional<time_point> total_ends;
  if (options_.total_timeout) total_ends = saturating_add(start_, *options_.total_timeout);
  const context_scope& scope = attempt_.emplace(
      context_, context_options{.timeout = options_.attempt_timeout, .deadline = total_ends});
  core::context_state& state = *scope.get().state();
  state.key = &retrying;
  state.value = std::shared_ptr<const void>{std::shared_ptr<const void>{}, &mark_};  // owns nothing
  if (options_.hooks != nullptr) options_.hooks->attempt_begins(step(now));
  return {.context = scope.get(), .number = mark_.attempt};
}

void retry::end_attempt() noexcept {
  if (!attempt_) return;
  attempt_.reset();
  if (!options_.reset_after || reason_) return;
  if (clock_.now() - attempt_begun_ < *options_.reset_after) return;
  const auto hint = hint_;  // what the other side asked for holds all the same
  reset();
  failed_ = false;  // it worked for long enough: what follows is a first try
  hint_ = hint;
  immediate_ = immediate_ && !hint;
}

std::optional<retry_reason> retry::stop_reason(time_point now) const noexcept {
  if (!context_.check()) return retry_reason::cancelled;
  if (context_.draining() && options_.while_draining == while_draining::stop) {
    return retry_reason::shutdown;
  }
  if (until_ready_) return retry_reason::until;
  if (nested_ && repeats()) return retry_reason::nested;
  if (options_.max_retries && attempts_ > *options_.max_retries) return retry_reason::attempts;
  if (now >= stop_at_) return retry_reason::duration;
  if (waiting_ && options_.doomed_wait == doomed_wait::skip) {
    const time_point last = std::min(stop_at_, context_.deadline().value_or(time_point::max()));
    if (due_ >= last && due_ != time_point::max()) return retry_reason::duration;
  }
  return std::nullopt;
}

bool retry::decided_now(time_point& wake_at) noexcept {
  if (reason_ || !began_) return true;
  const time_point now = clock_.now();
  if (stop_reason(now)) return true;
  if (!waiting_ && !immediate_) {
    wait_ = backoff_.next(std::exchange(hint_, std::nullopt));
    due_ = saturating_add(now, wait_);
    waiting_ = true;
    if (stop_reason(now)) return true;
  }
  if (!pay(now) || immediate_) return true;
  wake_at = std::min(due_, stop_at_);
  return wake_at <= now;
}

/// False, and the loop has ended, if the budget is empty.
bool retry::pay(time_point now) noexcept {
  if (paid_ || !repeats()) return true;
  if (options_.budget != nullptr && !options_.budget->try_withdraw()) {
    end(retry_reason::budget);
    return false;
  }
  paid_ = true;
  if (options_.hooks != nullptr) options_.hooks->wait_begins(step(now));
  return true;
}

/// Gives back what was paid for a retry that is not made.
void retry::unpay() noexcept {
  if (paid_ && options_.budget != nullptr) options_.budget->refund();
  paid_ = false;
}

result<retry_attempt> retry::conclude() {
  const time_point now = clock_.now();
  if (!reason_ && began_) {
    if (const auto why = stop_reason(now)) end(*why);
  }
  if (!reason_) return begin_attempt(now);
  unpay();
  return failure();
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
  if (result<void> valid = options_.check(); !valid) {
    return std::unexpected(std::move(valid).error());
  }
  const bool refused = reason_ == retry_reason::duration && waiting_;
  error told = error{code_of_end(), message_of(reason_)}
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
