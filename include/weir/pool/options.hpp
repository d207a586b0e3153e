#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include <weir/core/clock.hpp>

namespace weir {

/// How a pool behaves. Everything but `max_open` has a default.
struct pool_options {
  /// For reports and errors. Copied.
  std::string_view name = "pool";

  /// Most resources open at once, those being opened and closed included. Required: a pool without
  /// a limit is a way to take a server down.
  std::size_t max_open = 0;

  /// Most resources kept idle; more are closed on return. Default: max_open.
  std::optional<std::size_t> max_idle = std::nullopt;

  /// Resources kept open in advance, up to max_open.
  std::size_t min_idle = 0;

  /// A resource older than this is closed when it is idle. Each draws its own limit once, between
  /// 90 % and 100 % of this, so that those opened together are not closed together.
  std::optional<duration> max_lifetime = std::nullopt;

  /// A resource idle for this long is closed. Setting either limit costs a look at the clock per
  /// return (28 ns).
  std::optional<duration> max_idle_time = std::nullopt;

  /// Longest wait for a resource, apart from the caller's own deadline.
  std::optional<duration> acquire_timeout = std::nullopt;

  /// Most callers waiting; one more is refused with `throttled`. Default: unlimited.
  std::optional<std::size_t> max_waiters = std::nullopt;

  /// Seed of the lifetimes' jitter.
  std::uint64_t seed = 1;
};
static_assert(std::is_trivially_destructible_v<pool_options>);

/// Counts of one moment, taken together, and totals since the pool was made.
struct pool_stats {
  std::size_t max_open = 0;
  std::size_t open = 0;     ///< idle, in use, being reset or being closed
  std::size_t opening = 0;  ///< being opened now, not yet counted as open
  std::size_t closing = 0;  ///< of the open ones, being closed now
  std::size_t in_use = 0;
  std::size_t idle = 0;
  std::size_t waiting = 0;

  std::uint64_t opened = 0;
  std::uint64_t open_failures = 0;
  std::uint64_t waits = 0;      ///< acquires that had to queue
  std::uint64_t refused = 0;    ///< acquires refused because the queue was full
  std::uint64_t abandoned = 0;  ///< waits that a deadline or a cancellation ended

  // Closed, by cause. Opened − closed = open, once what is being closed is gone.
  std::uint64_t closed_idle_time = 0;
  std::uint64_t closed_lifetime = 0;
  std::uint64_t closed_surplus = 0;  ///< more idle than max_idle, or more open than max_open
  std::uint64_t closed_bad = 0;      ///< discarded, unusable, or not to be reset
  std::uint64_t closed_shutdown = 0;
};

}  // namespace weir
