#include <algorithm>
#include <string>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/hedge.hpp>

namespace weir {
namespace {

const char* refused_field(const hedge_options& o) noexcept {
  constexpr duration zero = duration::zero();
  if (o.delay < zero) return "delay";
  if (!(o.percentile >= 0 && o.percentile <= 1)) return "percentile";
  if (o.max_attempts < 1 || o.max_attempts > static_cast<int>(core::most_hedges)) {
    return "max_attempts";
  }
  if (o.attempt_timeout && *o.attempt_timeout <= zero) return "attempt_timeout";
  if (o.total_timeout && *o.total_timeout <= zero) return "total_timeout";
  if (o.idempotency != idempotency::yes) return "idempotency";
  return nullptr;
}

duration delay_of(const hedge_options& options) noexcept {
  if (options.latencies == nullptr) return options.delay;
  return options.latencies->percentile(options.percentile).value_or(options.delay);
}

}  // namespace

result<void> hedge_options::check() const {
  const char* field = refused_field(*this);
  if (field == nullptr) return {};
  return std::unexpected(
      error{errc::invalid_argument, "an option of a hedged call is out of range"}.with(
          "field", std::string{field}));
}

namespace core {

hedge_race::hedge_race(const context& ctx, const hedge_options& options)
    : outer_(ctx),
      options_(options),
      clock_(ctx.state() != nullptr ? ctx.time() : this_executor().time()),
      scope_(ctx, {.timeout = options.total_timeout}),
      delay_(delay_of(options)),
      start_(clock_.now()),
      next_start_(start_) {}

void hedge_race::stop(retry_reason why) noexcept {
  if (no_more_) return;
  no_more_ = true;
  reason_ = why;
}

bool hedge_race::wants_another() noexcept {
  if (started_ == 0) return true;
  if (no_more_ || clock_.now() < next_start_) return false;
  if (!scope_.get().check()) {
    stop(retry_reason::cancelled);
  } else if (outer_.draining()) {
    stop(retry_reason::shutdown);
  } else if (options_.budget != nullptr && !options_.budget->try_withdraw()) {
    stop(retry_reason::budget);
  }
  return !no_more_;
}

int hedge_race::begin() noexcept {
  const time_point now = clock_.now();
  if (started_ == 0 && options_.budget != nullptr) options_.budget->tried();
  begun_[static_cast<std::size_t>(started_)] = now;
  next_start_ = saturating_add(now, delay_);
  running_ |= 1U << static_cast<unsigned>(started_);
  if (started_ + 1 >= options_.max_attempts) stop(retry_reason::attempts);
  return started_++;
}

task<std::optional<int>> hedge_race::next_end() {
  if (over()) co_return std::nullopt;
  if (no_more_) co_return (co_await ends_.recv({})).value();
  const auto first =
      co_await select(ends_.recv({}), sleep_until({}, next_start_), until_cancelled(scope_.get()));
  if (const auto* ended = std::get_if<0>(&first)) co_return ended->value();
  if (first.index() == 2) stop(retry_reason::cancelled);
  co_return std::nullopt;
}

void hedge_race::succeeded() noexcept {
  over_ = true;
  if (options_.budget != nullptr) options_.budget->succeeded();
  if (options_.latencies == nullptr) return;
  // Those that have lost took at least as long: without them the percentile would learn only from
  // the fast ones, sink, and hedge more and more.
  const time_point now = clock_.now();
  for (std::size_t i = 0; i < begun_.size(); ++i) {
    if ((running_ & (1U << i)) != 0) options_.latencies->record(now - begun_[i]);
  }
}

void hedge_race::failed(int number, error why, retry_verdict verdict) noexcept {
  running_ &= ~(1U << static_cast<unsigned>(number));
  last_ = std::move(why);
  if (!verdict.again()) {
    no_more_ = false;  // this reason counts, whatever stopped the starts before
    stop(retry_reason::permanent);
    over_ = true;
    return;
  }
  next_start_ = saturating_add(clock_.now(), verdict.hint().value_or(duration::zero()));
}

void hedge_race::cancel_rest() noexcept {
  if (reason_ != retry_reason::permanent && !scope_.get().check()) {
    reason_ = retry_reason::cancelled;
  }
  scope_.cancel(error{errc::cancelled, "another hedged attempt was faster"});
}

error hedge_race::failure() {
  error told = last_ ? error{last_->code(), "no hedged attempt succeeded"}
                     : error{errc::failed, "no hedged attempt succeeded"};
  told = std::move(told)
             .with("reason", std::string{name_of(reason_)})
             .with("attempts", std::int64_t{started_})
             .with("elapsed", std::chrono::nanoseconds{clock_.now() - start_});
  return last_ ? std::move(told).caused_by(*std::move(last_)) : std::move(told);
}

}  // namespace core
}  // namespace weir
