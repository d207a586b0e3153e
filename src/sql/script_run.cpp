// How scripts reach a connection: alone, or in the groups of the one task that commits them.

#include <vector>

#include <weir/stopper/stopper.hpp>

#include "sql/database.hpp"

namespace weir::core {
namespace {

using session_ptr = std::shared_ptr<sql_session>;

/// One of those that a wait group waits for; null: none.
class wait_group_count {
 public:
  explicit wait_group_count(wait_group* of) : of_(of) {
    if (of_ != nullptr) of_->add();
  }
  wait_group_count(const wait_group_count&) = delete;
  wait_group_count& operator=(const wait_group_count&) = delete;
  ~wait_group_count() {
    if (of_ != nullptr) of_->done();
  }

 private:
  wait_group* const of_;
};

/// Of an idempotent script whose answer was lost.
constexpr int most_repeats = 2;

struct lane_tail {
  static void ended(task_record&) noexcept {}
  static void unhandled(task_record&, const std::exception_ptr&) noexcept {
    misuse("the task that commits groups of scripts threw");
  }
};

script_unit unit_of(const group_run& run) {
  script_unit unit;
  unit.jobs.reserve(run.jobs.size());
  for (const auto& job : run.jobs) unit.jobs.push_back(&job->script);
  if (!run.jobs.empty()) unit.options = run.jobs.front()->options.tx;
  return unit;
}

}  // namespace

task<result<sql::script_result>> sql_db::run(context ctx, sql::script what,
                                             sql::run_options options, std::source_location site) {
  if (what.empty()) co_return sql::script_result{};
  const bool grouped = options.commit == sql::commit_mode::grouped;
  if (grouped && options.tx.access == sql::access::read_only) {
    co_return fail(errc::invalid_argument,
                   "a script that only reads has nothing to commit in a group: run it alone");
  }
  if (inside_of_own(options.tx.access)) {
    co_return fail(errc::would_deadlock,
                   "this task waits for the connection that its own transaction holds: use the "
                   "transaction's functions, or the database after it has ended");
  }
  const auto job = std::make_shared<group_job>(std::move(what), options);
  for (int repeats = 0;; ++repeats) {
    result<sql::script_result> out;
    if (grouped) {
      group_operation asked{groups_, job, ctx};
      out = co_await asked;
    } else {
      out = co_await run_one(ctx, &job->script, options, site);
    }
    const bool again = !out && out.error().code() == errc::commit_unknown &&
                       options.on_unknown == sql::unknown_commit::repeat &&
                       repeats < most_repeats && ctx.check();
    if (!again) co_return out;
    job->script.reopen();  // the lane has let go of it
    job->where = group_job::place::fresh;
  }
}

task<result<sql::script_result>> sql_db::run_one(context ctx, script_job* job,
                                                 sql::run_options options,
                                                 std::source_location site) {
  script_unit unit;
  unit.options = options.tx;
  unit.jobs = {job};
  unit.early = flusher_for(options);
  const wait_group_count stay{unit.early != nullptr ? &early_ : nullptr};
  auto ran = co_await run_alone(ctx, &unit, site);
  if (!ran) script_job::fail_open(unit.jobs, ran.error());
  co_await make_durable(ctx, &unit);
  co_return job->take();
}

/// Those that have released their locks are told to have succeeded only after this.
task<void> sql_db::make_durable(context ctx, script_unit* unit) {
  if (unit->unflushed == 0) co_return;
  auto flushed = co_await unit->early->flush(ctx, unit->unflushed);
  if (flushed) co_return;
  const auto why = error{errc::commit_unknown,
                         "it was committed, but whether that reached the disk is not known: look "
                         "before running the script again"}
                       .caused_by(std::move(flushed.error()));
  for (script_job* one : unit->jobs) {
    if (one->succeeded()) one->fail(why);
  }
}

task<result<void>> sql_db::run_alone(context ctx, script_unit* unit, std::source_location site) {
  const auto body = [ctx, unit](const session_ptr& s) { return s->run_scripts(ctx, unit); };
  const auto once = [&](bool* began) -> task<result<void>> {
    auto done = co_await on_connection<void>(ctx, unit->options.access, site, body);
    *began = unit->began;
    co_return done;
  };
  co_return co_await repeat_transaction(ctx, unit->options, once);
}

// ---- groups -------------------------------------------------------------------------------------

void sql_db::start_groups(void* self) noexcept {
  auto db = static_cast<sql_db*>(self)->shared_from_this();
  permit stay;
  if (db->stopper_ != nullptr) {
    // Refused during a stop: then the closer waits.
    if (auto entered = db->stopper_->try_enter("sql.group")) stay = *std::move(entered);
  }
  executor* const home = db->kind_->home(sql::access::read_write);
  executor& where = home != nullptr ? *home : db->where_;
  auto serve = [db = std::move(db), stay = std::move(stay)]() mutable {
    sql_db& on = *db;
    return on.serve_groups(std::move(db), std::move(stay));
  };
  start(where, {.name = "sql.group"}, context{}, std::move(serve), lane_tail{}).detach();
}

/// The lane's task. The parameters keep the database, and the stopper from ending, as long as it.
task<void> sql_db::serve_groups(std::shared_ptr<sql_db>, permit) {
  do {
    const auto run = std::make_shared<group_run>(where_.time());
    script_unit unit;
    result<void> done;
    try {
      done = co_await run_group(run, &unit);
    } catch (...) {
      done = std::unexpected(
          error{errc::commit_unknown, "the driver threw while it ran the script's group"});
    }
    if (!done) {
      if (run->jobs.empty()) {
        // There is no connection to be had: whoever waits now is told why.
        groups_.take(run);
        unit = unit_of(*run);
      }
      script_job::fail_open(unit.jobs, done.error());
    }
    if (unit.unflushed != 0) {
      finish_when_durable(run, std::move(unit));
    } else {
      groups_.finish(*run);
    }
    // Those who have just got their answers come first: what they ask next shares the next COMMIT.
    co_await yield();
  } while (groups_.more());
  co_await hop_if_elsewhere{&where_};
  groups_.at_end();
}

/// Beside the next group, which need not wait for the disk.
void sql_db::finish_when_durable(std::shared_ptr<group_run> run, script_unit unit) {
  groups_.begin_task();
  auto last = [db = shared_from_this(), run = std::move(run), unit = std::move(unit)]() mutable {
    return db->flush_and_finish(db, std::move(run), std::move(unit));
  };
  start(where_, {.name = "sql.group flush"}, context{}, std::move(last), lane_tail{}).detach();
}

/// The first parameter keeps the database.
task<void> sql_db::flush_and_finish(std::shared_ptr<sql_db>, std::shared_ptr<group_run> run,
                                    script_unit unit) {
  co_await make_durable(run->source.get(), &unit);
  groups_.finish(*run);
  groups_.at_end();
}

task<result<void>> sql_db::run_group(std::shared_ptr<group_run> run, script_unit* unit) {
  const context ctx = run->source.get();
  // Taken when there is a connection: who leaves before that was not sent.
  const auto body = [&](const session_ptr& s) -> task<result<void>> {
    if (run->jobs.empty()) {
      groups_.take(run);
      *unit = unit_of(*run);
      if (!run->jobs.empty()) unit->early = flusher_for(run->jobs.front()->options);
    }
    co_return co_await s->run_scripts(ctx, unit);
  };
  const auto once = [&](bool* began) -> task<result<void>> {
    auto done = co_await on_connection<void>(ctx, sql::access::read_write,
                                             std::source_location::current(), body);
    *began = unit->began;
    co_return done;
  };
  co_return co_await repeat_transaction(ctx, unit->options, once);
}

void sql_db::end_groups_with(stopper& owner) {
  stopper_ = &owner;
  groups_closer_ =
      owner.defer("sql.group", [held = weak_from_this()](const context& ctx) -> result<void> {
        const auto db = held.lock();
        if (db == nullptr) return {};
        db->groups_.close();
        return weir::wait(db->groups_.ended(ctx));
      });
}

}  // namespace weir::core
