#include "limits.hpp"

#include <cstdio>
#include <string>
#include <string_view>

#include "limited_server.hpp"
#include "plot.hpp"

namespace weir::simulate {

namespace {

constexpr knee falling{12, 0.03};
constexpr knee flat{12, 0};
constexpr std::size_t starts[] = {1, 8, 32};
constexpr std::size_t most = 64;

double seconds_since(time_point start, time_point now) {
  return std::chrono::duration<double>(now - start).count();
}

/// A line that keeps its height until the next point.
void step_to(plot::line& line, double x, double y) {
  if (!line.points.empty() && line.points.back().second == y) return;
  if (!line.points.empty()) line.points.emplace_back(x, line.points.back().second);
  line.points.emplace_back(x, y);
}

/// What a figure was on average, a window at a time: the limit alternates while it is measured.
class mean_of {
 public:
  mean_of(std::string name, double window) : line_{std::move(name), {}}, window_(window) {}

  /// It was `value` from the last time until now.
  void add(double now, double value) {
    sum_ += value * (now - last_);
    last_ = now;
    if (now - began_ < window_) return;
    line_.points.emplace_back((now + began_) / 2, sum_ / (now - began_));
    began_ = now;
    sum_ = 0;
  }
  plot::line take() { return std::move(line_); }

 private:
  plot::line line_;
  double window_;
  double began_ = 0;
  double last_ = 0;
  double sum_ = 0;
};

plot::line level(std::string name, double y, double from, double to) {
  return {std::move(name), {{from, y}, {to, y}}, true};
}

/// How the limit finds the knee from below, from near and from above.
plot from_starts() {
  constexpr double end = 12;
  plot shown{.title = "The limit on a server with its knee at 12, from three starts",
             .x = {"seconds", 0, end, {0, 2, 4, 6, 8, 10, 12}},
             .y = {"may be in use", 0, 48, {0, 12, 24, 36, 48}},
             .lines = {}};
  for (const std::size_t start : starts) {
    limited_server it{start, most};
    mean_of limit{"from " + std::to_string(start), 0.2};
    const time_point began = it.time.now();
    double at = 0;
    while (at < end) {
      const auto now = static_cast<double>(it.limit.limit());
      it.step(falling);
      at = seconds_since(began, it.time.now());
      limit.add(at, now);
    }
    shown.lines.push_back(limit.take());
  }
  shown.lines.push_back(level("knee", falling.processors, 0, end));
  return shown;
}

/// Where that is: throughput under each fixed limit, and under the adaptive one.
plot throughputs() {
  plot shown{.title = "Throughput under fixed limits, and where the adaptive one settles",
             .x = {"limit", 0, most, {0, 12, 24, 36, 48, 60}},
             .y = {"returns per second", 0, 1400, {0, 300, 600, 900, 1200}},
             .lines = {{"stays beyond", {}},
                       {"falls beyond", {}},
                       {"adaptive, stays", {}, false, true},
                       {"adaptive, falls", {}, false, true},
                       {"knee", {{12, 0}, {12, 1400}}, true}}};
  const knee servers[] = {flat, falling};
  for (std::size_t at = 0; at < 2; ++at) {
    for (std::size_t n = 1; n <= most; ++n) {
      shown.lines[at].points.emplace_back(n, servers[at].rate(n));
    }
    const double best = servers[at].rate(servers[at].best_limit());
    for (const std::size_t start : starts) {
      limited_server it{start, most};
      it.run(servers[at], 12'000);
      double limits = 0;
      constexpr int jobs = 20'000;
      const time_point began = it.time.now();
      for (int i = 0; i < jobs; ++i) {
        it.step(servers[at]);
        limits += static_cast<double>(it.limit.limit());
      }
      const double rate = jobs / seconds_since(began, it.time.now());
      shown.lines[at + 2].points.emplace_back(limits / jobs, rate);
      std::printf(
          "knee 12, %-5s beyond, from %2zu: %4.1f in use, %3.0f %% of the best fixed limit\n",
          at == 0 ? "stays" : "falls", start, limits / jobs, rate / best * 100);
    }
  }
  return shown;
}

/// A day of a server, in two minutes.
struct period {
  double until_s;
  knee server;
  double mean_ms;
};
constexpr period day[] = {{20, falling, 10},
                          {50, {4, 0.03}, 10},  // a neighbour takes eight processors
                          {80, falling, 10},
                          {110, falling, 30},  // the same, but each job is three times as long
                          {130, falling, 10}};
constexpr double day_end = 130;

/// How the limit follows it, and what that gives.
void follow(plot& limits, plot& rates) {
  limited_server it{1, most};
  mean_of limit{"limit", 1};
  plot::line best{"knee", {}, true};
  plot::line rate{"adaptive", {}};
  plot::line possible{"best limit", {}, true};
  plot::line fixed{"fixed at 40", {}};
  const time_point began = it.time.now();
  double done = 0;
  double window_began = 0;
  for (const period& now : day) {
    double at = seconds_since(began, it.time.now());
    step_to(best, at, now.server.processors);
    const std::size_t best_limit = now.server.best_limit();
    step_to(possible, at, now.server.rate(best_limit, now.mean_ms));
    step_to(fixed, at, now.server.rate(40, now.mean_ms));
    while (at < now.until_s) {
      const auto in_use = static_cast<double>(it.limit.limit());
      it.step(now.server, now.mean_ms);
      ++done;
      at = seconds_since(began, it.time.now());
      limit.add(at, in_use);
      if (at - window_began < 1) continue;
      rate.points.emplace_back((at + window_began) / 2, done / (at - window_began));
      window_began = at;
      done = 0;
    }
  }
  for (plot::line* one : {&best, &possible, &fixed}) {
    one->points.emplace_back(day_end, one->points.back().second);
  }
  limits.lines = {limit.take(), std::move(best)};
  rates.lines = {std::move(rate), std::move(fixed), std::move(possible)};
}

}  // namespace

void show_limits(const char* plots) {
  plot limits{.title = "The limit while the server shrinks and while it slows down",
              .x = {"seconds", 0, day_end, {0, 20, 50, 80, 110, 130}},
              .y = {"may be in use", 0, 24, {0, 4, 8, 12, 16, 20, 24}},
              .lines = {}};
  plot rates{.title = "What was done meanwhile",
             .x = limits.x,
             .y = {"returns per second", 0, 1400, {0, 400, 800, 1200}},
             .lines = {}};
  follow(limits, rates);
  write_plot(plots, "limit-starts", from_starts());
  write_plot(plots, "limit-throughput", throughputs());
  write_plot(plots, "limit-follows", limits);
  write_plot(plots, "limit-follows-throughput", rates);
}

}  // namespace weir::simulate
