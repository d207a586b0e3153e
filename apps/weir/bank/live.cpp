#include "live.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <utility>

#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>

#include "../text.hpp"

namespace weir::bank {

using namespace std::chrono_literals;

namespace {

constexpr unsigned lines_per_header = 20;
constexpr const char* columns =
    "  time      tps      p50      p95      p99  retries  pool use/idle/wait  tasks";

}  // namespace

pool_now pool_now::of(const sql::db_stats& stats) noexcept {
  pool_now now{stats.writers.in_use, stats.writers.idle, stats.writers.waiting};
  if (stats.readers) {
    now.in_use += stats.readers->in_use;
    now.idle += stats.readers->idle;
    now.waiting += stats.readers->waiting;
  }
  return now;
}

void live_lines::run(const context& ctx) {
  const time_point start = ctx.time().now();
  time_point last = start;
  for (auto next = start + 1s; wait(sleep_until(ctx, next)); next += 1s) {
    const time_point now = ctx.time().now();
    print(now - start, now - last);
    last = now;
  }
  // The end rarely falls on a full second: what is left is worth a line, too, if it is not noise.
  const time_point end = ctx.time().now();
  if (end - last >= 500ms) print(end - start, end - last);
}

void live_lines::print(duration elapsed, duration since_last) {
  if (lines_++ % lines_per_header == 0) out_.line(out_.bold(columns));
  auto now = std::make_unique<workload_figures>(clients_.figures());
  const auto latencies = std::make_unique<histogram>(now->latencies.since(before_.latencies));
  const auto done = static_cast<double>(now->acknowledged - before_.acknowledged);
  const auto per_second = done / std::chrono::duration<double>(since_last).count();
  const pool_now pool = pool_now::of(database_.stats());

  char pools[48];
  std::snprintf(pools, sizeof pools, "%zu/%zu/%zu", pool.in_use, pool.idle, pool.waiting);
  const auto quantile = [&](double fraction) {
    return latencies->total() == 0 ? std::string{"-"} : to_text(latencies->quantile(fraction));
  };
  char text[160];
  std::snprintf(
      text, sizeof text, "%6s %8s %8s %8s %8s %8s  %18s %6zu",
      to_text(std::chrono::round<std::chrono::seconds>(elapsed)).c_str(),
      app::with_commas(std::llround(per_second)).c_str(), quantile(0.50).c_str(),
      quantile(0.95).c_str(), quantile(0.99).c_str(),
      app::with_commas(static_cast<std::int64_t>(now->all_retries() - before_.all_retries()))
          .c_str(),
      pools, owner_.running());
  out_.line(text);
  before_ = *now;
}

}  // namespace weir::bank
