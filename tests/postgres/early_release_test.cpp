#include <string>
#include <vector>

#include "postgres/fixture.hpp"

namespace weir {
namespace {

constexpr sql::run_options early{.release = sql::lock_release::early};

/// Whatever the pool's own connections do, flushes show in the log of the server's statements.
constexpr const char* its_flushers =
    "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_logical_emit_message%'"
    " AND pid <> pg_backend_pid() AND application_name = 'early'";

class early_release_at : public postgres_server {
 protected:
  void SetUp() override {
    open(socket_url() + "&application_name=early", {.max_open = 4});
    EXPECT_TRUE(weir::wait(db().exec({}, "DROP TABLE IF EXISTS released")));
    EXPECT_TRUE(weir::wait(db().exec({}, "CREATE TABLE released (id int PRIMARY KEY, v int)")));
  }
  static sql::script put(int id) {
    sql::script s;
    s.add("INSERT INTO released VALUES ($1, $1)", id);
    return s;
  }
  result<sql::script_result> run(sql::script s, sql::run_options how = early) {
    return weir::wait(db().run({}, std::move(s), how));
  }
};

TEST_F(early_release_at, a_server_answers_when_the_log_is_written) {
  for (int i = 0; i < 5; ++i) {
    auto s = put(i);
    const auto at = s.add("SELECT pg_current_wal_insert_lsn()::text");
    const auto how = s.add("SELECT current_setting('synchronous_commit')");
    const auto done = run(std::move(s));
    ASSERT_TRUE(done) << done.error().to_string();
    EXPECT_EQ(done->row<std::string>(how), "off");
    EXPECT_EQ(row<bool>("SELECT pg_current_wal_flush_lsn() > '" +
                        done->row<std::string>(at).value() + "'::pg_lsn"),
              true);
  }
  EXPECT_EQ(row<std::int64_t>("SELECT count(*) FROM released"), 5);
  EXPECT_EQ(row<std::int64_t>(its_flushers), 1);
}

TEST_F(early_release_at, a_server_is_for_its_own_script_only) {
  EXPECT_TRUE(run(put(1)));
  sql::script s;
  s.add("SELECT current_setting('synchronous_commit')");
  for (int i = 0; i < 4; ++i) EXPECT_EQ(run(s, {})->row<std::string>(0), "on");
}

TEST_F(early_release_at, a_server_serves_many_callers_with_one_flush) {
  std::vector<task_handle<int>> all;
  for (int i = 0; i < 32; ++i) {
    auto puts = [this, i]() -> task<int> {
      int right = 0;
      for (int n = 0; n < 20; ++n) {
        auto done = co_await db().run({}, put(100 * i + n), early);
        if (done) ++right;
      }
      co_return right;
    };
    all.push_back(*stop_.spawn("putter", puts));
  }
  for (auto& one : all) EXPECT_EQ(weir::wait(one.join({})).value(), 20);
  EXPECT_EQ(row<std::int64_t>("SELECT count(*) FROM released"), 640);
  EXPECT_EQ(row<std::int64_t>(its_flushers), 1);
}

/// Whether the server has lost something with it cannot be seen.
TEST_F(early_release_at, a_server_that_lost_the_flusher_meanwhile_is_unknown) {
  EXPECT_TRUE(run(put(1)));
  auto s = put(2);
  s.add(
      "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE"
      " query LIKE '%pg_logical_emit_message%' AND pid <> pg_backend_pid()"
      " AND application_name = 'early'");
  const auto done = run(std::move(s));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::commit_unknown) << done.error().to_string();
  EXPECT_TRUE(run(put(3)));
  EXPECT_EQ(row<std::int64_t>("SELECT count(*) FROM released"), 3);
}

TEST_F(early_release_at, a_server_gives_a_failed_script_its_error) {
  EXPECT_TRUE(run(put(1)));
  auto s = put(2);
  s.add("INSERT INTO released VALUES ($1, $1)", 1);
  const auto done = run(std::move(s));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::constraint);
  EXPECT_EQ(done.error().number("step"), 1);
  EXPECT_EQ(row<std::int64_t>("SELECT count(*) FROM released"), 1);
}

TEST_F(early_release_at, a_server_that_forbids_it_is_as_always) {
  std::string admin = socket_url();
  admin.replace(admin.find("weir@"), 4, "postgres");
  auto by = postgres::open(stop_, admin, {.max_open = 1});
  ASSERT_TRUE(by);
  constexpr const char* what = "EXECUTE ON FUNCTION pg_logical_emit_message(boolean, text, text)";
  EXPECT_TRUE(weir::wait(by->exec({}, std::string{"REVOKE "} + what + " FROM PUBLIC")));
  auto s = put(1);
  s.add("SELECT current_setting('synchronous_commit')");
  const auto done = run(std::move(s));
  EXPECT_TRUE(weir::wait(by->exec({}, std::string{"GRANT "} + what + " TO PUBLIC")));
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(done->row<std::string>(1), "on");
}

TEST_F(early_release_at, a_server_ends_with_its_database) {
  EXPECT_TRUE(run(put(1)));
  EXPECT_TRUE(weir::wait(db().close({})));
  const auto done = run(put(2));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::closed) << done.error().to_string();
}

}  // namespace
}  // namespace weir
