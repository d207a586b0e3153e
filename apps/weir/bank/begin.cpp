// The beginning of a run: what the last one left is audited, what is missing is loaded.

#include <utility>

#include <weir/core/sync/clock.hpp>

#include "../text.hpp"
#include "bank.hpp"
#include "complain.hpp"
#include "program.hpp"

namespace weir::bank {

task<result<beginning>> program::begin(context ctx, session& on) {
  sql::db& database = on.database();
  if (auto reached = co_await database.ping(ctx); !reached) {
    co_return std::unexpected(std::move(reached).error());
  }
  auto opened = journal::open(journal_path_);
  if (!opened) co_return std::unexpected(std::move(opened).error());
  journal_ = *std::move(opened);
  const auto found = co_await inspect_books(ctx, database, *where_is_.speaks);
  if (!found) co_return std::unexpected(found.error());

  beginning begun;
  const auto scale = co_await settle_scale(ctx, database, *found);
  if (!scale) co_return std::unexpected(scale.error());
  begun.scale = *scale;
  auto told = co_await ask_settings(ctx, database, *where_is_.speaks);
  if (!told) co_return std::unexpected(std::move(told).error());
  begun.settings = *std::move(told);
  if (auto emptied = journal_->restart(); !emptied) {
    co_return std::unexpected(std::move(emptied).error());
  }
  co_return begun;
}

/// Audits what is there, or loads what is not. Gives the scale.
task<result<std::int64_t>> program::settle_scale(context ctx, sql::db& database,
                                                 const books& found) {
  if (found.what != books::state::complete) {
    journal_reader left{journal_->descriptor(), journal_path_};
    const auto first = left.next();
    if (!first) co_return std::unexpected(first.error());
    if (*first != journal_reader::step::end) {
      co_return std::unexpected(
          error{errc::corrupt, "the journal " + journal_path_ +
                                   " lists transfers, but the database has no bank; restore the "
                                   "database, or delete the journal to begin anew"});
    }
    const std::int64_t scale = how_.scale.value_or(1);
    const time_point start = core::monotonic_now();
    auto show = [&](double fraction) { out_.progress("loading", fraction); };
    auto loaded = co_await load_books(ctx, database, *where_is_.speaks, scale, show);
    out_.end_progress();
    if (!loaded) co_return std::unexpected(std::move(loaded).error());
    out_.line("loaded " + app::with_commas(scale * accounts_per_branch) + " accounts in " +
              to_text(core::monotonic_now() - start));
    co_return scale;
  }
  if (how_.scale && *how_.scale != found.scale) {
    co_return std::unexpected(
        error{errc::invalid_argument, report_.database + " was loaded with --scale " +
                                          std::to_string(found.scale) +
                                          "; run with that, or give another database with --db"});
  }
  out_.status("auditing what the last run left ...");
  const journal_source from{*where_is_.speaks, journal_->descriptor(), journal_path_};
  auto audited = co_await audit_books(ctx, database, from);
  out_.end_progress();
  if (!audited) co_return std::unexpected(std::move(audited).error());
  if (!audited->passed()) {
    print_findings(*audited, "last run");
    out_.line("audit: " + audited->verdict());
    // Already told: the verdict is the last line.
    co_return fail(errc::corrupt, "");
  }
  if (audited->torn) {
    out_.line("the journal's last line was cut off by a kill: nobody was told of that transfer");
  }
  out_.line(app::wrapped("last run: ", audited->verdict(), out_.columns()));
  co_return found.scale;
}

/// The run ended before it began: by a signal, or because something is wrong.
task<int> program::stopped_early(session& on, error why) {
  const bool asked = on.stop.is_quiescing();
  auto report = co_await on.stop.stop({.drain = how_.drain, .cancel = how_.cancel});
  if (!asked) {
    if (!root_of(why).empty()) complain(root_of(why));
    co_return failed;
  }
  if (!report) co_return failed;
  out_.block(report->to_string());
  const bool began_anew = why.code() == errc::unavailable;
  if (report->exit_code() == 0 && began_anew) {
    out_.line("audit: PASS no transfer was made; what is not loaded yet is loaded by the next run");
    co_return passed;
  }
  out_.line("audit: FAIL it was interrupted; run weir bank --audit-only");
  co_return failed;
}

}  // namespace weir::bank
