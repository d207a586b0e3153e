#pragma once

#include <cstddef>
#include <cstdint>

#include "statistics.hpp"

namespace weir::simulate {

/// What a server that fails at a rate x sees of callers that make up to three retries.
struct amplification {
  statistics load;     ///< calls that arrive at the server, per call that was meant
  statistics success;  ///< the share that succeeds in the end
};

/// Who pays for retries.
enum class paid_by : std::uint8_t {
  nobody,
  budget,  ///< of 10 %, shared by all callers of a server
};

/// Loops of weir::retry, in virtual time, in 50 blocks of 4,000 calls. Same seed, same result.
amplification amplify(double failure_rate, paid_by who, std::uint64_t seed);

/// What callers above callers make of it.
enum class layered : std::uint8_t {
  every_layer_retries,
  with_budgets,       ///< every layer retries, on a budget of 10 % of its own
  outermost_retries,  ///< weir's default: a loop inside a loop makes one attempt
};

/// How many calls arrive at a server that always fails, per call at the top, with four attempts in
/// each layer: of 2,000 calls. Nothing in it is left to chance.
double layered_load(std::size_t layers, layered how);

}  // namespace weir::simulate
