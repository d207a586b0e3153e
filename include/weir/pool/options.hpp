#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

#include <weir/core/clock.hpp>
#include <weir/pool/stats.hpp>

namespace weir {

class pool_hooks;

/// Which of a pool's queues a caller waits in. A higher one is served first; within one, first come
/// first served.
enum class pool_priority : std::uint8_t { high, normal, low };
inline constexpr std::size_t pool_priorities = 3;

/// One wait for a resource.
struct acquire_options {
  pool_priority priority = pool_priority::normal;
};

/// What a pool does with a caller whose deadline is shorter than the wait that is to be expected.
enum class hopeless_waits : std::uint8_t {
  refuse,  ///< tells it at once, with the figures: it has time left for something else
  admit,   ///< lets it wait
};

/// Whether the number of resources in use adapts to what the server can take.
enum class busy_limit : std::uint8_t { fixed, adaptive };

/// How a pool behaves. Everything but `max_open` has a default.
struct pool_options {
  /// For reports and errors. Copied.
  std::string_view name = "pool";

  /// Most resources open at once, those being opened and closed included. Required: a pool without
  /// a limit is a way to take a server down.
  std::size_t max_open = 0;

  /// Most resources kept idle; more are closed on return. Default: max_open.
  std::optional<std::size_t> max_idle = std::nullopt;

  /// Resources kept idle in advance, up to max_open. Refilled when nobody waits; not at each loan.
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

  /// The wait to be expected is the length of the queue times the time between returns.
  hopeless_waits hopeless = hopeless_waits::refuse;

  /// Resources that only callers of high priority get; and those that callers of low priority do
  /// not get on top of that. Both together less than max_open.
  std::size_t reserved_high = 0;
  std::size_t reserved_normal = 0;

  /// Adaptive: starts low, and lends more at once while that makes more come back per time. For
  /// servers that do less the more is asked of them at once, such as most databases.
  busy_limit busy = busy_limit::fixed;

  /// Most opens at once.
  std::size_t max_opening = 4;

  /// After this an open's context ends; a quarter later it is not waited for any more.
  duration open_timeout = std::chrono::seconds{30};

  /// While the server is down: the wait after the second failed open, doubled by each further one
  /// up to the latter. Each is shortened by up to a half, at random.
  duration backoff_initial = std::chrono::milliseconds{50};
  duration backoff_max = std::chrono::seconds{2};

  /// A resource that was idle for this long is checked by `pool_source::validate` before it is
  /// lent. Default: never.
  std::optional<duration> validate_after = std::nullopt;

  /// A lease held for this long is reported, once, with where it was acquired. Seen by looking from
  /// time to time: up to a quarter later.
  std::optional<duration> leak_after = std::nullopt;

  /// When every resource is held by tasks that wait for another one of this pool, and that has
  /// lasted for so long, the one who waits longest is told `would_deadlock`. Zero: at once. That is
  /// wrong about leases that their task has given away: then `nullopt`, never.
  std::optional<duration> deadlock_after = std::chrono::seconds{1};

  /// Told of everything. Outlives the pool and its last resource.
  pool_hooks* hooks = nullptr;

  /// Seed of the jitter of lifetimes and backoffs.
  std::uint64_t seed = 1;
};
static_assert(std::is_trivially_destructible_v<pool_options>);

}  // namespace weir
