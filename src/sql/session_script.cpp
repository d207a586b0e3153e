// The part of a session that runs scripts: some of them as one transaction.

#include <vector>

#include "sql/script_job.hpp"
#include "sql/session_call.hpp"

namespace weir::core {
namespace {

/// After that many failures of single scripts the rest run one by one, so that a group of bad ones
/// costs no more than they would alone.
constexpr int most_replays = 3;

error lost_commit(error why) {
  return error{errc::commit_unknown,
               "the answer to COMMIT was lost: look whether it happened before running the script "
               "again"}
      .caused_by(std::move(why));
}

void succeed_open(std::span<script_job* const> jobs) noexcept {
  for (script_job* one : jobs) {
    if (!one->settled()) one->succeed();
  }
}

void collect_open(const script_unit& unit, std::vector<script_job*>& into) {
  into.clear();
  for (script_job* one : unit.jobs) {
    if (!one->settled()) into.push_back(one);
  }
}

}  // namespace

task<result<void>> sql_session::run_scripts(context ctx, script_unit* unit) {
  const auto body = [&] { return scripts_here(ctx, unit); };
  co_return co_await call<void>(ctx, 0, purpose::statement, body);
}

/// Runs those that are open until none is. An error leaves some of them open: the connection broke,
/// the context ended, or the whole lost against another transaction.
task<result<void>> sql_session::scripts_here(context ctx, script_unit* unit) {
  std::vector<script_job*> open;
  bool apart = false;
  for (int attempt = 0;; ++attempt) {
    collect_open(*unit, open);
    if (open.empty()) co_return result<void>{};
    std::span<script_job* const> now{open};
    if (apart || attempt > most_replays) now = now.first(1);
    unit->began = false;
    // Not in one expression: g++ 12 destroys what a co_await inside of ?: gave, and then uses it.
    result<attempt_end> done = attempt_end{};
    if (connection().driver->batches()) {
      done = co_await scripts_at_once(ctx, unit, now);
    } else {
      done = co_await scripts_in_turn(ctx, unit, now);
    }
    if (!done) co_return std::unexpected(std::move(done.error()));
    if (*done == attempt_end::commit_refused) apart = true;
  }
}

/// True if an error is not about the script in which it came up.
bool sql_session::concerns_all(const context& ctx, const error& why, bool alone) const noexcept {
  if (why.code() == errc::conflict || (alone && why.code() == errc::busy)) return true;
  return !connection().driver->usable() || !ctx.check();
}

// ---- one statement after another ----------------------------------------------------------------

task<result<sql_session::attempt_end>> sql_session::scripts_in_turn(
    context ctx, script_unit* unit, std::span<script_job* const> jobs) {
  auto begun = co_await begin_here(ctx, unit->options, false);
  if (!begun) co_return std::unexpected(std::move(begun.error()));
  unit->began = true;
  bool any = false;
  for (script_job* one : jobs) {
    auto ran = co_await script_in_turn(ctx, one, jobs.size() > 1);
    if (ran && *ran) {
      any = any || !one->settled();
      continue;
    }
    auto undone = co_await undo_scripts(ctx);
    if (!ran) co_return std::unexpected(std::move(ran.error()));
    if (!undone) co_return std::unexpected(std::move(undone.error()));
    co_return attempt_end::one_failed;
  }
  if (!any) {
    auto undone = co_await undo_scripts(ctx);
    if (!undone) co_return std::unexpected(std::move(undone.error()));
    co_return attempt_end::one_failed;
  }
  auto committed = co_await commit_here(ctx);
  if (committed) {
    succeed_open(jobs);
    co_return attempt_end::committed;
  }
  co_return after_commit(ctx, std::move(committed.error()), jobs);
}

/// What a COMMIT that failed means for the scripts.
result<sql_session::attempt_end> sql_session::after_commit(const context& ctx, error why,
                                                           std::span<script_job* const> jobs) {
  if (why.code() == errc::commit_unknown) {
    script_job::fail_open(jobs, why);
    return attempt_end::one_failed;
  }
  if (concerns_all(ctx, why, jobs.size() == 1)) return std::unexpected(std::move(why));
  if (jobs.size() > 1) return attempt_end::commit_refused;
  script_job::fail_open(jobs, why);
  return attempt_end::one_failed;
}

/// True: it ran, or it failed and the transaction is as it was before. False: it failed, and the
/// transaction with it.
task<result<bool>> sql_session::script_in_turn(context ctx, script_job* job, bool point) {
  job->restart();
  if (point) {
    if (auto set = co_await run_text(ctx, "SAVEPOINT weir_script"); !set) {
      co_return std::unexpected(std::move(set.error()));
    }
  }
  for (std::size_t i = 0; i < job->size(); ++i) {
    auto done = co_await step_in_turn(ctx, job, i);
    if (done) continue;
    error why = script_job::at_step(i, std::move(done.error()));
    if (concerns_all(ctx, why, !point)) co_return std::unexpected(std::move(why));
    job->fail(std::move(why));
    if (!point || !connection().driver->in_transaction()) co_return false;
    if (!co_await run_text(ctx, "ROLLBACK TO SAVEPOINT weir_script")) co_return false;
    break;
  }
  if (point) {
    if (auto gone = co_await run_text(ctx, "RELEASE SAVEPOINT weir_script"); !gone) {
      co_return std::unexpected(std::move(gone.error()));
    }
  }
  co_return true;
}

task<result<void>> sql_session::step_in_turn(context ctx, script_job* job, std::size_t step) {
  sql_connection& c = connection();
  auto st = co_await c.statements.take(ctx, c.driver.get(), job->text(step));
  if (!st) co_return std::unexpected(std::move(st.error()));
  sql::driver_statement& made = *(*st)->made;
  auto done = co_await prepared_step(ctx, job, step, &made);
  c.statements.put_back(*st);
  co_return done;
}

task<result<void>> sql_session::prepared_step(context ctx, script_job* job, std::size_t step,
                                              sql::driver_statement* made) {
  auto values = step_values(job, step, *made);
  if (!values) co_return std::unexpected(std::move(values.error()));
  sql::row_buffer* const rows = job->rows(step, *made);
  if (rows == nullptr) {
    auto done = co_await made->exec(ctx, *values);
    if (!done) co_return std::unexpected(std::move(done.error()));
    job->note(step, *done);
    co_return result<void>{};
  }
  auto begun = co_await made->start(ctx, *values);
  if (!begun) co_return begun;
  for (;;) {
    auto more = co_await made->fetch(ctx, rows, db_->fetch_limits());
    if (!more) co_return std::unexpected(std::move(more.error()));
    if (!*more) break;
  }
  const auto count = static_cast<std::int64_t>(rows->rows());
  job->note(step, {.rows_affected = made->writes() ? count : 0});
  co_return result<void>{};
}

result<std::span<const sql::value>> sql_session::step_values(script_job* job, std::size_t step,
                                                             const sql::driver_statement& made) {
  if (connection().mode == sql::access::read_only && made.writes()) {
    return fail(errc::invalid_argument, "the statement writes, and this script is read-only");
  }
  return job->values(step, made);
}

task<result<void>> sql_session::run_text(context ctx, std::string_view text) {
  sql_connection& c = connection();
  auto st = co_await c.statements.take(ctx, c.driver.get(), text);
  if (!st) co_return std::unexpected(std::move(st.error()));
  auto done = co_await (*st)->made->exec(ctx, {});
  c.statements.put_back(*st);
  if (!done) co_return std::unexpected(std::move(done.error()));
  co_return result<void>{};
}

task<result<void>> sql_session::undo_scripts(context ctx) {
  // Nobody waits for it: the pool rolls back when the connection comes home.
  if (auto alive = ctx.check(); !alive) co_return alive;
  co_return co_await rollback_here(ctx);
}

// ---- all at once --------------------------------------------------------------------------------

/// The statements of a batch, and what they were prepared as. One of them may come several times.
class sql_session::batch {
 public:
  explicit batch(sql_connection& on) noexcept : on_(on) {}
  batch(const batch&) = delete;
  batch& operator=(const batch&) = delete;
  ~batch() {
    for (const auto place : taken_) on_.statements.put_back(place);
  }

  task<result<sql::driver_statement*>> prepare(context ctx, std::string_view text) {
    for (const auto place : taken_) {
      if (place->text == text) co_return place->made.get();
    }
    auto st = co_await on_.statements.take(std::move(ctx), on_.driver.get(), text);
    if (!st) co_return std::unexpected(std::move(st.error()));
    taken_.push_back(*st);
    co_return (*st)->made.get();
  }

  std::vector<sql::batch_step> steps;

 private:
  sql_connection& on_;
  std::vector<statement_cache::place> taken_;
};

task<result<void>> sql_session::add_text(context ctx, batch* to, std::string_view text) {
  auto made = co_await to->prepare(ctx, text);
  if (!made) co_return std::unexpected(std::move(made.error()));
  to->steps.push_back({.made = *made, .values = {}, .rows = nullptr, .done = {}});
  co_return result<void>{};
}

/// False: the script cannot run, and knows why.
task<result<bool>> sql_session::add_script(context ctx, batch* to, script_job* job) {
  job->restart();
  for (std::size_t i = 0; i < job->size(); ++i) {
    auto made = co_await to->prepare(ctx, job->text(i));
    if (!made) {
      error why = script_job::at_step(i, std::move(made.error()));
      if (concerns_all(ctx, why, true)) co_return std::unexpected(std::move(why));
      job->fail(std::move(why));
      co_return false;
    }
    auto values = step_values(job, i, **made);
    if (!values) {
      job->fail(script_job::at_step(i, std::move(values.error())));
      co_return false;
    }
    to->steps.push_back(
        {.made = *made, .values = *values, .rows = job->rows(i, **made), .done = {}});
  }
  co_return true;
}

/// The statement that makes the transaction release its locks early; empty if it cannot.
task<result<std::string_view>> sql_session::early_release(context ctx, script_unit* unit,
                                                          sql::driver_flusher::mark* flusher) {
  auto now = co_await unit->early->ready(ctx);
  if (!now) co_return std::unexpected(std::move(now.error()));
  *flusher = *std::move(now);
  co_return co_await connection().driver->early_release(ctx, flusher->server);
}

task<result<sql_session::attempt_end>> sql_session::scripts_at_once(
    context ctx, script_unit* unit, std::span<script_job* const> jobs) {
  sql_connection& c = connection();
  const auto begin = c.driver->begin_text(unit->options);
  if (!begin) co_return std::unexpected(begin.error());
  std::string_view early;
  sql::driver_flusher::mark flusher;
  if (unit->early != nullptr) {
    auto can = co_await early_release(ctx, unit, &flusher);
    if (!can) {
      co_return std::unexpected(sql::with_outcome(std::move(can.error()), sql::outcome::not_sent));
    }
    early = *can;
  }
  batch all{c};
  for (const std::string_view text : {std::string_view{*begin}, early}) {
    if (text.empty()) continue;
    if (auto added = co_await add_text(ctx, &all, text); !added) {
      co_return std::unexpected(std::move(added.error()));
    }
  }
  const std::size_t first = all.steps.size();
  for (script_job* one : jobs) {
    auto added = co_await add_script(ctx, &all, one);
    if (!added) co_return std::unexpected(std::move(added.error()));
    if (!*added) co_return attempt_end::one_failed;
  }
  if (auto added = co_await add_text(ctx, &all, "COMMIT"); !added) {
    co_return std::unexpected(std::move(added.error()));
  }
  auto ended = co_await c.driver->run_batch(ctx, all.steps);
  unit->began = ended.ran > 0;
  if (!ended.failed) {
    // Of several COMMITs the oldest: that connection has seen all of them.
    if (!early.empty() && unit->unflushed == 0) unit->unflushed = flusher.connection;
    std::size_t at = first;
    for (script_job* one : jobs) {
      for (std::size_t i = 0; i < one->size(); ++i, ++at) one->note(i, all.steps[at].done);
    }
    succeed_open(jobs);
    co_return attempt_end::committed;
  }
  if (c.driver->usable() && c.driver->in_transaction() && ctx.check()) {
    if (const auto undone = co_await c.driver->rollback(ctx); !undone) c.broken = true;
  }
  co_return after_batch(ctx, ended.ran, first, *std::move(ended.failed), jobs);
}

/// What the failure of the batch's statement `at` means for the scripts, which begin with `first`.
result<sql_session::attempt_end> sql_session::after_batch(const context& ctx, std::size_t at,
                                                          std::size_t first, error why,
                                                          std::span<script_job* const> jobs) {
  if (sql::outcome_of(why) == sql::outcome::unknown) {
    // COMMIT was sent along with the rest.
    connection().broken = true;
    script_job::fail_open(jobs, lost_commit(std::move(why)));
    return attempt_end::one_failed;
  }
  if (at < first) return std::unexpected(std::move(why));
  std::size_t step = at - first;
  for (script_job* one : jobs) {
    if (step < one->size()) {
      why = script_job::at_step(step, std::move(why));
      if (concerns_all(ctx, why, jobs.size() == 1)) return std::unexpected(std::move(why));
      one->fail(std::move(why));
      return attempt_end::one_failed;
    }
    step -= one->size();
  }
  return after_commit(ctx, std::move(why), jobs);
}

}  // namespace weir::core
