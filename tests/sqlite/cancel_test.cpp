#include "sqlite/fixture.hpp"

namespace weir {
namespace {

/// Statements can cancel their own context, at the very moment the test wants: `cancel_now()` is an
/// SQL function.
class sqlite_cancellation : public sqlite_file {
 protected:
  sql::conn connect(sql::access mode) {
    auto c = weir::wait(db().connect({}, mode)).value();
    const auto added = weir::wait(c.with_native([this](void* handle) {
      sqlite3_create_function(
          static_cast<sqlite3*>(handle), "cancel_now", 0, SQLITE_UTF8, this,
          [](sqlite3_context* call, int, sqlite3_value**) {
            static_cast<sqlite_cancellation*>(sqlite3_user_data(call))->source->cancel();
            sqlite3_result_int(call, 1);
          },
          nullptr, nullptr);
    }));
    EXPECT_TRUE(added);
    return c;
  }

  std::optional<context_source> source{std::in_place};
};

constexpr const char* endless =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
    "SELECT count(*) FROM n WHERE CASE WHEN i = 100 THEN cancel_now() ELSE 0 END";

TEST_F(sqlite_cancellation, ends_a_statement_that_would_run_for_ever) {
  auto c = connect(sql::access::read_only);
  const auto got =
      weir::wait(c.query_row<int>(source->get(), sql::statement_text{std::string{endless}}));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::cancelled);
  EXPECT_EQ(sql::outcome_of(got.error()), sql::outcome::refused);
  EXPECT_EQ(weir::wait(c.query_row<int>({}, "SELECT 5")).value(), 5);
}

TEST_F(sqlite_cancellation, by_a_deadline_needs_nobody_else) {
  auto c = connect(sql::access::read_only);
  context_source hurry{{}, {.timeout = 5ms}};
  const auto got = weir::wait(c.query_row<int>(
      hurry.get(),
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"));
  EXPECT_EQ(got.error().code(), errc::deadline_exceeded);
}

TEST_F(sqlite_cancellation, that_comes_late_never_reaches_the_next_statement) {
  auto c = connect(sql::access::read_write);
  for (int i = 0; i < 200; ++i) {
    source.emplace();
    // Cancelled by its own last instruction: it may end either way.
    static_cast<void>(weir::wait(c.query_row<int>(source->get(), "SELECT cancel_now()")));
    EXPECT_EQ(weir::wait(c.query_row<int>({}, "SELECT ?", i)).value(), i);
  }
}

TEST_F(sqlite_cancellation, of_one_statement_leaves_rows_of_another_alone) {
  open("sqlite:" + path(), {.fetch_rows = 1});
  auto c = connect(sql::access::read_only);
  auto rows = weir::wait(c.query({}, "VALUES (1), (2), (3)")).value();
  EXPECT_TRUE(weir::wait(rows.next()));
  const auto got =
      weir::wait(c.query_row<int>(source->get(), sql::statement_text{std::string{endless}}));
  EXPECT_EQ(got.error().code(), errc::cancelled);
  EXPECT_TRUE(weir::wait(rows.next()));
  EXPECT_EQ(rows.get<int>(0).value(), 2);
  EXPECT_TRUE(weir::wait(rows.next()));
  EXPECT_FALSE(weir::wait(rows.next()));
  EXPECT_TRUE(rows.finish());
}

TEST_F(sqlite_cancellation, of_a_write_undoes_its_whole_transaction) {
  auto c = connect(sql::access::read_write);
  ASSERT_TRUE(weir::wait(c.exec({}, "CREATE TABLE t(a INTEGER)")));
  auto t = weir::wait(c.begin({})).value();
  EXPECT_TRUE(weir::wait(t.exec("INSERT INTO t VALUES (1)")));
  const auto put = weir::wait(
      t.exec(source->get(),
             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
             "INSERT INTO t SELECT i FROM n WHERE CASE WHEN i = 100 THEN cancel_now() ELSE 1 END"));
  EXPECT_EQ(put.error().code(), errc::cancelled);
  // Whatever SQLite did to the transaction, nothing runs outside of it and nothing is left.
  static_cast<void>(weir::wait(t.exec("INSERT INTO t VALUES (2)")));
  static_cast<void>(weir::wait(t.rollback()));
  EXPECT_EQ(weir::wait(c.query_row<int>({}, "SELECT count(*) FROM t")).value(), 0);
}

TEST_F(sqlite_cancellation, ends_a_wait_for_a_lock_which_sqlite3_interrupt_would_not) {
  open("sqlite:" + path(), {.lock_timeout = 10min});
  exec("CREATE TABLE t(a)");
  outsider other{path()};
  other.run("BEGIN IMMEDIATE");
  sql::script s;
  s.add("INSERT INTO t VALUES (1)");
  const auto put = [&](context ctx) -> task<result<void>> {
    auto done = co_await db().exec(ctx, "INSERT INTO t VALUES (1)");
    if (!done) co_return std::unexpected(done.error());
    co_return result<void>{};
  };
  const auto begin = [&](context ctx) -> task<result<void>> {
    auto t = co_await db().begin(ctx);
    if (!t) co_return std::unexpected(t.error());
    co_return result<void>{};
  };
  const auto script = [&](context ctx) -> task<result<void>> {
    auto done = co_await db().run(ctx, s);
    if (!done) co_return std::unexpected(done.error());
    co_return result<void>{};
  };
  const auto ends = [](const auto& wait_for_lock) {
    context_source hurry{{}, {.timeout = 20ms}};
    const auto done = weir::wait(wait_for_lock(hurry.get()));
    ASSERT_FALSE(done);
    // Told is the lock, when there is no time left for another attempt.
    EXPECT_TRUE(done.error().code() == errc::busy ||
                done.error().code() == errc::deadline_exceeded);
    EXPECT_NE(sql::outcome_of(done.error()), sql::outcome::unknown);
  };
  ends(put);
  ends(begin);
  ends(script);
  // A group, too, lets go of its only caller, and of the connection after that.
  const sql::run_options grouped{.commit = sql::commit_mode::grouped};
  context_source short_of_time{{}, {.timeout = 20ms}};
  EXPECT_FALSE(weir::wait(db().run(short_of_time.get(), s, grouped)));
  other.run("COMMIT");
  EXPECT_TRUE(weir::wait(db().run({}, s, grouped)));
  EXPECT_EQ(row<int>("SELECT count(*) FROM t").value(), 1);
}

}  // namespace
}  // namespace weir
