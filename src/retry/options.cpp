#include <limits>

#include <weir/retry/options.hpp>

namespace weir {
namespace {

/// Which option is out of its range, and what its range is.
struct refusal {
  const char* field;
  literal message;
};

std::optional<refusal> refused(const retry_options& o) noexcept {
  constexpr duration zero = duration::zero();
  if (o.initial_backoff < zero) return refusal{"initial_backoff", "initial_backoff is negative"};
  if (o.max_backoff < o.initial_backoff) {
    return refusal{"max_backoff", "max_backoff is less than initial_backoff"};
  }
  // Written so that NaN is refused too.
  if (!(o.multiplier >= 1 && o.multiplier <= std::numeric_limits<double>::max())) {
    return refusal{"multiplier", "multiplier is not a number of at least 1"};
  }
  if (!(o.randomization >= 0 && o.randomization <= 1)) {
    return refusal{"randomization", "randomization is not between 0 and 1"};
  }
  if (o.jitter > jitter::decorrelated) return refusal{"jitter", "jitter is none of its names"};
  if (o.max_retries && *o.max_retries < 0) {
    return refusal{"max_retries", "max_retries is negative: at least one attempt is made"};
  }
  if (o.max_duration && *o.max_duration < zero) {
    return refusal{"max_duration", "max_duration is negative"};
  }
  if (o.total_timeout && *o.total_timeout <= zero) {
    return refusal{"total_timeout", "total_timeout is not positive"};
  }
  if (o.attempt_timeout && *o.attempt_timeout <= zero) {
    return refusal{"attempt_timeout", "attempt_timeout is not positive"};
  }
  if (o.reset_after && *o.reset_after <= zero) {
    return refusal{"reset_after", "reset_after is not positive: the loop would never back off"};
  }
  if (o.while_draining > while_draining::go_on) {
    return refusal{"while_draining", "while_draining is none of its names"};
  }
  if (o.doomed_wait > doomed_wait::wait_out_deadline) {
    return refusal{"doomed_wait", "doomed_wait is none of its names"};
  }
  if (o.idempotency > idempotency::yes) {
    return refusal{"idempotency", "idempotency is none of its names"};
  }
  if (o.nested > nested_retry::go_on) return refusal{"nested", "nested is none of its names"};
  return std::nullopt;
}

}  // namespace

const char* name_of(retry_reason why) noexcept {
  switch (why) {
    case retry_reason::succeeded:
      return "succeeded";
    case retry_reason::permanent:
      return "permanent";
    case retry_reason::outcome_unknown:
      return "outcome_unknown";
    case retry_reason::attempts:
      return "attempts";
    case retry_reason::duration:
      return "duration";
    case retry_reason::budget:
      return "budget";
    case retry_reason::nested:
      return "nested";
    case retry_reason::cancelled:
      return "cancelled";
    case retry_reason::shutdown:
      return "shutdown";
    case retry_reason::until:
      return "until";
    case retry_reason::invalid:
      return "invalid";
  }
  return "unknown";
}

result<void> retry_options::check() const {
  const auto found = refused(*this);
  if (!found) return {};
  return std::unexpected(
      error{errc::invalid_argument, found->message}.with("field", std::string{found->field}));
}

retry_options retry_options::with_max_attempts(int n) const noexcept {
  retry_options limited = *this;
  limited.max_retries = n > 0 ? n - 1 : -1;
  return limited;
}

}  // namespace weir
