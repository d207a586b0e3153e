#pragma once

// Number 55 of the acceptance tests, on a real database: include it after sql/conformance.hpp.

#include <vector>

#include "sql/conformance.hpp"

namespace weir {

using one_use = task<bool> (*)(sql::db&, sql::stmt&, context, int);

// What each waits for stands in a statement of its own, for g++ 12.

inline task<bool> update_one(sql::db& db, sql::stmt&, context ctx, int i) {
  const auto done = co_await db.exec(ctx, "UPDATE t SET v = v + 1 WHERE id = $1", i % 10);
  co_return done.has_value();
}
inline task<bool> read_all(sql::db& db, sql::stmt&, context ctx, int) {
  const auto all = co_await db.query_all<int>(ctx, "SELECT id FROM t");
  co_return all && all->size() == 10;
}
inline task<bool> read_one(sql::db& db, sql::stmt&, context ctx, int i) {
  const auto one = co_await db.query_row<int>(ctx, "SELECT id FROM t WHERE id = $1", i % 10);
  co_return one == i % 10;
}
inline task<bool> leave_rows_early(sql::db& db, sql::stmt&, context ctx, int i) {
  // To leave a thousand rows costs PostgreSQL a cancellation, 25 ms: each tenth time.
  sql::statement_text text{"SELECT a.id FROM t a, t b"};
  if (i % 10 == 0) text = "SELECT a.id FROM t a, t b, t c";
  auto rows = co_await db.query(ctx, std::move(text));
  if (!rows) co_return false;
  co_return co_await rows->next();
}
inline task<bool> read_by_statement(sql::db&, sql::stmt& stmt, context ctx, int i) {
  auto rows = co_await stmt.query(ctx, i % 10);
  if (!rows) co_return false;
  const bool found = co_await rows->next();
  co_return found && rows->get<int>(0) == i % 10;
}
inline task<bool> pin_one(sql::db& db, sql::stmt&, context ctx, int) {
  auto c = co_await db.connect(ctx, sql::access::read_only);
  if (!c) co_return false;
  const auto one = co_await c->query_row<int>(ctx, "SELECT 1");
  co_return one == 1;
}
inline task<result<void>> change_twice(sql::tx& t, int id) {
  for (const int change : {1, -1}) {
    const auto done = co_await t.exec("UPDATE t SET v = v + $1 WHERE id = $2", change, id);
    if (!done) co_return std::unexpected(done.error());
  }
  co_return result<void>{};
}
inline task<bool> commit_one(sql::db& db, sql::stmt&, context ctx, int i) {
  const auto body = [i](sql::tx& t) { return change_twice(t, i % 10); };
  const auto done = co_await db.with_tx(ctx, body);
  co_return done.has_value();
}
inline task<bool> roll_back_one(sql::db& db, sql::stmt&, context ctx, int i) {
  auto t = co_await db.begin(ctx);
  if (!t) co_return false;
  const auto done = co_await t->exec("UPDATE t SET v = 1000000 WHERE id = $1", i % 10);
  if (!done) co_return false;
  const auto undone = co_await t->rollback();
  co_return undone.has_value();
}
inline task<bool> drop_or_cancel_one(sql::db& db, sql::stmt&, context ctx, int i) {
  context_source mine{ctx};
  auto t = co_await db.begin(mine.get());
  if (!t) co_return false;
  const auto done = co_await t->exec("UPDATE t SET v = 1000000 WHERE id = $1", i % 10);
  if (!done) co_return false;
  if (i % 2 == 0) mine.cancel();
  co_return true;
}

inline task<int> use_often(one_use use, sql::db* db, sql::stmt* stmt, context ctx) {
  int good = 0;
  for (int i = 0; i < 500; ++i) {
    const bool done = co_await use(*db, *stmt, ctx, i);
    good += done ? 1 : 0;
  }
  co_return good;
}

TEST_F(conformance, 55_nine_kinds_of_use_disturb_each_other_never) {
  auto& db = with_table({.max_open = 4});
  auto stmt = weir::wait(db.prepare({}, "SELECT id FROM t WHERE id = $1")).value();
  std::vector<task_handle<int>> tasks;
  for (const one_use use : {update_one, read_all, read_one, leave_rows_early, read_by_statement,
                            pin_one, commit_one, roll_back_one, drop_or_cancel_one}) {
    const auto often = [&, use](context ctx) { return use_often(use, &db, &stmt, ctx); };
    tasks.push_back(this->stop_.spawn("mix", often).value());
  }
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    EXPECT_EQ(weir::wait(tasks[i].join({})).value(), 500) << "kind " << i;
  }
  EXPECT_EQ(number("SELECT sum(v) FROM t"), 500);
  EXPECT_TRUE(weir::wait(db.close({})));
  const auto stats = db.stats();
  for (const pool_stats& s : {stats.writers, stats.readers.value_or(pool_stats{})}) {
    EXPECT_EQ(s.open, 0U);
    EXPECT_EQ(s.opened, s.closed_shutdown + s.closed_bad);
    // Where a cancellation is a message of its own, one that was not confirmed costs a connection.
    if (!conforming_database::cancels_by_message) EXPECT_EQ(s.closed_bad, 0U);
  }
}

}  // namespace weir
