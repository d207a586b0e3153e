#include "tables.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <string>

#include "amplification.hpp"
#include "contention.hpp"
#include "plot.hpp"

namespace weir::simulate {

namespace {

// ---- table A

struct listed_row {
  std::size_t clients;
  std::array<contention, strategies> figures;
};
// Means of 100 runs of the paper's program.
constexpr std::size_t listed_runs = 100;
constexpr listed_row listed[] = {
    {50, {{{689, 1142}, {625, 36768}, {346, 4112}, {332, 2826}, {374, 2251}}}},
    {100, {{{2427, 2029}, {1851, 63186}, {812, 6532}, {797, 4964}, {1003, 4672}}}},
    {190, {{{7993, 3531}, {5173, 101745}, {1762, 9519}, {1772, 7444}, {2435, 7856}}}},
};
constexpr double writes_tolerance = 0.03;
constexpr double makespan_tolerance = 0.10;

/// A figure beside the one it is compared with.
struct comparison {
  double relative;  ///< how far it is from the listed one
  double errors;    ///< the same in standard errors, of both figures together
};
comparison compare(const statistics& seen, double expected, std::size_t runs) {
  const double difference = seen.mean() - expected;
  // The listed mean has fewer runs, and so a larger error, of the same spread.
  const double both = seen.standard_error() *
                      std::sqrt(1 + static_cast<double>(runs) / static_cast<double>(listed_runs));
  return {difference / expected, both > 0 ? difference / both : 0};
}

constexpr std::size_t curve_step = 10;
constexpr std::size_t curve_end = 200;
constexpr std::size_t curve_runs = 40;

void plot_contention(const settings& how) {
  if (how.plots == nullptr) return;
  plot writes{.title = "Writes until N clients have written one row",
              .x = {"clients", 0, curve_end, {0, 50, 100, 150, 200}},
              .y = {"writes", 0, 9000, {0, 2000, 4000, 6000, 8000}},
              .lines = {}};
  plot makespan{.title = "Time until N clients have written one row",
                .x = writes.x,
                .y = {"ms (logarithmic)", 100, 200'000, {100, 1000, 10'000, 100'000}, true},
                .lines = {}};
  for (std::size_t at = 0; at < strategies; ++at) {
    const strategy& waits = strategy_at(at);
    plot::line in_writes{std::string{waits.name}, {}};
    plot::line in_time{std::string{waits.name}, {}};
    for (std::size_t clients = curve_step; clients <= curve_end; clients += curve_step) {
      const contention_statistics seen = contend(clients, waits, how.seed, curve_runs);
      in_writes.points.emplace_back(clients, seen.writes.mean());
      in_time.points.emplace_back(clients, seen.makespan_ms.mean());
    }
    writes.lines.push_back(std::move(in_writes));
    makespan.lines.push_back(std::move(in_time));
  }
  plot::line paper{"listed", {}, false, true};
  plot::line paper_time = paper;
  for (const listed_row& row : listed) {
    for (const contention& one : row.figures) {
      paper.points.emplace_back(row.clients, one.writes);
      paper_time.points.emplace_back(row.clients, one.makespan_ms);
    }
  }
  writes.lines.push_back(std::move(paper));
  makespan.lines.push_back(std::move(paper_time));
  write_plot(how.plots, "contention-writes", writes);
  write_plot(how.plots, "contention-makespan", makespan);
}

}  // namespace

int table_of_contention(const settings& how) {
  std::printf(
      "A. N clients write one row with optimistic concurrency, each once; a message takes\n"
      "   |Normal(10, 2)| ms; base 5 ms, cap 2 s. Means of %zu runs, seed %llu, beside those "
      "listed\n"
      "   (%zu runs). s.e.: standard error of the mean. off: difference in standard errors of "
      "both.\n\n",
      how.runs, static_cast<unsigned long long>(how.seed), listed_runs);
  std::printf(
      "  N  strategy       writes  listed    diff   s.e.   off  makespan  listed    diff   s.e.   "
      "off\n");
  double most_writes = 0;
  double most_makespan = 0;
  int outside = 0;
  for (const listed_row& row : listed) {
    for (std::size_t at = 0; at < strategies; ++at) {
      const auto seen = contend(row.clients, strategy_at(at), how.seed, how.runs);
      const contention& expected = row.figures[at];
      const comparison writes = compare(seen.writes, expected.writes, how.runs);
      const comparison makespan = compare(seen.makespan_ms, expected.makespan_ms, how.runs);
      const bool within = std::abs(writes.relative) <= writes_tolerance &&
                          std::abs(makespan.relative) <= makespan_tolerance;
      outside += within ? 0 : 1;
      most_writes = std::max(most_writes, std::abs(writes.relative));
      most_makespan = std::max(most_makespan, std::abs(makespan.relative));
      std::printf(
          "%3zu  %-13s %7.0f %7.0f %+6.1f%% %6.1f %+5.1f  %8.0f %7.0f %+6.1f%% %6.1f %+5.1f%s\n",
          row.clients, strategy_at(at).name.data(), seen.writes.mean(), expected.writes,
          100 * writes.relative, seen.writes.standard_error(), writes.errors,
          seen.makespan_ms.mean(), expected.makespan_ms, 100 * makespan.relative,
          seen.makespan_ms.standard_error(), makespan.errors, within ? "" : "  outside");
      std::fflush(stdout);
    }
  }
  std::printf(
      "\nlargest difference: writes %.1f %% (tolerance %.0f %%), makespan %.1f %% (tolerance %.0f "
      "%%)\n",
      100 * most_writes, 100 * writes_tolerance, 100 * most_makespan, 100 * makespan_tolerance);
  plot_contention(how);
  return outside;
}

// ---- table B

int table_of_amplification(const settings& how) {
  constexpr double rates[] = {0, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1};
  // Near the rate at which the budget begins to bind, chance decides whether it does.
  constexpr double tolerance = 0.01;
  std::printf(
      "\nB. Three retries against a server that fails at rate x: its load, per call that was "
      "meant,\n"
      "   and the share that succeeds. 200,000 calls of weir::retry each, beside what is "
      "computed:\n"
      "   load 1+x+x^2+x^3, success 1-x^4; with a budget of 10 %% the load is at most 1.1.\n\n");
  std::printf("           no budget                            budget of 10 %%\n");
  std::printf("   x      load  comp.    s.e.  success  comp.   load  comp.    s.e.  success\n");
  plot load{.title = "Load of a server that fails, three retries",
            .x = {"failure rate x", 0, 1, {0, 0.2, 0.4, 0.6, 0.8, 1}},
            .y = {"calls that arrive, per call meant", 0, 4, {0, 1, 2, 3, 4}},
            .lines = {{"no budget", {}, false, true},
                      {"1+x+x²+x³", {}},
                      {"budget of 10 %", {}, false, true},
                      {"at most 1.1", {}, true}}};
  plot success{.title = "Share of calls that succeed, three retries",
               .x = load.x,
               .y = {"share that succeeds", 0, 1, {0, 0.2, 0.4, 0.6, 0.8, 1}},
               .lines = {{"no budget", {}, false, true},
                         {"1−x⁴", {}},
                         {"budget of 10 %", {}, false, true},
                         {"no retry: 1−x", {}, true}}};
  int outside = 0;
  for (const double x : rates) {
    const std::uint64_t seed = how.seed * 1'000'003 + load.lines[0].points.size();
    const amplification free = amplify(x, paid_by::nobody, seed);
    const amplification paid = amplify(x, paid_by::budget, seed);
    const double expected_load = 1 + x + x * x + x * x * x;
    const double expected_success = 1 - x * x * x * x;
    const double bound = std::min(expected_load, 1.1);
    const bool within = std::abs(free.load.mean() - expected_load) <= tolerance &&
                        std::abs(free.success.mean() - expected_success) <= tolerance &&
                        std::abs(paid.load.mean() - bound) <= tolerance;
    outside += within ? 0 : 1;
    std::printf("%5.2f   %6.3f %6.3f %7.4f  %6.3f %6.3f  %6.3f %6.3f %7.4f   %6.3f%s\n", x,
                free.load.mean(), expected_load, free.load.standard_error(), free.success.mean(),
                expected_success, paid.load.mean(), bound, paid.load.standard_error(),
                paid.success.mean(), within ? "" : "  outside");
    load.lines[0].points.emplace_back(x, free.load.mean());
    load.lines[2].points.emplace_back(x, paid.load.mean());
    success.lines[0].points.emplace_back(x, free.success.mean());
    success.lines[2].points.emplace_back(x, paid.success.mean());
  }
  for (int step = 0; step <= 50; ++step) {
    const double x = step / 50.0;
    load.lines[1].points.emplace_back(x, 1 + x + x * x + x * x * x);
    load.lines[3].points.emplace_back(x, std::min(1 + x + x * x + x * x * x, 1.1));
    success.lines[1].points.emplace_back(x, 1 - x * x * x * x);
    success.lines[3].points.emplace_back(x, 1 - x);
  }
  write_plot(how.plots, "amplification-load", load);
  write_plot(how.plots, "amplification-success", success);
  return outside;
}

// ---- table C

int table_of_layers(const settings& how) {
  constexpr std::size_t most_layers = 4;
  constexpr double tolerance = 0.01;
  std::printf(
      "\nC. Layers of callers, four attempts each, above a server that always fails: calls that\n"
      "   arrive there, per call at the top. Simulated with weir::retry_call, and computed.\n\n"
      "  layers  every one retries   4^n   budgets of 10 %%  1.1^n   outermost retries "
      "(default)\n");
  plot shown{.title = "Calls at the bottom, per call at the top",
             .x = {"layers that retry", 1, most_layers, {1, 2, 3, 4}},
             .y = {"calls (logarithmic)", 1, 300, {1, 4, 16, 64, 256}, true},
             .lines = {{"every layer", {}}, {"outermost only", {}}, {"budgets of 10 %", {}}}};
  int outside = 0;
  for (std::size_t layers = 1; layers <= most_layers; ++layers) {
    const double every = layered_load(layers, layered::every_layer_retries);
    const double budgets = layered_load(layers, layered::with_budgets);
    const double outermost = layered_load(layers, layered::outermost_retries);
    const double expected_every = std::pow(4, static_cast<double>(layers));
    const double expected_budgets = std::pow(1.1, static_cast<double>(layers));
    const bool within = every == expected_every && outermost == 4 &&
                        std::abs(budgets - expected_budgets) <= tolerance;
    outside += within ? 0 : 1;
    std::printf("  %6zu  %17.0f  %4.0f  %16.3f  %5.3f  %27.0f%s\n", layers, every, expected_every,
                budgets, expected_budgets, outermost, within ? "" : "  outside");
    const auto x = static_cast<double>(layers);
    shown.lines[0].points.emplace_back(x, every);
    shown.lines[1].points.emplace_back(x, outermost);
    shown.lines[2].points.emplace_back(x, budgets);
  }
  write_plot(how.plots, "layers", shown);
  return outside;
}

}  // namespace weir::simulate
