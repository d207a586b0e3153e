#pragma once

#include <cstdint>
#include <string>

#include "explorer/model.hpp"

namespace weir::model {

struct settings {
  int bound = 2;
  bool deepest_only = false;  ///< not the lower bounds, which a usual run goes through
  std::uint64_t seed = 1;
  std::uint64_t pct = 0;           ///< per model; 0 takes the model's own number
  std::uint64_t most = 4'000'000;  ///< executions per model and bound
  bool may_cut = false;            ///< reaching `most` is reported, not a failure
};

/// What the exploration of one model found.
struct outcome {
  bool failed = false;
  bool cut = false;
  verdict why;
  std::string schedule;
  const char* found_by = "";
  int bound = 0;
  std::uint64_t seed = 0;
  std::uint64_t executions = 0;
  unsigned points = 0;  // most scheduling points in one execution
  double seconds = 0;   // of processor time: others may be using the machine
};

/// Runs a model under every schedule within the bounds, from no preemption upwards, so that a bug
/// is found with the shortest schedule that shows it; then under PCT and random schedules.
outcome explore(const entry& model, const settings& how);

/// Runs one schedule and prints each step. False if the schedule cannot be read.
bool replay(const entry& model, const std::string& schedule, int bound, verdict& why);

}  // namespace weir::model
