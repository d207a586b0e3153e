#include <string>

#include "postgres/fixture.hpp"

namespace weir {
namespace {

/// The marker statement of the next borrower is hit by nobody's late cancel.
class cancel_race : public postgres_server, public testing::WithParamInterface<bool> {
 protected:
  static std::string address() { return GetParam() ? tcp_url() : socket_url(); }
};

INSTANTIATE_TEST_SUITE_P(over, cancel_race, testing::Values(true, false),
                         [](const auto& info) { return info.param ? "tcp" : "a_unix_socket"; });

int rounds() {
  const char* given = std::getenv("WEIR_PG_CANCEL_ROUNDS");
  return given != nullptr ? std::atoi(given) : 100;
}

TEST_P(cancel_race, never_hits_the_next_statement) {
  open(address(), {.max_open = 1});
  int late = 0;
  int cancelled = 0;
  std::uint32_t seed = 7;
  for (int i = 0; i < rounds(); ++i) {
    seed = seed * 1664525U + 1013904223U;
    context_source hurry{{}, {.timeout = std::chrono::microseconds{500 + seed % 3000}}};
    auto raced = weir::wait(db().exec(hurry.get(), "SELECT pg_sleep(0.001)"));
    if (!raced) ++cancelled;
    auto marker =
        weir::wait(db().query_row<int>({}, "SELECT 1 + count(*)::int FROM pg_sleep(0.0005)"));
    if (!marker || *marker != 2) ++late;
  }
  EXPECT_EQ(late, 0);
  RecordProperty("cancelled", cancelled);
  std::printf("%d of %d were cancelled, %d markers hit\n", cancelled, rounds(), late);
}

TEST_F(postgres_server, a_cancelled_statement_returns_before_the_server_has_confirmed_it) {
  open(socket_url(), {.max_open = 2});
  context_source hurry;
  const auto sleep = [&]() -> task<result<sql::exec_result>> {
    co_return co_await db().exec(hurry.get(), "SELECT pg_sleep(60)");
  };
  auto sleeper = *stop_.spawn("sleeper", sleep);
  await_start_of("SELECT pg_sleep(60)");
  hurry.cancel();
  auto slept = weir::wait(sleeper.join({}));
  ASSERT_FALSE(slept);
  EXPECT_EQ(slept.error().code(), errc::cancelled);
  EXPECT_EQ(sql::outcome_of(slept.error()), sql::outcome::unknown);
  auto other = weir::wait(db().begin({}));
  EXPECT_TRUE(other);
  EXPECT_EQ(row<int>("SELECT 5").value(), 5);
  EXPECT_EQ(db().stats().writers.opened, 2) << "its connection came out of quarantine";
  EXPECT_TRUE(weir::wait(other->rollback()));
}

TEST_F(postgres_server, a_transaction_that_is_cancelled_in_a_statement_is_rolled_back) {
  open(socket_url(), {.max_open = 1});
  exec("CREATE TABLE locked(id int)");
  context_source hurry;
  auto t = weir::wait(db().begin(hurry.get()));
  ASSERT_TRUE(t);
  EXPECT_TRUE(weir::wait(t->exec("INSERT INTO locked VALUES (1)")));
  auto sleeps = [&]() -> task<bool> {
    auto slept = co_await t->exec("SELECT pg_sleep(60)");
    co_return slept.has_value();
  };
  auto sleeper = *stop_.spawn("sleeper", sleeps);
  hurry.cancel();
  EXPECT_FALSE(weir::wait(sleeper.join({})).value());
  EXPECT_EQ(row<std::int64_t>("SELECT count(*) FROM locked").value(), 0);
  exec("DROP TABLE locked");
}

TEST_F(postgres_server, a_statement_cancelled_alone_leaves_its_transaction_to_its_owner) {
  open(socket_url(), {.max_open = 2});
  auto t = weir::wait(db().begin({}));
  ASSERT_TRUE(t);
  context_source hurry;
  const auto sleep = [&]() -> task<bool> {
    auto slept = co_await t->exec(hurry.get(), "SELECT pg_sleep(60)");
    co_return slept.has_value();
  };
  auto sleeper = *stop_.spawn("sleeper", sleep);
  await_start_of("SELECT pg_sleep(60)");
  hurry.cancel();
  EXPECT_FALSE(weir::wait(sleeper.join({})).value());
  auto after = weir::wait(t->exec("SELECT 1"));
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().text("sqlstate"), "25P02");
  EXPECT_TRUE(weir::wait(t->rollback()));
  EXPECT_EQ(row<int>("SELECT 5").value(), 5);
}

TEST_F(postgres_server, an_address_where_nobody_answers_fails_within_its_budget) {
  open("postgres://weir@127.0.0.1:1/weir");
  context_source hurry{{}, {.timeout = 2s}};
  auto none = weir::wait(db().ping(hurry.get()));
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), errc::server_down) << none.error().to_string();
}

}  // namespace
}  // namespace weir
