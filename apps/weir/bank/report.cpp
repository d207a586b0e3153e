#include "report.hpp"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <string_view>

#include <nlohmann/json.hpp>

#include <weir/version.hpp>

#include "../text.hpp"

namespace weir::bank {

namespace {

constexpr std::size_t label_columns = 14;

void row(app::terminal& out, std::string_view label, std::string_view text) {
  std::string head = "  ";
  head += label;
  head.resize(label_columns, ' ');
  out.line(app::wrapped(head, text, out.columns()));
}

std::string retries_by_cause(const workload_figures& figures) {
  if (figures.all_retries() == 0) return "none";
  std::string text;
  for (std::size_t i = 0; i < figures.retries.size(); ++i) {
    if (figures.retries[i] == 0) continue;
    if (!text.empty()) text += ", ";
    text += name_of(static_cast<errc>(i));
    text += ' ';
    text += app::with_commas(static_cast<std::int64_t>(figures.retries[i]));
  }
  return text;
}

std::string pool_text(std::string_view kind, const pool_stats& stats) {
  std::string text{kind};
  text += ": at most " + std::to_string(stats.max_open) + ", opened " +
          std::to_string(stats.opened) + ", waits " +
          app::with_commas(static_cast<std::int64_t>(stats.waits));
  if (stats.open_failures != 0) text += ", failed to open " + std::to_string(stats.open_failures);
  if (stats.closed_bad != 0) text += ", broken " + std::to_string(stats.closed_bad);
  return text;
}

double milliseconds(duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

}  // namespace

double run_report::per_second() const noexcept {
  const double seconds = std::chrono::duration<double>(took).count();
  return seconds > 0 ? static_cast<double>(figures.acknowledged) / seconds : 0;
}

void print_report(app::terminal& out, const run_report& report) {
  const workload_figures& f = report.figures;
  const auto quantile = [&](double fraction) { return to_text(f.latencies.quantile(fraction)); };
  out.line("");
  out.line(out.bold(app::counted(f.acknowledged, "transfer") + " by " +
                    app::counted(report.clients, "client") + " in " + to_text(report.took)));
  row(out, "throughput", app::with_commas(std::llround(report.per_second())) + " per second");
  if (f.acknowledged != 0) {
    row(out, "latency",
        "p50 " + quantile(0.50) + ", p95 " + quantile(0.95) + ", p99 " + quantile(0.99) + ", max " +
            to_text(f.longest));
  }
  row(out, "per client",
      "least " + app::with_commas(static_cast<std::int64_t>(f.least_per_client)) + ", most " +
          app::with_commas(static_cast<std::int64_t>(f.most_per_client)));
  row(out, "retries", retries_by_cause(f));
  if (f.unknown_happened + f.unknown_not_happened != 0) {
    const auto count = [](std::uint64_t n) {
      return app::with_commas(static_cast<std::int64_t>(n));
    };
    row(out, "unknown",
        app::counted(f.unknown_happened + f.unknown_not_happened, "lost answer") +
            " looked up by the transfer's id: " + count(f.unknown_happened) +
            " had been committed, " + count(f.unknown_not_happened) + " had not");
  }
  if (f.given_up != 0) row(out, "given up", app::counted(f.given_up, "transfer") + " at the end");
  row(out, "pool", pool_text("writers", report.pool.writers));
  if (report.pool.readers) row(out, "", pool_text("readers", *report.pool.readers));
  row(out, "database", report.database + ", scale " + std::to_string(report.scale));
  std::string settings;
  for (const auto& [name, value] : report.settings) {
    if (!settings.empty()) settings += ' ';
    settings.append(name).append("=").append(value);
  }
  row(out, "settings", settings);
  if (report.level != sql::isolation::driver_default) {
    row(out, "isolation", sql::name_of(report.level));
  }
  row(out, "journal", report.journal);
  row(out, "seed", std::to_string(report.seed));
}

namespace {

nlohmann::ordered_json pool_json(const pool_stats& stats) {
  return {{"max_open", stats.max_open},   {"opened", stats.opened},
          {"waits", stats.waits},         {"open_failures", stats.open_failures},
          {"abandoned", stats.abandoned}, {"closed_bad", stats.closed_bad}};
}

nlohmann::ordered_json audit_json(const audit_findings& audit) {
  return {{"passed", audit.passed()},
          {"problems", audit.problems},
          {"acknowledged", audit.acknowledged},
          {"history", audit.history},
          {"accounts", audit.accounts},
          {"balance", audit.balance},
          {"torn_line", audit.torn}};
}

nlohmann::ordered_json shutdown_json(const shutdown_report& shutdown) {
  return {{"outcome", name_of(shutdown.outcome())},
          {"reason", shutdown.reason},
          {"signal", shutdown.signal},
          {"drain_ms", milliseconds(shutdown.drain)},
          {"cancel_ms", milliseconds(shutdown.cancel)},
          {"close_ms", milliseconds(shutdown.close)},
          {"tasks", shutdown.tasks},
          {"drained", shutdown.drained},
          {"cancelled", shutdown.cancelled},
          {"remaining", shutdown.remaining}};
}

}  // namespace

std::string to_json(const run_report& report, const result<audit_findings>& audit, int exit_code) {
  const workload_figures& f = report.figures;
  nlohmann::ordered_json retries = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < f.retries.size(); ++i) {
    if (f.retries[i] != 0) retries[name_of(static_cast<errc>(i))] = f.retries[i];
  }
  nlohmann::ordered_json json = {
      {"tps", report.per_second()},
      {"p50_ms", milliseconds(f.latencies.quantile(0.50))},
      {"p95_ms", milliseconds(f.latencies.quantile(0.95))},
      {"p99_ms", milliseconds(f.latencies.quantile(0.99))},
      {"max_ms", milliseconds(f.longest)},
      {"clients", report.clients},
      {"min_client_transfers", f.least_per_client},
      {"max_client_transfers", f.most_per_client},
      {"transfers", f.acknowledged},
      {"given_up", f.given_up},
      {"seconds", std::chrono::duration<double>(report.took).count()},
      {"retries", retries},
      {"scale", report.scale},
      {"seed", report.seed},
      {"database", report.database},
      {"journal", report.journal},
      {"isolation", sql::name_of(report.level)},
      {"unknown_commits",
       {{"had_happened", f.unknown_happened}, {"had_not", f.unknown_not_happened}}},
      {"writers", pool_json(report.pool.writers)},
      {"shutdown", shutdown_json(report.shutdown)},
      {"exit_code", exit_code},
      {"version", std::string{version_string}}};
  for (const auto& [name, value] : report.settings) json[name] = value;
  if (report.pool.readers) json["readers"] = pool_json(*report.pool.readers);
  if (audit) json["audit"] = audit_json(*audit);
  if (report.failure) json["failure"] = report.failure->to_string();
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace weir::bank
