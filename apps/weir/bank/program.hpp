#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <weir/context/context.hpp>
#include <weir/core/error.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/db.hpp>

#include "../terminal.hpp"
#include "audit.hpp"
#include "books.hpp"
#include "clients.hpp"
#include "dialect.hpp"
#include "journal.hpp"
#include "live.hpp"
#include "options.hpp"
#include "report.hpp"
#include "session.hpp"

namespace weir::bank {

/// What the beginning found out.
struct beginning {
  std::int64_t scale = 0;
  settings_told settings;
};

/// One `weir bank`, from the beginning to the verdict. Its coroutines run on the main thread; the
/// clients run on the runtime.
class program {
 public:
  program(const options& how, runtime& where)
      : how_(how), where_(where), in_commit_(how.kill_in_commit), after_log_(how.kill_after_log) {}

  task<int> go();

 private:
  task<result<beginning>> begin(context ctx, session& on);
  task<result<std::int64_t>> settle_scale(context ctx, sql::db& database, const books& found);
  task<result<void>> run_clients(session& on, const beginning& begun);
  task<int> conclude();
  task<result<audit_findings>> final_audit(session& on);
  task<int> stopped_early(session& on, error why);

  int tell(const result<audit_findings>& audit);
  bool open_json();
  bool write_json(const result<audit_findings>& audit, int code);
  void print_findings(const audit_findings& found, std::string_view title);

  const options& how_;
  runtime& where_;
  app::terminal out_;
  kill_switch in_commit_;
  kill_switch after_log_;
  place where_is_;  // the database
  std::string journal_path_;
  std::unique_ptr<journal> journal_;
  file_descriptor json_;
  // Members, because they may outlive the run's coroutine: a task that cannot be stopped uses them.
  std::unique_ptr<workload> clients_;
  std::unique_ptr<live_lines> live_;
  run_report report_;
  bool ran_ = false;
};

}  // namespace weir::bank
