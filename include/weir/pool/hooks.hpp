#pragma once

#include <cstdint>
#include <source_location>
#include <string_view>

#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>

namespace weir {

/// Why a resource was closed.
enum class close_cause : std::uint8_t {
  idle_time,  ///< idle for max_idle_time
  lifetime,   ///< open for max_lifetime
  surplus,    ///< more than max_idle or max_open
  bad,        ///< discarded, unusable, not to be reset, or found dead
  flushed,    ///< `flush`
  shutdown,   ///< the pool closed
};

/// The cause's name, as in "idle_time".
const char* name_of(close_cause why) noexcept;

/// Who is told of what a pool does: a log, a metric. Give it to a pool as `.hooks`.
///
/// Called on the flow that does it, with no lock held. Every method does nothing by default.
/// Requires: must not wait, throw, or call the pool; outlives the pool and its last resource. One
/// object may serve many pools, at once. Cost: a pool with hooks reads the clock twice per loan.
class pool_hooks {
 public:
  /// A resource was opened; `why` is null. Or it was not, and `why` says what happened.
  virtual void on_open(std::string_view pool, duration took, const error* why) noexcept;
  /// A resource was lent to the caller at `site`, after a wait.
  virtual void on_acquire(std::string_view pool, duration waited,
                          const std::source_location& site) noexcept;
  /// A lease ended: returned, discarded or detached.
  virtual void on_return(std::string_view pool, duration held,
                         const std::source_location& site) noexcept;
  virtual void on_close(std::string_view pool, close_cause why) noexcept;
  /// A lease has been held for `leak_after`. Once per lease.
  virtual void on_leak(std::string_view pool, duration held,
                       const std::source_location& site) noexcept;

 protected:
  ~pool_hooks() = default;
};

}  // namespace weir
