#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <weir/core/error.hpp>
#include <weir/sql/db.hpp>
#include <weir/stopper/shutdown_report.hpp>

#include "../terminal.hpp"
#include "audit.hpp"
#include "clients.hpp"
#include "dialect.hpp"

namespace weir::bank {

/// All that is told of a run, on paper and in JSON.
struct run_report {
  std::string database;  ///< redacted
  std::string journal;
  settings_told settings;  ///< what the database says of itself
  sql::isolation level = sql::isolation::driver_default;
  std::size_t clients = 0;
  std::int64_t scale = 0;
  std::uint64_t seed = 0;

  duration took{};
  workload_figures figures;
  sql::db_stats pool;
  shutdown_report shutdown;
  std::optional<error> failure;

  [[nodiscard]] double per_second() const noexcept;
};

void print_report(app::terminal& out, const run_report& report);

/// One JSON object, as `weir bank --help` lists its fields.
std::string to_json(const run_report& report, const result<audit_findings>& audit, int exit_code);

}  // namespace weir::bank
