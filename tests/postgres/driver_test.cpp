#include <limits>
#include <string>
#include <vector>

#include "postgres/fixture.hpp"

namespace weir {
namespace {

using driver = postgres_server;

TEST_F(driver, values_come_back_as_they_went) {
  EXPECT_EQ(
      (row<std::int64_t>("SELECT $1::int8", std::numeric_limits<std::int64_t>::min()).value()),
      std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(row<int>("SELECT $1::int4", -7).value(), -7);
  EXPECT_EQ(row<int>("SELECT $1::int2", 300).value(), 300);
  EXPECT_EQ(row<double>("SELECT $1::float8", 0.1).value(), 0.1);
  EXPECT_EQ(row<double>("SELECT $1::float4", 0.5).value(), 0.5);
  EXPECT_EQ(row<bool>("SELECT $1::bool", true).value(), true);
  EXPECT_EQ(row<std::string>("SELECT $1::text", "grüße").value(), "grüße");
  EXPECT_EQ(row<std::string>("SELECT $1::varchar", "").value(), "");
  const sql::bytes raw{std::byte{0}, std::byte{255}, std::byte{'\''}};
  EXPECT_EQ(row<sql::bytes>("SELECT $1::bytea", raw).value(), raw);
  EXPECT_EQ(row<sql::bytes>("SELECT $1::bytea", sql::bytes{}).value(), sql::bytes{});
  const sql::wall_time when{std::chrono::microseconds{1'700'000'000'123'456}};
  EXPECT_EQ(row<sql::wall_time>("SELECT $1::timestamptz", when).value(), when);
  EXPECT_EQ(row<sql::wall_time>("SELECT $1::timestamp", when).value(), when);
  EXPECT_EQ(row<std::optional<int>>("SELECT $1::int4", sql::null).value(), std::nullopt);
}

TEST_F(driver, types_without_a_fixed_form_are_read_as_text_and_so_are_their_neighbours) {
  const auto got = row<std::string, std::int64_t, double, bool, sql::bytes, sql::wall_time>(
      "SELECT 12.50::numeric, 7::int8, 0.25::float8, true, '\\x00ff'::bytea,"
      " '2026-11-24 18:41:46.5+02'::timestamptz");
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(std::get<0>(*got), "12.50");
  EXPECT_EQ(std::get<1>(*got), 7);
  EXPECT_EQ(std::get<2>(*got), 0.25);
  EXPECT_TRUE(std::get<3>(*got));
  EXPECT_EQ(std::get<4>(*got), (sql::bytes{std::byte{0}, std::byte{255}}));
  EXPECT_EQ(std::get<5>(*got).time_since_epoch().count(), 1'795'538'506'500'000);
}

TEST_F(driver, numbers_that_do_not_fit_are_refused_by_their_position) {
  const auto got = row<int>("SELECT $1::int4 + $2::int4", 1, std::int64_t{1} << 40);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::out_of_range);
  EXPECT_EQ(got.error().number("parameter"), 2);
  EXPECT_EQ(sql::outcome_of(got.error()), sql::outcome::not_sent);
}

TEST_F(driver, what_the_server_refuses_has_its_state_and_leaves_the_connection_usable) {
  open(socket_url(), {.max_open = 1});
  exec("CREATE TEMP TABLE once(id int NOT NULL)");
  struct refused {
    const char* text;
    errc code;
    const char* state;
  };
  for (const auto& [text, code, state] :
       {refused{"SELEKT 1", errc::invalid_argument, "42601"},
        refused{"SELECT 1/0", errc::invalid_argument, "22012"},
        refused{"SELECT 'x'::int4", errc::type_mismatch, "22P02"},
        refused{"SELECT * FROM nowhere", errc::invalid_argument, "42P01"},
        refused{"INSERT INTO once DEFAULT VALUES", errc::constraint, "23502"}}) {
    auto done = weir::wait(db().exec({}, sql::statement_text{std::string_view{text}}));
    ASSERT_FALSE(done) << text;
    EXPECT_EQ(done.error().code(), code) << done.error().to_string();
    EXPECT_EQ(done.error().text("sqlstate"), state);
    EXPECT_EQ(sql::outcome_of(done.error()), sql::outcome::refused);
    EXPECT_EQ(row<int>("SELECT 5").value(), 5);
  }
  EXPECT_EQ(db().stats().writers.opened, 1);
}

TEST_F(driver, counts_the_rows_a_statement_has_changed) {
  exec("CREATE TABLE counted(id int, note text)");
  EXPECT_EQ(exec("INSERT INTO counted SELECT i, 'a' FROM generate_series(1, 10) i").rows_affected,
            10);
  EXPECT_EQ(exec("UPDATE counted SET note = $1 WHERE id > $2", "b", 7).rows_affected, 3);
  EXPECT_EQ(row<int>("DELETE FROM counted WHERE id = 1 RETURNING id").value(), 1);
  EXPECT_EQ(exec("DROP TABLE counted").rows_affected, 0);
}

task<result<std::int64_t>> sum_of(sql::db& db, int rows) {
  auto all =
      co_await db.query({}, "SELECT i::int8, repeat('x', 100) FROM generate_series(1, $1) i", rows);
  if (!all) co_return std::unexpected(all.error());
  std::int64_t sum = 0;
  while (co_await all->next()) sum += all->get<std::int64_t>(0).value();
  if (auto ended = all->finish(); !ended) co_return std::unexpected(ended.error());
  co_return sum;
}

TEST_F(driver, streams_results_of_any_length) {
  open(socket_url(), {.max_open = 1});
  for (const int rows : {0, 1, 63, 64, 65, 1000, 20'000}) {
    auto sum = weir::wait(sum_of(db(), rows));
    ASSERT_TRUE(sum) << rows << ": " << sum.error().to_string();
    EXPECT_EQ(*sum, std::int64_t{rows} * (rows + 1) / 2);
  }
  EXPECT_EQ(db().stats().writers.opened, 1);
}

task<result<void>> leave_early(sql::db& db, int rows) {
  auto all = co_await db.query({}, "SELECT i FROM generate_series(1, $1) i", rows);
  if (!all) co_return std::unexpected(all.error());
  if (auto first = co_await all->next(); !first) co_return fail(errc::failed, "no row");
  co_return result<void>{};
}

TEST_F(driver, an_early_exit_gives_the_connection_back_whatever_is_left) {
  open(socket_url(), {.max_open = 1});
  for (const int rows : {1, 2, 100, 1'000'000}) {
    auto left = weir::wait(leave_early(db(), rows));
    ASSERT_TRUE(left) << left.error().to_string();
    EXPECT_EQ(row<int>("SELECT 5").value(), 5);
  }
  EXPECT_EQ(db().stats().writers.opened, 1);
}

TEST_F(driver, query_row_of_a_long_result_takes_the_first) {
  open(socket_url(), {.max_open = 1});
  EXPECT_EQ(row<int>("SELECT i FROM generate_series(1, 1000000) i").value(), 1);
  EXPECT_EQ(row<int>("SELECT 5").value(), 5);
  EXPECT_EQ(db().stats().writers.opened, 1);
}

TEST_F(driver, a_transaction_commits_or_leaves_nothing) {
  exec("CREATE TABLE kept(id int)");
  auto good = [](sql::tx& t) -> task<result<void>> {
    auto done = co_await t.exec("INSERT INTO kept VALUES ($1)", 1);
    if (!done) co_return std::unexpected(done.error());
    co_return result<void>{};
  };
  auto bad = [](sql::tx& t) -> task<result<void>> {
    auto done = co_await t.exec("INSERT INTO kept VALUES ($1)", 2);
    if (!done) co_return std::unexpected(done.error());
    co_return fail(errc::failed, "no");
  };
  EXPECT_TRUE(weir::wait(db().with_tx({}, good)));
  EXPECT_FALSE(weir::wait(db().with_tx({}, bad)));
  EXPECT_EQ(row<std::int64_t>("SELECT sum(id) FROM kept").value(), 1);
  exec("DROP TABLE kept");
}

TEST_F(driver, a_commit_after_a_failed_statement_is_told_as_a_rollback) {
  auto t = weir::wait(db().begin({}));
  ASSERT_TRUE(t) << t.error().to_string();
  EXPECT_FALSE(weir::wait(t->exec("SELECT 1/0")));
  auto after = weir::wait(t->exec("SELECT 1"));
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().text("sqlstate"), "25P02");
  auto done = weir::wait(t->commit());
  ASSERT_FALSE(done);
  EXPECT_EQ(sql::outcome_of(done.error()), sql::outcome::refused);
  EXPECT_EQ(row<int>("SELECT 5").value(), 5);
}

TEST_F(driver, isolation_levels_are_the_servers_own) {
  struct level {
    sql::isolation asked;
    const char* got;
  };
  for (const auto& [asked, got] : {level{sql::isolation::read_committed, "read committed"},
                                   level{sql::isolation::repeatable_read, "repeatable read"},
                                   level{sql::isolation::snapshot, "repeatable read"},
                                   level{sql::isolation::serializable, "serializable"}}) {
    auto t = weir::wait(db().begin({}, {.level = asked}));
    ASSERT_TRUE(t);
    EXPECT_EQ(weir::wait(t->query_row<std::string>("SHOW transaction_isolation")).value(), got);
    EXPECT_TRUE(weir::wait(t->rollback()));
  }
  auto none = weir::wait(db().begin({}, {.level = sql::isolation::read_uncommitted}));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), errc::unsupported);
}

TEST_F(driver, a_statement_is_prepared_anew_when_the_table_changes_under_it) {
  open(socket_url(), {.max_open = 1});
  exec("CREATE TABLE changing(a int)");
  exec("INSERT INTO changing VALUES (1)");
  EXPECT_EQ(row<int>("SELECT * FROM changing").value(), 1);
  exec("ALTER TABLE changing ALTER a TYPE text");
  EXPECT_EQ(row<std::string>("SELECT * FROM changing").value(), "1");
  exec("DEALLOCATE ALL");
  EXPECT_EQ(row<std::string>("SELECT * FROM changing").value(), "1");
  exec("DROP TABLE changing");
}

TEST_F(driver, prepared_statements_at_the_server_are_as_many_as_the_cache_keeps) {
  open(socket_url(), {.max_open = 1, .statement_cache = 4});
  for (int i = 0; i < 50; ++i) {
    auto got = weir::wait(db().query_row<int>({}, "SELECT " + std::to_string(i)));
    EXPECT_EQ(got.value(), i);
  }
  EXPECT_LE(row<std::int64_t>("SELECT count(*) FROM pg_prepared_statements").value(), 6);
}

TEST_F(driver, a_connection_that_was_killed_while_idle_is_replaced_in_secret) {
  open(socket_url(), {.max_open = 2});
  auto first = weir::wait(db().connect({}));
  auto second = weir::wait(db().connect({}));
  const int pid = weir::wait(first->query_row<int>({}, "SELECT pg_backend_pid()")).value();
  EXPECT_TRUE(
      weir::wait(second->query_row<bool>({}, "SELECT pg_terminate_backend($1)", pid)).value());
  for (std::int64_t left = 1; left != 0;) {
    const auto found = weir::wait(second->query_row<std::int64_t>(
        {}, "SELECT count(*) FROM pg_stat_activity WHERE pid = $1", pid));
    ASSERT_TRUE(found) << found.error().to_string();
    left = *found;
  }
  second->release();
  first->release();
  for (int i = 0; i < 4; ++i) {
    const auto five = row<int>("SELECT 5");
    EXPECT_TRUE(five) << five.error().to_string();
  }
}

TEST_F(driver, a_statement_whose_server_dies_has_an_unknown_outcome) {
  open(socket_url(), {.max_open = 2});
  auto done = weir::wait(db().exec({}, "SELECT pg_terminate_backend(pg_backend_pid())"));
  ASSERT_FALSE(done);
  EXPECT_EQ(sql::outcome_of(done.error()), sql::outcome::unknown) << done.error().to_string();
  EXPECT_EQ(row<int>("SELECT 5").value(), 5);
}

TEST_F(driver, the_native_handle_is_libpqs_and_the_connection_goes_on_after_it) {
  auto c = weir::wait(db().connect({}));
  ASSERT_TRUE(c);
  void* seen = nullptr;
  EXPECT_TRUE(weir::wait(c->with_native([&](void* handle) { seen = handle; })));
  EXPECT_NE(seen, nullptr);
  EXPECT_EQ(weir::wait(c->query_row<int>({}, "SELECT 5")).value(), 5);
}

TEST_F(driver, a_large_value_goes_both_ways) {
  const std::string large(8 << 20, 'x');
  const auto got = row<std::string>("SELECT $1::text", large);
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(*got, large);
}

}  // namespace
}  // namespace weir
