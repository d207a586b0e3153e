#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <weir/core/clock.hpp>
#include <weir/pool/adaptive_limit.hpp>

namespace weir::simulate {

/// A server with so many processors: up to there each job has one of its own, beyond they share,
/// and get in each other's way.
struct knee {
  double processors;
  double thrash;      ///< what each further job costs, as a share
  bool logs = false;  ///< a job is a wait for a log, and who comes while that is being written has
                      ///< to wait for the next time, with all who came meanwhile

  [[nodiscard]] double speed(std::size_t busy) const noexcept {
    const auto jobs = static_cast<double>(busy);
    const double extra = std::max(0.0, jobs - processors);
    const double shared = std::min(1.0, processors / jobs);
    const double logged = logs && busy > 1 ? std::max(1.08 / jobs, 0.5) : 1;
    return logged * shared / (1 + thrash * extra);
  }
  /// Jobs per second under a limit, if there is always one that waits.
  [[nodiscard]] double rate(std::size_t limit, double mean_ms = 10) const noexcept {
    return static_cast<double>(limit) * speed(limit) * 1000 / mean_ms;
  }
  /// The best of the fixed limits.
  [[nodiscard]] std::size_t best_limit(std::size_t most = 64) const noexcept {
    std::size_t best = 1;
    for (std::size_t n = 2; n <= most; ++n) best = rate(n) > rate(best) ? n : best;
    return best;
  }
};

/// Others on the same machine: so often the server becomes faster or slower, by a factor whose
/// logarithm has this deviation. What is done in the long run is exp(deviation² / 2) as much.
struct neighbours {
  double deviation = 0;
  double every_ms = 4;  ///< exponentially distributed
};

/// A scheduler that moves nobody at once: so long after another number of jobs is allowed, those
/// that run have this many processors.
struct placement {
  double settles_ms = 0;
  double processors = 1;
};

/// Callers that never go away, on such a server, under an adaptive limit, in virtual time. How long
/// jobs take is drawn, exponentially distributed: same seed, same course.
class limited_server {
 public:
  explicit limited_server(std::size_t start, std::size_t most = 64, std::uint64_t seed = 1,
                          neighbours others = {}, placement scheduler = {}) noexcept
      : limit(most, start), others_(others), scheduler_(scheduler), state_(seed) {}

  /// Until one job has ended, and its return was counted.
  void step(const knee& server, double mean_ms = 10);

  /// So many jobs; says how many a second were done.
  double run(const knee& server, int jobs, double mean_ms = 10);

  /// For so long altogether in bursts, each followed by as long a pause in which nobody asks; says
  /// how many a second of the bursts were done.
  double run_in_bursts(const knee& server, duration active, duration burst, double mean_ms = 10);

  manual_clock time;
  adaptive_limit limit;

 private:
  double draw() noexcept;
  knee at_present(knee server) noexcept;
  void change() noexcept;

  std::vector<double> left_;  // of each job that is being done
  neighbours others_;
  placement scheduler_;
  std::size_t placed_ = 0;  // the limit that the scheduler has seen last
  time_point settled_{};
  double faster_ = 1;
  time_point changes_{};
  std::uint64_t state_;
};

}  // namespace weir::simulate
