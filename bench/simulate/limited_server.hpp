#pragma once

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <vector>

#include <weir/core/clock.hpp>
#include <weir/pool/adaptive_limit.hpp>

namespace weir::simulate {

/// A server with so many processors: up to there each job has one of its own, beyond they share,
/// and get in each other's way.
struct knee {
  double processors;
  double thrash;  ///< what each further job costs, as a share

  [[nodiscard]] double speed(std::size_t busy) const noexcept {
    const double extra = std::max(0.0, static_cast<double>(busy) - processors);
    const double shared = std::min(1.0, processors / static_cast<double>(busy));
    return shared / (1 + thrash * extra);
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
  void step(const knee& server, double mean_ms = 10) {
    if (others_.deviation > 0 && time.now() >= changes_) change();
    while (left_.size() < limit.limit()) left_.push_back(draw() * mean_ms);
    const auto next = std::min_element(left_.begin(), left_.end());
    const double work = *next;
    const double took_ms = work / at_present(server).speed(left_.size()) / faster_;
    for (double& one : left_) one -= work;
    left_.erase(next);
    time.advance(nanoseconds(took_ms));
    limit.returned(left_.size() + 1 >= limit.limit() ? adaptive_limit::demand::saturated
                                                     : adaptive_limit::demand::filling,
                   time);
  }

  /// So many jobs; says how many a second were done.
  double run(const knee& server, int jobs, double mean_ms = 10) {
    const time_point start = time.now();
    for (int done = 0; done < jobs; ++done) step(server, mean_ms);
    return jobs / std::chrono::duration<double>(time.now() - start).count();
  }

  /// For so long altogether in bursts, each followed by as long a pause in which nobody asks; says
  /// how many a second of the bursts were done.
  double run_in_bursts(const knee& server, duration active, duration burst, double mean_ms = 10) {
    long jobs = 0;
    for (duration done{}; done < active; done += burst) {
      const time_point end = time.now() + burst;
      for (; time.now() < end; ++jobs) step(server, mean_ms);
      for (std::size_t i = 0; i < left_.size(); ++i) {
        limit.returned(adaptive_limit::demand::none, time);
      }
      left_.clear();
      time.advance(burst);
    }
    return static_cast<double>(jobs) / std::chrono::duration<double>(active).count();
  }

  manual_clock time;
  adaptive_limit limit;

 private:
  double draw() noexcept {
    state_ = state_ * 6364136223846793005U + 1442695040888963407U;
    return -std::log((static_cast<double>(state_ >> 11U) + 1) * 0x1p-53);
  }

  static duration nanoseconds(double ms) noexcept {
    return duration{static_cast<duration::rep>(ms * 1e6)};
  }

  knee at_present(knee server) noexcept {
    if (limit.limit() != placed_) {
      placed_ = limit.limit();
      settled_ = time.now() + nanoseconds(scheduler_.settles_ms);
    }
    if (time.now() < settled_) server.processors = scheduler_.processors;
    return server;
  }

  void change() noexcept {
    const double radius = std::sqrt(2 * draw());  // Box and Muller
    faster_ =
        std::exp(others_.deviation * radius * std::cos(2 * std::numbers::pi * std::exp(-draw())));
    changes_ = time.now() + nanoseconds(others_.every_ms * draw());
  }

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
