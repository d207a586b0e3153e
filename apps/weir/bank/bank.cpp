#include "bank.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <string>
#include <utility>

#include <unistd.h>

#include <weir/context/context.hpp>
#include <weir/core/sync/clock.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/sql/url.hpp>

#include "../text.hpp"
#include "complain.hpp"
#include "program.hpp"

namespace weir::bank {

namespace {

std::uint64_t drawn_seed() {
  std::uint32_t bits = 0;  // short enough to be typed again
  if (getentropy(&bits, sizeof bits) != 0) bits = static_cast<std::uint32_t>(getpid());
  return bits;
}

std::uint64_t run_number() {
  const auto since_1970 = core::wall_now().time_since_epoch();
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since_1970).count();
  return static_cast<std::uint64_t>(ms);
}

}  // namespace

task<int> program::go() {
  if (!open_json()) co_return failed;
  where_is_ = find_place(how_.database).value();
  const std::string& file = where_is_.file;
  journal_path_ = how_.journal.empty() ? where_is_.journal : how_.journal;
  report_.database = sql::url::parse(how_.database).value().redacted();
  if (how_.audit_only && !file.empty() && access(file.c_str(), F_OK) != 0 && errno == ENOENT) {
    complain("there is no database file " + file + " to audit; correct --db");
    co_return failed;
  }
  if (how_.audit_only) co_return co_await conclude();

  {
    session on{where_, "bank", how_};
    if (auto opened = on.open(how_, in_commit_, after_log_); !opened) {
      complain(opened.error().message());
      co_return usage;
    }
    auto prepare = [&](const context& ctx) { return begin(ctx, on); };
    auto begun = co_await on.stop.run("bank.begin", prepare);
    if (!begun) co_return co_await stopped_early(on, std::move(begun).error());
    if (auto done = co_await run_clients(on, *begun); !done) {
      co_return co_await stopped_early(on, std::move(done).error());
    }
    // What still runs uses all of this: its memory stays, and the program ends without destructors.
    if (report_.shutdown.outcome() == shutdown_outcome::abandoned) {
      on.signals.reset();
      static_cast<void>(co_await conclude());
      report_.shutdown.exit();
    }
  }
  co_return co_await conclude();
}

task<result<void>> program::run_clients(session& on, const beginning& begun) {
  report_.clients = how_.clients;
  report_.scale = begun.scale;
  report_.seed = how_.seed ? *how_.seed : drawn_seed();
  report_.journal = journal_path_;
  report_.settings = begun.settings;
  report_.level = how_.level;
  out_.line(app::wrapped("",
                         app::counted(how_.clients, "client") + " on " + report_.database +
                             ", scale " + std::to_string(begun.scale) + ", for " +
                             to_text(how_.run_for) + ", seed " + std::to_string(report_.seed),
                         out_.columns()));

  const auto release = how_.early_release ? sql::lock_release::early : sql::lock_release::durable;
  clients_ = std::make_unique<workload>(
      on.stop, on.database(), *journal_,
      workload::settings{how_.clients, begun.scale, report_.seed, how_.commit, release,
                         run_number(), how_.level, where_is_.speaks->waits_for_ever});
  live_ = std::make_unique<live_lines>(out_, on.stop, on.database(), *clients_);
  auto print = [this](const context& ctx) { live_->run(ctx); };
  in_commit_.arm();
  after_log_.arm();
  const time_point start = core::monotonic_now();
  // Refused only if a stop has begun; then the run is a short one.
  static_cast<void>(
      on.stop.spawn_blocking({.name = "bank.live", .on_quiesce = quiesce_action::cancel}, print));
  clients_->start();

  const context_source limit{context{}, {.timeout = how_.run_for}};
  const auto interrupted = co_await on.stop.quiescing(limit.get());
  report_.pool = on.database().stats();
  const stop_options budgets{
      .drain = how_.drain, .cancel = how_.cancel, .reason = "the time is up"};
  result<shutdown_report> stopped;
  if (interrupted) {
    stopped = co_await on.stop.stopped();
  } else {
    stopped = co_await on.stop.stop(budgets);
  }
  if (!stopped) co_return std::unexpected(std::move(stopped).error());
  report_.shutdown = *std::move(stopped);
  report_.took = core::monotonic_now() - start - report_.shutdown.close;
  report_.figures = clients_->figures();
  report_.failure = clients_->failure();
  ran_ = true;
  co_return result<void>{};
}

int run(const options& how) {
  // Between two sessions nobody takes the signals: then they are nobody's.
  std::signal(SIGINT, SIG_IGN);
  std::signal(SIGTERM, SIG_IGN);
  // A file that reaches a limit is told by an error of the write, as a full disk is.
  std::signal(SIGXFSZ, SIG_IGN);
  runtime where{{.name = "bank"}};
  program made{how, where};
  return wait(made.go());
}

}  // namespace weir::bank
