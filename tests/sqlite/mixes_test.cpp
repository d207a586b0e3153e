#include <thread>
#include <vector>

#include "sqlite/fixture.hpp"

namespace weir {
namespace {

/// Nine ways to use a database, each in a task of its own, 500 times, all at once.
class sqlite_mixes : public sqlite_file {
 protected:
  using one_use = task<bool> (*)(sql::db&, sql::stmt&, context, int);

  task<int> repeat(one_use use, sql::stmt& stmt, context ctx) {
    int good = 0;
    for (int i = 0; i < 500; ++i) good += co_await use(db(), stmt, ctx, i) ? 1 : 0;
    co_return good;
  }
};

task<bool> update(sql::db& db, sql::stmt&, context ctx, int i) {
  co_return (co_await db.exec(ctx, "UPDATE t SET v = v + 1 WHERE id = ?", i % 10)).has_value();
}
task<bool> query(sql::db& db, sql::stmt&, context ctx, int) {
  co_return (co_await db.query_all<int>(ctx, "SELECT id FROM t")).value().size() == 10;
}
task<bool> query_row(sql::db& db, sql::stmt&, context ctx, int i) {
  co_return (co_await db.query_row<int>(ctx, "SELECT id FROM t WHERE id = ?", i % 10)) == i % 10;
}
task<bool> rows_left_early(sql::db& db, sql::stmt&, context ctx, int) {
  auto rows = co_await db.query(ctx, "SELECT a.id FROM t a, t b, t c");
  if (!rows) co_return false;
  co_return co_await rows->next();
}
task<bool> statement(sql::db&, sql::stmt& stmt, context ctx, int i) {
  auto rows = co_await stmt.query(ctx, i % 10);
  if (!rows) co_return false;
  // Apart: g++ 12 evaluates what follows an awaited operand of && whatever that gave.
  if (!co_await rows->next()) co_return false;
  co_return rows->get<int>(0) == i % 10;
}
task<bool> pinned(sql::db& db, sql::stmt&, context ctx, int) {
  auto c = co_await db.connect(ctx, sql::access::read_only);
  if (!c) co_return false;
  co_return (co_await c->query_row<int>(ctx, "SELECT 1")) == 1;
}
task<bool> transaction(sql::db& db, sql::stmt&, context ctx, int i) {
  auto body = [i](sql::tx& t) -> task<result<void>> {
    for (const int change : {1, -1}) {
      auto done = co_await t.exec("UPDATE t SET v = v + ? WHERE id = ?", change, i % 10);
      if (!done) co_return std::unexpected(done.error());
    }
    co_return result<void>{};
  };
  co_return (co_await db.with_tx(ctx, body)).has_value();
}
task<bool> rolled_back(sql::db& db, sql::stmt&, context ctx, int) {
  auto t = co_await db.begin(ctx);
  if (!t) co_return false;
  if (!co_await t->exec("UPDATE t SET v = 1000000")) co_return false;
  co_return (co_await t->rollback()).has_value();
}
task<bool> dropped_or_cancelled(sql::db& db, sql::stmt&, context ctx, int i) {
  context_source mine{ctx};
  auto t = co_await db.begin(mine.get());
  if (!t) co_return false;
  if (!co_await t->exec("UPDATE t SET v = 1000000")) co_return false;
  if (i % 2 == 0) mine.cancel();
  co_return true;
}

TEST_F(sqlite_mixes, of_nine_kinds_of_use_disturb_each_other_never) {
  open("sqlite:" + path(), {.max_open = 4});
  sqlite_file::exec("CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER)");
  for (int i = 0; i < 10; ++i) sqlite_file::exec("INSERT INTO t VALUES (?, 0)", i);
  auto stmt = weir::wait(db().prepare({}, "SELECT id FROM t WHERE id = ?")).value();
  std::vector<task_handle<int>> tasks;
  for (one_use use : {update, query, query_row, rows_left_early, statement, pinned, transaction,
                      rolled_back, dropped_or_cancelled}) {
    tasks.push_back(
        stop_.spawn("mix", [&, use](context ctx) { return repeat(use, stmt, ctx); }).value());
  }
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    EXPECT_EQ(weir::wait(tasks[i].join({})).value(), 500) << "kind " << i;
  }
  EXPECT_EQ(row<int>("SELECT sum(v) FROM t").value(), 500);
  EXPECT_TRUE(weir::wait(db().close({})));
  const auto stats = db().stats();
  for (const pool_stats& s : {stats.writers, *stats.readers}) {
    EXPECT_EQ(s.open, 0U);
    EXPECT_EQ(s.closed_bad, 0U);
    EXPECT_EQ(s.opened, s.closed_shutdown);
  }
}

using sqlite_threads = sqlite_file;

TEST_F(sqlite_threads, ten_of_them_share_one_statement) {
  auto stmt = weir::wait(db().prepare({}, "SELECT ? + 1")).value();
  core::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 10; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        auto rows = weir::wait(stmt.query({}, t));
        if (rows && weir::wait(rows->next()) && rows->get<int>(0) == t + 1) good.fetch_add(1);
      }
    });
  }
  for (auto& one : threads) one.join();
  EXPECT_EQ(good.load(), 200);
}

}  // namespace
}  // namespace weir
