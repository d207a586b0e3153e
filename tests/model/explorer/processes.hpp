#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace weir::model {

/// What the search of one model comes to, as its process tells it.
struct tally {
  bool done = false;
  bool good = false;
  std::uint64_t executions = 0;
  double seconds = 0;
};

/// Calls `search(i)` for each i below `count`, in `jobs` processes at a time, begun in the order of
/// `begun`. What they print comes out in the order of i. The explorer has one operating system
/// thread and state of its own per process, so that searches side by side are processes; and one
/// that dies takes no other with it.
///
/// `stop_early`: a failure ends the others, whose tallies stay not done.
/// Blocks until all have ended. One job, or one search: in this process, for the debugger.
std::vector<tally> in_processes(const std::vector<std::size_t>& begun, unsigned jobs,
                                bool stop_early, const std::function<tally(std::size_t)>& search);

}  // namespace weir::model
