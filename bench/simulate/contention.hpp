#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include <weir/retry/options.hpp>

#include "statistics.hpp"

namespace weir::simulate {

/// A way to wait between attempts.
struct strategy {
  std::string_view name;
  retry_options waits;
};

/// None, exponential, equal, full and decorrelated, with base 5 ms and a cap of 2 s.
inline constexpr std::size_t strategies = 5;
const strategy& strategy_at(std::size_t index) noexcept;

/// What it took until every client had written once.
struct contention {
  double writes = 0;       ///< that arrived at the server, in vain or not
  double makespan_ms = 0;  ///< from the start until the last client knows that it has written
};

/// N clients write the same row once each, under optimistic concurrency control: read the version,
/// write with it, and if somebody else wrote in between, wait and begin again. Every message takes
/// |Normal(10, 2)| ms; the server takes no time.
///
/// The model is that of the simulator behind "Exponential Backoff And Jitter" (Marc Brooker, AWS
/// Architecture Blog, 2015), written anew, in virtual time. The waits are those of weir::backoff.
/// Same seed, same result.
contention contend(std::size_t clients, const strategy& how, std::uint64_t seed);

/// The same many times; run k has the seed `seed` · 1,000,003 + k.
struct contention_statistics {
  statistics writes;
  statistics makespan_ms;
};
contention_statistics contend(std::size_t clients, const strategy& how, std::uint64_t seed,
                              std::size_t runs);

}  // namespace weir::simulate
