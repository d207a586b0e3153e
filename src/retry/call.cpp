#include <weir/retry/batch.hpp>

namespace weir {

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
      return retry_verdict::retry();
    case errc::closed:
    case errc::invalid_argument:
    case errc::would_deadlock:
    case errc::not_found:
    case errc::already_done:
    case errc::commit_unknown:
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

result<void> core::check_batch(std::size_t largest) {
  if (largest > 0) return {};
  return std::unexpected(
      error{errc::invalid_argument, "a batch holds at least one item"}.with("largest", 0));
}

}  // namespace weir
