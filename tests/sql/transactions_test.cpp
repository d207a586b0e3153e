#include <stdexcept>

#include "sql/fixture.hpp"

namespace weir {
namespace {

class transactions : public fake_db {
 protected:
  task<result<void>> put(sql::tx& t, int id) {
    auto done = co_await t.exec("txput ? ?", id, id);
    if (!done) co_return std::unexpected(std::move(done.error()));
    co_return result<void>{};
  }
};

TEST_F(transactions, that_commit_are_seen_and_that_roll_back_are_not) {
  auto t = run(db().begin(ctx())).value();
  EXPECT_TRUE(run(put(t, 1)));
  EXPECT_EQ(run(t.query_row<int, int>("get ?", 1)).value(), (std::tuple{1, 1}));
  EXPECT_EQ(server->table_size(), 0U);
  EXPECT_TRUE(run(t.commit()));
  EXPECT_EQ(server->table_size(), 1U);
  auto u = run(db().begin(ctx())).value();
  EXPECT_TRUE(run(put(u, 2)));
  EXPECT_TRUE(run(u.rollback()));
  EXPECT_EQ(server->table_size(), 1U);
}

TEST_F(transactions, end_once_and_run_no_statement_afterwards) {
  for (const bool commits : {true, false}) {
    auto t = run(db().begin(ctx())).value();
    EXPECT_TRUE(run(commits ? t.commit() : t.rollback()));
    EXPECT_FALSE(t.open());
    EXPECT_EQ(run(t.commit()).error().code(), errc::already_done);
    EXPECT_EQ(run(t.rollback()).error().code(), errc::already_done);
    const int sent = server->count(fake::call::exec);
    EXPECT_EQ(run(put(t, 9)).error().code(), errc::already_done);
    EXPECT_EQ(run(t.query_all<int>("count ?", 1)).error().code(), errc::already_done);
    EXPECT_EQ(server->count(fake::call::exec), sent);
  }
}

TEST_F(transactions, run_by_with_tx_commit_with_a_value_and_roll_back_with_an_error) {
  auto good = [&](sql::tx& t) -> task<result<int>> {
    if (auto done = co_await put(t, 1); !done) co_return std::unexpected(done.error());
    co_return 7;
  };
  EXPECT_EQ(run(db().with_tx(ctx(), good)).value(), 7);
  EXPECT_EQ(server->table_size(), 1U);
  auto bad = [&](sql::tx& t) -> task<result<int>> {
    if (auto done = co_await put(t, 2); !done) co_return std::unexpected(done.error());
    co_return fail(errc::failed, "changed my mind");
  };
  EXPECT_EQ(run(db().with_tx(ctx(), bad)).error().message(), "changed my mind");
  EXPECT_EQ(server->table_size(), 1U);
  EXPECT_EQ(server->count(fake::call::rollback), 1);
}

TEST_F(transactions, whose_closure_throws_roll_back_and_the_exception_goes_on) {
  auto bad = [&](sql::tx& t) -> task<result<void>> {
    static_cast<void>(co_await put(t, 2));
    throw std::runtime_error{"in the closure"};
  };
  EXPECT_THROW((void)run(db().with_tx(ctx(), bad)), std::runtime_error);
  EXPECT_EQ(server->table_size(), 0U);
  EXPECT_EQ(server->count(fake::call::rollback), 1);
  EXPECT_EQ(db().stats().writers.in_use, 0U);
}

TEST_F(transactions, whose_closure_owns_what_it_needs_can_be_given_by_name_or_on_clang_in_place) {
  const auto shared = std::make_shared<int>(4);
  auto body = [shared](sql::tx&) -> task<result<int>> { co_return *shared; };
  EXPECT_EQ(run(db().with_tx(ctx(), body)).value(), 4);
#if defined(__clang__)
  EXPECT_EQ(run(db().with_tx(ctx(), [shared](sql::tx&) -> task<result<int>> { co_return *shared; }))
                .value(),
            4);
#endif
  EXPECT_EQ(shared.use_count(), 2);
}

TEST_F(transactions, that_lose_against_others_are_run_again_from_the_start) {
  server->conflicts_to_come = 3;
  int runs = 0;
  auto body = [&](sql::tx& t) -> task<result<int>> {
    if (auto done = co_await put(t, 1); !done) co_return std::unexpected(done.error());
    co_return ++runs;
  };
  EXPECT_EQ(run(db().with_tx(ctx(), body)).value(), 4);
  EXPECT_EQ(server->count(fake::call::begin), 4);
  EXPECT_EQ(server->count(fake::call::connect), 1);
}

TEST_F(transactions, that_always_lose_end_with_that_error_and_the_number_of_attempts) {
  server->conflicts_to_come = 100;
  auto body = [](sql::tx&) -> task<result<void>> { co_return result<void>{}; };
  const auto done = run(db().with_tx(ctx(), {.max_retries = 2}, body));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::conflict);
  EXPECT_EQ(done.error().number("attempts"), 3);
  EXPECT_EQ(server->count(fake::call::begin), 3);
}

TEST_F(transactions, whose_commit_lost_its_answer_are_reported_as_unknown_and_never_repeated) {
  server->lose_commit_answers = true;
  int runs = 0;
  auto body = [&](sql::tx& t) -> task<result<void>> {
    ++runs;
    co_return co_await put(t, 1);
  };
  const auto done = run(db().with_tx(ctx(), body));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::commit_unknown);
  ASSERT_NE(done.error().cause(), nullptr);
  EXPECT_EQ(done.error().cause()->message(), "the line went dead");
  EXPECT_EQ(runs, 1);
  EXPECT_EQ(server->table_size(), 1U);  // it had happened
  loop.run_until_idle();
  EXPECT_EQ(db().stats().writers.closed_bad, 1U);
}

TEST_F(transactions, may_be_ended_by_the_closure_itself) {
  auto commits = [&](sql::tx& t) -> task<result<void>> {
    if (auto done = co_await put(t, 1); !done) co_return done;
    co_return co_await t.commit();
  };
  EXPECT_TRUE(run(db().with_tx(ctx(), commits)));
  auto undoes = [&](sql::tx& t) -> task<result<void>> {
    if (auto done = co_await put(t, 2); !done) co_return done;
    co_return co_await t.rollback();
  };
  EXPECT_TRUE(run(db().with_tx(ctx(), undoes)));
  EXPECT_EQ(server->table_size(), 1U);
}

TEST_F(transactions, that_are_dropped_open_are_rolled_back_before_the_next_caller) {
  open({.max_open = 1});
  {
    auto t = run(db().begin(ctx())).value();
    EXPECT_TRUE(run(put(t, 1)));
  }
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  EXPECT_EQ(server->count(fake::call::reset), 1);
  EXPECT_EQ(server->count(fake::call::connect), 1);
  EXPECT_EQ(server->table_size(), 0U);
}

TEST_F(transactions, whose_connection_cannot_be_reset_lose_it) {
  open({.max_open = 1});
  server->hook = fails(fake::call::reset, error{errc::io, "no"});
  {
    auto t = run(db().begin(ctx())).value();
  }
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  EXPECT_EQ(server->count(fake::call::connect), 2);
  EXPECT_EQ(db().stats().writers.closed_bad, 1U);
}

TEST_F(transactions, that_are_cancelled_while_their_owner_is_elsewhere_give_the_connection_back) {
  open({.max_open = 1});
  context_source mine{ctx()};
  auto t = run(db().begin(mine.get())).value();
  EXPECT_TRUE(run(put(t, 1)));
  mine.cancel();
  // Nobody has touched `t` since. Another caller gets the only connection, clean.
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  const int sent = server->count(fake::call::exec);
  EXPECT_EQ(run(put(t, 2)).error().code(), errc::cancelled);
  EXPECT_EQ(run(t.commit()).error().code(), errc::cancelled);
  EXPECT_TRUE(run(t.rollback()));
  EXPECT_EQ(server->count(fake::call::exec), sent);
  EXPECT_EQ(server->table_size(), 0U);
}

TEST_F(transactions, end_at_their_deadline_while_their_owner_is_elsewhere) {
  open({.max_open = 1});
  context_source mine{ctx(), {.timeout = 10ms}};
  auto t = run(db().begin(mine.get())).value();
  EXPECT_TRUE(run(put(t, 1)));
  time.advance(10ms);
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  EXPECT_FALSE(t.open());
  EXPECT_EQ(run(put(t, 2)).error().code(), errc::deadline_exceeded);
}

TEST_F(transactions, that_are_cancelled_during_a_statement_are_rolled_back_in_the_background) {
  open({.max_open = 1});
  server->hook = hangs(fake::call::exec);
  int after_the_error = 0;
  context_source mine{ctx(), {.timeout = 5ms}};
  auto body = [&](sql::tx& t) -> task<result<void>> {
    auto first = co_await put(t, 1);
    EXPECT_FALSE(first);
    server->hook = {};
    if (co_await put(t, 2)) ++after_the_error;  // a closure that does not look at errors
    co_return first;
  };
  const auto done = run(db().with_tx(mine.get(), body));
  EXPECT_EQ(done.error().code(), errc::deadline_exceeded);
  EXPECT_EQ(after_the_error, 0);
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  EXPECT_EQ(server->table_size(), 0U);
}

TEST_F(transactions, that_the_database_has_ended_refuse_statements_and_the_commit) {
  auto t = run(db().begin(ctx())).value();
  EXPECT_TRUE(run(put(t, 1)));
  server->hook = [](context, fake::call c, fake::connection* on) -> task<result<void>> {
    if (c != fake::call::exec) co_return result<void>{};
    on->lose_transaction();
    co_return fail(errc::io, "disk full");
  };
  EXPECT_EQ(run(put(t, 2)).error().code(), errc::io);
  server->hook = {};
  const int sent = server->count(fake::call::exec);
  EXPECT_EQ(run(put(t, 3)).error().code(), errc::already_done);
  EXPECT_EQ(server->count(fake::call::exec), sent);
  EXPECT_EQ(run(t.commit()).error().code(), errc::failed);
  EXPECT_EQ(server->table_size(), 0U);
}

TEST_F(transactions, with_an_isolation_that_does_not_exist_are_refused) {
  const auto t = run(db().begin(ctx(), {.level = sql::isolation::snapshot}));
  ASSERT_FALSE(t);
  EXPECT_EQ(t.error().code(), errc::unsupported);
}

TEST_F(transactions, have_savepoints_whose_names_are_no_way_to_inject) {
  auto t = run(db().begin(ctx())).value();
  const int sent = server->count(fake::call::prepare);
  for (const char* name : {"", "a;b", "1a", "a b", "a\"", "ä"}) {
    EXPECT_EQ(run(t.savepoint(name)).error().code(), errc::invalid_argument) << name;
  }
  EXPECT_EQ(server->count(fake::call::prepare), sent);
  EXPECT_TRUE(run(t.rollback()));
}

TEST_F(transactions, with_open_rows_can_be_ended_and_end_the_rows) {
  open({.fetch_rows = 2});
  for (const bool commits : {true, false}) {
    auto t = run(db().begin(ctx())).value();
    auto rows = run(t.query("count ?", 10)).value();
    EXPECT_TRUE(run(rows.next()));
    EXPECT_TRUE(run(commits ? t.commit() : t.rollback()));
    EXPECT_TRUE(run(rows.next()));  // was read already
    EXPECT_FALSE(run(rows.next()));
    EXPECT_EQ(rows.finish().error().code(), errc::already_done);
    EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  }
  EXPECT_EQ(server->count(fake::call::connect), 1);
}

TEST_F(transactions, read_two_sets_of_rows_at_once_also_of_the_same_statement) {
  open({.fetch_rows = 1});
  auto t = run(db().begin(ctx())).value();
  {
    auto a = run(t.query("count ?", 3)).value();
    auto b = run(t.query("count ?", 3)).value();
    for (int i = 1; i <= 3; ++i) {
      ASSERT_TRUE(run(a.next()));
      ASSERT_TRUE(run(b.next()));
      EXPECT_EQ(a.get<int>(0).value(), i);
      EXPECT_EQ(b.get<int>(0).value(), i);
    }
    EXPECT_FALSE(run(a.next()));
    EXPECT_FALSE(run(b.next()));
    EXPECT_TRUE(a.finish());
  }
  EXPECT_TRUE(run(t.commit()));
}

TEST_F(transactions, on_a_pinned_connection_end_before_it_is_used_again) {
  auto c = run(db().connect(ctx())).value();
  {
    auto t = run(c.begin(ctx())).value();
    EXPECT_TRUE(run(put(t, 1)));
    EXPECT_EQ(run(c.begin(ctx())).error().code(), errc::already_done);
  }
  EXPECT_TRUE(run(c.exec(ctx(), "clean?")));  // the dropped one was rolled back first
  EXPECT_EQ(server->count(fake::call::rollback), 1);
  auto body = [&](sql::tx& t) { return put(t, 2); };
  EXPECT_TRUE(run(c.with_tx(ctx(), body)));
  EXPECT_EQ(server->table_size(), 1U);
  c.release();
  EXPECT_EQ(run(c.ping(ctx())).error().code(), errc::already_done);
}

TEST_F(transactions, that_lost_their_answer_do_not_disturb_a_native_call_on_a_broken_connection) {
  auto c = run(db().connect(ctx())).value();
  auto t = run(c.begin(ctx())).value();
  server->break_all();
  EXPECT_TRUE(run(c.with_native([](void*) {})));
  EXPECT_FALSE(run(t.commit()));
  c.release();
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
}

}  // namespace
}  // namespace weir
