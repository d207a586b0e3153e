#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include <weir/core/clock.hpp>

namespace weir::retry_cli {

/// What a line of output asks for: how long to wait before the next attempt. Negative: never again.
///
/// Understood, in upper or lower case, anywhere in a line:
///
///     Retry-After: 120                              seconds (RFC 9110)
///     Retry-After: Fri, 31 Dec 1999 23:59:59 GMT    counted from `now`; in the past: no wait
///     retry-after-ms: 1500                          milliseconds
///     grpc-retry-pushback-ms: -1                    gRPC; negative: do not retry
///     "retryDelay": "3.5s"                          google.rpc.RetryInfo as JSON
///     try again in 20s, retry after 2 minutes       prose, with or without "please"
///
/// A duration without a unit is in seconds; longer ones than ten years count as ten years.
std::optional<duration> hint_in(std::string_view line, std::chrono::system_clock::time_point now);

}  // namespace weir::retry_cli
