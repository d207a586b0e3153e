#include <stdexcept>

#include <core/allocations.hpp>

#include "sql/fixture.hpp"

namespace weir {
namespace {

class statements : public fake_db {};

TEST_F(statements, are_prepared_once_per_connection) {
  open({.max_open = 2});
  for (int i = 0; i < 10; ++i) EXPECT_TRUE(run(db().exec(ctx(), "put ? ?", i, i)));
  EXPECT_EQ(server->statements_made(), 1);
  auto stmt = run(db().prepare(ctx(), "put ? ?")).value();
  EXPECT_EQ(stmt.parameters(), 2U);
  EXPECT_TRUE(run(stmt.exec(ctx(), 1, 1)));
  EXPECT_EQ(server->statements_made(), 1);
  // The first connection is held: the second one prepares it when it needs it.
  auto held = run(db().connect(ctx())).value();
  EXPECT_TRUE(run(stmt.exec(ctx(), 1, 1)));
  EXPECT_TRUE(run(stmt.exec(ctx(), 1, 1)));
  EXPECT_EQ(server->statements_made(), 2);
  auto in_tx = [&](sql::tx& t) -> task<result<void>> {
    auto done = co_await t.exec(stmt.text(), 5, 5);
    if (!done) co_return std::unexpected(done.error());
    co_return result<void>{};
  };
  EXPECT_TRUE(run(db().with_tx(ctx(), in_tx)));
  EXPECT_EQ(server->statements_made(), 2);
}

TEST_F(statements, least_recently_used_are_closed_so_that_their_number_stays_bounded) {
  open({.max_open = 1, .statement_cache = 2});
  const auto use = [&](const char* text) {
    EXPECT_TRUE(run(db().query_all<int>(ctx(), sql::statement_text{std::string{text}}, 1)));
  };
  use("count ?");
  use("echo ?");
  use("count ?");
  use("echo  ?");  // the third: "echo ?" goes
  EXPECT_EQ(server->statements_made(), 3);
  EXPECT_EQ(server->statements_closed(), 1);
  use("count ?");
  EXPECT_EQ(server->statements_made(), 3);
  use("echo ?");
  EXPECT_EQ(server->statements_made(), 4);
  for (int i = 0; i < 1000; ++i)
    use(("echo ?" + std::string(static_cast<std::size_t>(i), ' ')).c_str());
  EXPECT_LE(server->statements_made() - server->statements_closed(), 2);
}

TEST_F(statements, are_closed_at_once_if_none_are_kept) {
  open({.statement_cache = 0});
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(run(db().exec(ctx(), "put ? ?", i, i)));
  EXPECT_EQ(server->statements_made(), 3);
  EXPECT_EQ(server->statements_closed(), 3);
}

TEST_F(statements, that_do_not_exist_are_refused_when_they_are_prepared) {
  const auto stmt = run(db().prepare(ctx(), "drop everything"));
  ASSERT_FALSE(stmt);
  EXPECT_EQ(stmt.error().code(), errc::invalid_argument);
  EXPECT_EQ(sql::outcome_of(stmt.error()), sql::outcome::refused);
}

TEST_F(statements, that_are_closed_say_so) {
  auto stmt = run(db().prepare(ctx(), "count ?")).value();
  stmt.close();
  EXPECT_EQ(run(stmt.exec(ctx(), 1)).error().code(), errc::already_done);
  EXPECT_EQ(run(stmt.query(ctx(), 1)).error().code(), errc::already_done);
}

TEST_F(statements, are_shared_by_ten_tasks) {
  open({.max_open = 3});
  auto stmt = run(db().prepare(ctx(), "count ?")).value();
  int good = 0;
  auto use = [&]() -> task<void> {
    for (int i = 0; i < 20; ++i) {
      auto found = co_await stmt.query(ctx(), 3);
      while (co_await found->next()) {
      }
      good += found->finish() ? 1 : 0;
      co_await yield();
    }
  };
  std::vector<task_handle<void>> tasks;
  for (int i = 0; i < 10; ++i) tasks.push_back(start(use));
  auto all = [&]() -> task<void> {
    for (auto& t : tasks) static_cast<void>(co_await t.join(ctx()));
  };
  run(all());
  EXPECT_EQ(good, 200);
  EXPECT_LE(server->statements_made(), 3);
}

TEST_F(statements, with_an_ended_context_are_not_sent) {
  context_source mine{ctx()};
  mine.cancel(error{errc::cancelled, "not needed any more"});
  const auto done = run(db().exec(mine.get(), "put ? ?", 1, 1));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::cancelled);
  EXPECT_EQ(server->count(fake::call::exec), 0);
  EXPECT_EQ(sql::outcome_of(done.error()), sql::outcome::not_sent);
}

TEST_F(statements, wait_for_a_lock_that_somebody_else_holds_and_no_longer_than_they_may) {
  open({.lock_timeout = 1s});
  int tries = 0;
  int locked_for = 5;
  server->hook = [&](context, fake::call c, fake::connection*) -> task<result<void>> {
    if (c != fake::call::exec || ++tries > locked_for) co_return result<void>{};
    co_return std::unexpected(
        sql::with_outcome(error{errc::busy, "locked"}, sql::outcome::refused));
  };
  EXPECT_TRUE(run(db().exec(ctx(), "put ? ?", 1, 1)));
  EXPECT_EQ(tries, 6);
  locked_for = 1'000'000;
  const time_point begun = time.now();
  const auto done = run(db().exec(ctx(), "put ? ?", 1, 1));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::busy);
  EXPECT_LE(time.now() - begun, 1s);
  EXPECT_GE(time.now() - begun, 900ms);
}

// ---- pinned connections ------------------------------------------------------------------------

using pinned = fake_db;

TEST_F(pinned, stay_with_their_owner_and_give_the_native_handle) {
  auto c = run(db().connect(ctx())).value();
  void* first = nullptr;
  void* second = nullptr;
  EXPECT_TRUE(run(c.with_native([&](void* h) { first = h; })));
  EXPECT_TRUE(run(c.exec(ctx(), "put ? ?", 1, 1)));
  EXPECT_TRUE(run(c.with_native([&](void* h) { second = h; })));
  EXPECT_NE(first, nullptr);
  EXPECT_EQ(first, second);
  EXPECT_EQ(db().stats().writers.in_use, 1U);
}

TEST_F(pinned, are_acquired_without_an_allocation_once_caches_are_warm) {
  auto acquire = [&]() -> task<std::size_t> {
    std::size_t before = 0;
    for (int i = 0; i < 10; ++i) {
      before = weir_test::allocations();
      const auto c = co_await db().connect(ctx());
      EXPECT_TRUE(c);
    }
    co_return weir_test::allocations() - before;
  };
  EXPECT_EQ(run(acquire()), 0U);
}

TEST_F(pinned, are_closed_when_the_native_callback_throws) {
  auto c = run(db().connect(ctx())).value();
  EXPECT_THROW((void)run(c.with_native([](void*) { throw std::runtime_error{"half way"}; })),
               std::runtime_error);
  c.release();
  loop.run_until_idle();
  EXPECT_EQ(db().stats().writers.closed_bad, 1U);
}

TEST_F(pinned, are_not_replaced_when_they_break) {
  auto c = run(db().connect(ctx())).value();
  server->break_all();
  EXPECT_EQ(run(c.exec(ctx(), "put ? ?", 1, 1)).error().code(), errc::closed);
  EXPECT_EQ(run(c.exec(ctx(), "put ? ?", 1, 1)).error().code(), errc::closed);
  EXPECT_EQ(server->count(fake::call::connect), 1);
}

TEST_F(pinned, used_by_two_callers_at_once_are_misuse) {
  server->hook = hangs(fake::call::exec);
  auto body = [&]() -> task<void> {
    auto c = (co_await db().connect(ctx())).value();
    auto beside =
        start([&]() -> task<void> { static_cast<void>(co_await c.exec(ctx(), "put ? ?", 1, 1)); });
    co_await yield();
    static_cast<void>(co_await c.exec(ctx(), "put ? ?", 1, 1));
  };
  EXPECT_DEATH(run(body()), "two callers at once");
}

}  // namespace
}  // namespace weir
