// Sessions and transactions on one connection of the fake driver: whoever ends them gives the
// connection back, once.

#include <memory>
#include <utility>

#include <weir/context/context.hpp>
#include <weir/context/wait.hpp>
#include <weir/runtime/inline_executor.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/sql/db.hpp>
#include <weir/sync/event.hpp>

#include "explorer/model.hpp"
#include "sql/fake_driver.hpp"

namespace {

using namespace weir;

/// One connection. The pool's own tasks run at once on whoever starts them.
struct database {
  explicit database(std::shared_ptr<fake::server> to = std::make_shared<fake::server>())
      : server(std::move(to)) {}

  manual_clock time;
  inline_executor here{time};
  std::shared_ptr<fake::server> server;
  sql::db db{here, std::make_shared<fake::driver>(server), {.max_open = 1}};

  /// A statement that is on its way for a moment.
  void make_statements_wait() {
    server->hook = [this](context, fake::call what, fake::connection*) -> task<result<void>> {
      if (what == fake::call::exec) {
        model::check(inside.fetch_add(1) == 0, "two callers use one connection");
        inside.fetch_sub(1);
      }
      co_return result<void>{};
    };
  }
  void close() {
    const context never;
    model::check(wait(db.close(never)).has_value(), "the connection came home");
    model::check(server->open() == 0, "it is closed");
    model::check(server->dirty_sessions() == 0, "nobody got a session that another left open");
  }

  core::atomic<int> inside{0};
};

/// Holds its transaction until somebody else has had the connection.
task<bool> holds(sql::db* db, context ctx, event* other_was_served) {
  auto t = co_await db->begin(ctx);
  if (!t) co_return false;
  const auto put = co_await t->exec(ctx, "txput ? ?", 1, 2);
  const context never;
  if (ctx.state() != nullptr) static_cast<void>(co_await other_was_served->wait(never));
  const auto committed = co_await t->commit();
  co_return put.has_value() && committed.has_value();
}

task<bool> puts(sql::db* db, context ctx) {
  const auto put = co_await db->exec(ctx, "put ? ?", 3, 4);
  co_return put.has_value();
}

WEIR_MODEL(a_cancelled_transaction_gives_its_connection_back) {
  database on;
  on.make_statements_wait();
  context_source source{on.time};
  event served;
  bool committed = true;
  model::threads([&] { committed = wait(holds(&on.db, source.get(), &served)); },
                 [&] {
                   const context never;
                   model::check(wait(puts(&on.db, never)), "the other one is served");
                   served.set();
                 },
                 [&] { source.cancel(); });
  on.close();
  model::sometimes(committed, "it was over before the cancel");
  model::sometimes(!committed, "the cancel ended it");
}

WEIR_MODEL(two_transactions_take_turns_on_one_connection) {
  database on;
  on.make_statements_wait();
  const context never;
  const auto use = [&] {
    const auto body = [&never](sql::tx& t) -> task<result<void>> {
      const auto put = co_await t.exec(never, "txput ? ?", 1, 2);
      co_return put ? result<void>{} : std::unexpected(put.error());
    };
    model::check(wait(on.db.with_tx(never, body)).has_value(), "it was committed");
  };
  model::threads(use, use);
  model::check(on.server->count(fake::call::commit) == 2, "both were committed");
  on.close();
}

/// A script that releases its locks early, while the database is closed.
void early_release_beside_a_close(sql::commit_mode commit) {
  auto server = std::make_shared<fake::server>();
  server->batches = true;
  server->flushes = true;
  database on{server};
  const context never;
  result<sql::script_result> done;
  model::threads(
      [&] {
        sql::script s;
        s.add("txput ? ?", 1, 2);
        const sql::run_options how{.commit = commit, .release = sql::lock_release::early};
        done = wait(on.db.run(never, std::move(s), how));
      },
      [&] { on.close(); });
  const bool committed = server->table_size() == 1;
  model::check(done.has_value() == committed, "it is told what happened");
  model::check(!committed || server->unflushed() == 0, "and not before it is on the disk");
  model::check(committed || done.error().code() == errc::closed, "nothing is unknown");
  model::sometimes(committed, "it was first");
  model::sometimes(!committed, "the close was first");
}

WEIR_MODEL(a_close_waits_for_who_released_its_locks_early) {
  early_release_beside_a_close(sql::commit_mode::alone);
}

WEIR_MODEL(a_close_waits_for_a_group_that_released_its_locks_early) {
  early_release_beside_a_close(sql::commit_mode::grouped);
}

}  // namespace
