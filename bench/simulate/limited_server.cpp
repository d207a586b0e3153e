#include "limited_server.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numbers>

namespace weir::simulate {

namespace {

duration nanoseconds(double ms) noexcept {
  return duration{static_cast<duration::rep>(ms * 1e6)};
}

}  // namespace

void limited_server::step(const knee& server, double mean_ms) {
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

double limited_server::run(const knee& server, int jobs, double mean_ms) {
  const time_point start = time.now();
  for (int done = 0; done < jobs; ++done) step(server, mean_ms);
  return jobs / std::chrono::duration<double>(time.now() - start).count();
}

double limited_server::run_in_bursts(const knee& server, duration active, duration burst,
                                     double mean_ms) {
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

double limited_server::draw() noexcept {
  state_ = state_ * 6364136223846793005U + 1442695040888963407U;
  return -std::log((static_cast<double>(state_ >> 11U) + 1) * 0x1p-53);
}

knee limited_server::at_present(knee server) noexcept {
  if (limit.limit() != placed_) {
    placed_ = limit.limit();
    settled_ = time.now() + nanoseconds(scheduler_.settles_ms);
  }
  if (time.now() < settled_) server.processors = scheduler_.processors;
  return server;
}

void limited_server::change() noexcept {
  const double radius = std::sqrt(2 * draw());  // Box and Muller
  faster_ =
      std::exp(others_.deviation * radius * std::cos(2 * std::numbers::pi * std::exp(-draw())));
  changes_ = time.now() + nanoseconds(others_.every_ms * draw());
}

}  // namespace weir::simulate
