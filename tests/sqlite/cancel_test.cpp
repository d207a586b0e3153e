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

}  // namespace
}  // namespace weir
