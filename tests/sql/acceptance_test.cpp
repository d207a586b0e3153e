// Those of the list in acceptance.md that have no better place.

#include <stdexcept>

#include <weir/sql/uuid.hpp>

#include "sql/fixture.hpp"

namespace weir {
namespace {

using acceptance = fake_db;

TEST_F(acceptance, a_driver_that_throws_while_it_ends_things_costs_its_connection_only) {
  open({.max_open = 1});
  for (const auto which : {fake::call::rollback, fake::call::reset, fake::call::ping,
                           fake::call::stop, fake::call::close}) {
    server->hook = [which](context, fake::call c, fake::connection*) -> task<result<void>> {
      if (c == which) throw std::runtime_error{"in the driver"};
      co_return result<void>{};
    };
    const auto swallow = [](auto&& use) {
      try {
        use();
      } catch (const std::runtime_error&) {
      }
    };
    swallow([&] {
      auto t = run(db().begin(ctx())).value();
      static_cast<void>(run(t.rollback()));
    });
    swallow([&] { auto t = run(db().begin(ctx())).value(); });  // dropped: reset
    swallow([&] { static_cast<void>(run(db().ping(ctx()))); });
    swallow([&] {
      auto rows = run(db().query(ctx(), "count ?", 1'000)).value();
      static_cast<void>(run(rows.next()));
      run(rows.close());
    });
    swallow([&] { run(db().connect(ctx())).value().discard(); });
    loop.run_until_idle();
    server->hook = {};
    EXPECT_TRUE(run(db().exec(ctx(), "clean?"))) << static_cast<int>(which);
    EXPECT_EQ(db().stats().writers.in_use, 0U);
  }
}

TEST_F(acceptance, a_statement_cancelled_half_way_gives_its_connection_back) {
  open({.max_open = 1});
  server->hook = hangs(fake::call::exec);
  context_source mine{ctx()};
  auto gone = start([&](context) -> task<errc> {
    const auto done = co_await db().exec(mine.get(), "put ? ?", 1, 1);
    co_return done ? errc::failed : done.error().code();
  });
  loop.run_until_idle();
  mine.cancel();
  loop.run_until_idle();
  ASSERT_TRUE(gone.done());
  server->hook = {};
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  EXPECT_EQ(server->count(fake::call::connect), 1);
}

TEST_F(acceptance, a_cancel_between_the_acquire_and_the_use_sends_nothing) {
  open({.max_open = 1});
  auto held = std::make_optional(run(db().connect(ctx())).value());
  context_source mine{ctx()};
  auto waits = start([&](context) -> task<errc> {
    const auto done = co_await db().exec(mine.get(), "put ? ?", 1, 1);
    co_return done ? errc::failed : done.error().code();
  });
  loop.run_until_idle();
  const int sent = server->count(fake::call::exec);
  held.reset();   // hands the connection to the one that waits,
  mine.cancel();  // who has not run since
  loop.run_until_idle();
  ASSERT_TRUE(waits.done());
  EXPECT_EQ(server->count(fake::call::exec), sent);
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  EXPECT_EQ(db().stats().writers.in_use, 0U);
}

TEST_F(acceptance, a_database_may_close_before_its_statements_rows_and_transactions) {
  open({.max_open = 3, .fetch_rows = 1});
  auto stmt = run(db().prepare(ctx(), "count ?")).value();
  auto rows = run(stmt.query(ctx(), 5)).value();
  auto t = run(db().begin(ctx())).value();
  EXPECT_TRUE(run(rows.next()));
  auto closing = start([&](context bound) { return db().close(bound); });
  loop.run_until_idle();
  EXPECT_FALSE(closing.done());
  EXPECT_EQ(run(stmt.exec(ctx(), 1)).error().code(), errc::closed);
  EXPECT_TRUE(run(rows.next()));  // what has a connection may end
  EXPECT_TRUE(run(t.exec("txput ? ?", 1, 1)));
  EXPECT_TRUE(run(t.commit()));
  run(rows.close());
  loop.run_until_idle();
  EXPECT_TRUE(closing.done());
}

// ---- what may be done twice
// ----------------------------------------------------------------------

/// Statements whose answer is lost, as often as `left` says.
fake::server::hook_t loses_answers(int* left) {
  return [left](context, fake::call c, fake::connection* on) -> task<result<void>> {
    if (c != fake::call::exec && c != fake::call::start) co_return result<void>{};
    if (*left == 0) co_return result<void>{};
    --*left;
    on->break_now();
    co_return std::unexpected(
        sql::with_outcome(error{errc::io, "the line went dead"}, sql::outcome::unknown));
  };
}

TEST_F(acceptance, a_statement_whose_answer_was_lost_is_repeated_only_if_that_was_declared) {
  int left = 1;
  server->hook = loses_answers(&left);
  const auto once = run(db().exec(ctx(), "put ? ?", 1, 1));
  ASSERT_FALSE(once);
  EXPECT_EQ(sql::outcome_of(once.error()), sql::outcome::unknown);
  EXPECT_EQ(server->count(fake::call::exec), 1);

  left = 1;
  EXPECT_TRUE(run(db().exec(ctx(), sql::idempotent("put ? ?"), 1, 1)));
  left = 2;
  EXPECT_EQ(run(db().query_row<int>(ctx(), sql::idempotent("count ?"), 1)), 1);
  left = 1;
  auto stmt = run(db().prepare(ctx(), sql::idempotent("put ? ?"))).value();
  EXPECT_TRUE(run(stmt.exec(ctx(), 2, 2)));
  left = 100;
  EXPECT_FALSE(run(db().exec(ctx(), sql::idempotent("put ? ?"), 1, 1)));
  EXPECT_EQ(left, 97);
}

TEST_F(acceptance, inside_a_transaction_nothing_is_repeated_whatever_was_declared) {
  auto t = run(db().begin(ctx())).value();
  int left = 1;
  server->hook = loses_answers(&left);
  EXPECT_FALSE(run(t.exec(sql::idempotent("txput ? ?"), 1, 1)));
  EXPECT_EQ(server->count(fake::call::exec), 1);
}

// ---- rows as structs, and UUIDs
// ------------------------------------------------------------------

struct entry {
  std::int64_t id;
  std::string name;
  std::optional<double> share;
};

TEST_F(acceptance, a_row_fills_a_plain_struct_in_order) {
  const auto one = run(db().query_row<entry>(ctx(), "echo ? ? ?", 7, "seven", sql::null));
  ASSERT_TRUE(one) << one.error().to_string();
  EXPECT_EQ(one->id, 7);
  EXPECT_EQ(one->name, "seven");
  EXPECT_EQ(one->share, std::nullopt);
  const auto bad = run(db().query_row<entry>(ctx(), "echo ? ? ?", 7, sql::null, 0.5));
  EXPECT_EQ(bad.error().code(), errc::type_mismatch);
  EXPECT_EQ(bad.error().text("column"), "c2");
  const auto few = run(db().query_row<entry>(ctx(), "echo ? ?", 7, "x"));
  EXPECT_EQ(few.error().code(), errc::invalid_argument);
  EXPECT_EQ(few.error().number("asked for"), 3);
}

struct borrowing {
  std::string_view text;
};
static_assert(sql::borrows<borrowing> && !sql::borrows<entry>);
static_assert(sql::readable<entry> && !sql::readable<entry, int>);

TEST_F(acceptance, uuids_are_text_or_sixteen_bytes) {
  const auto id = sql::uuid::parse("F81D4FAE-7dec-11d0-a765-00a0c91e6bf6").value();
  EXPECT_EQ(id.to_string(), "f81d4fae-7dec-11d0-a765-00a0c91e6bf6");
  EXPECT_EQ(run(db().query_row<sql::uuid>(ctx(), "echo ?", id)), id);
  const sql::bytes raw(id.octets.begin(), id.octets.end());
  EXPECT_EQ(run(db().query_row<sql::uuid>(ctx(), "echo ?", raw)), id);
  for (const char* wrong : {"", "f81d4fae-7dec-11d0-a765-00a0c91e6bf", "f81d4fae7dec11d0a76500a0",
                            "f81d4fae-7dec-11d0-a765-00a0c91e6bfg"}) {
    EXPECT_EQ(sql::uuid::parse(wrong), std::nullopt);
    EXPECT_EQ(run(db().query_row<sql::uuid>(ctx(), "echo ?", wrong)).error().text("column"), "c1");
  }
}

}  // namespace
}  // namespace weir
