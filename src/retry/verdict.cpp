#include <weir/retry/verdict.hpp>

namespace weir {

retry_verdict retry_verdict::told_by(const error& why) noexcept {
  if (why.code() == errc::commit_unknown) return outcome_unknown();
  if (const auto hint = why.number(retry_after_number)) {
    return retry_after(std::chrono::nanoseconds{*hint});
  }
  return retry();
}

retry_verdict retry_if_transient(const error& why) noexcept {
  switch (why.code()) {
    // `cancelled` too: the loop itself knows whether its context ended, or only the attempt's.
    case errc::cancelled:
    case errc::deadline_exceeded:
    case errc::unavailable:
    case errc::throttled:
    case errc::exhausted:
    case errc::conflict:
    case errc::busy:
    case errc::server_down:
    case errc::io:
    case errc::failed:
    case errc::commit_unknown:
      return retry_verdict::told_by(why);
    case errc::closed:
    case errc::invalid_argument:
    case errc::would_deadlock:
    case errc::not_found:
    case errc::already_done:
    case errc::constraint:
    case errc::out_of_range:
    case errc::type_mismatch:
    case errc::corrupt:
    case errc::denied:
    case errc::unsupported:
      break;
  }
  return retry_verdict::permanent();
}

retry_verdict retry_if_refused(const error& why) noexcept {
  switch (why.code()) {
    case errc::cancelled:
    case errc::deadline_exceeded:
    case errc::io:
    case errc::failed:
      return retry_verdict::outcome_unknown();
    default:
      return retry_if_transient(why);
  }
}

}  // namespace weir
