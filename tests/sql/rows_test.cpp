#include <stdexcept>

#include "sql/fixture.hpp"

namespace weir {
namespace {

class rows : public fake_db {};

TEST_F(rows, hold_their_connection_until_the_last_was_read) {
  open({.fetch_rows = 4});
  auto found = run(db().query(ctx(), "count ?", 6)).value();
  EXPECT_EQ(db().stats().writers.in_use, 1U);
  int sum = 0;
  while (run(found.next())) sum += found.get<int>("n").value();
  EXPECT_EQ(sum, 21);
  EXPECT_TRUE(found.finish());
  EXPECT_EQ(db().stats().writers.in_use, 0U);
  EXPECT_EQ(db().stats().writers.idle, 1U);
}

TEST_F(rows, that_fit_into_one_batch_hold_no_connection_at_all) {
  auto found = run(db().query(ctx(), "count ?", 6)).value();
  EXPECT_EQ(db().stats().writers.in_use, 0U);
  EXPECT_TRUE(run(found.next()));
}

TEST_F(rows, closed_early_are_no_error_and_return_the_connection) {
  open({.fetch_rows = 1});
  auto found = run(db().query(ctx(), "count ?", 6)).value();
  EXPECT_TRUE(run(found.next()));
  run(found.close());
  EXPECT_TRUE(found.finish());
  EXPECT_FALSE(run(found.next()));
  EXPECT_EQ(db().stats().writers.idle, 1U);
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
}

TEST_F(rows, dropped_early_return_the_connection_clean) {
  open({.max_open = 1, .fetch_rows = 1});
  {
    auto found = run(db().query(ctx(), "count ?", 6)).value();
    EXPECT_TRUE(run(found.next()));
  }
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  EXPECT_EQ(server->count(fake::call::connect), 1);
}

TEST_F(rows, dropped_on_a_pinned_connection_are_stopped_before_its_next_statement) {
  open({.fetch_rows = 1});
  auto c = run(db().connect(ctx())).value();
  {
    auto found = run(c.query(ctx(), "count ?", 6)).value();
    EXPECT_TRUE(run(found.next()));
  }
  EXPECT_TRUE(run(c.exec(ctx(), "clean?")));
}

TEST_F(rows, whose_context_ends_give_the_connection_back) {
  open({.max_open = 1, .fetch_rows = 1});
  context_source mine{ctx()};
  auto found = run(db().query(mine.get(), "count ?", 6)).value();
  EXPECT_TRUE(run(found.next()));
  mine.cancel();
  EXPECT_FALSE(run(found.next()));
  EXPECT_EQ(found.finish().error().code(), errc::cancelled);
  EXPECT_EQ(db().stats().writers.idle, 1U);
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  EXPECT_EQ(server->count(fake::call::connect), 1);
}

TEST_F(rows, that_wait_for_the_next_batch_end_with_their_context) {
  open({.max_open = 1, .fetch_rows = 1});
  context_source mine{ctx(), {.timeout = 10ms}};
  auto found = run(db().query(mine.get(), "count ?", 6)).value();
  EXPECT_TRUE(run(found.next()));
  server->hook = hangs(fake::call::fetch);
  EXPECT_FALSE(run(found.next()));
  EXPECT_EQ(found.finish().error().code(), errc::deadline_exceeded);
  server->hook = {};
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
}

TEST_F(rows, read_to_their_end_are_a_clean_end_whatever_is_cancelled_later) {
  context_source mine{ctx()};
  auto found = run(db().query(mine.get(), "count ?", 2)).value();
  mine.cancel();
  EXPECT_TRUE(run(found.next()));
  EXPECT_TRUE(run(found.next()));
  EXPECT_FALSE(run(found.next()));
  EXPECT_TRUE(found.finish());
}

TEST_F(rows, keep_borrowed_text_until_the_next_whatever_is_cancelled) {
  open({.fetch_rows = 1});
  context_source mine{ctx()};
  ASSERT_TRUE(run(db().exec(ctx(), "put ? ?", 1, std::string(50, 'a'))));
  ASSERT_TRUE(run(db().exec(ctx(), "put ? ?", 2, std::string(50, 'b'))));
  auto found = run(db().query(mine.get(), "all")).value();
  ASSERT_TRUE(run(found.next()));
  const auto borrowed = found.get<std::string_view>("value").value();
  mine.cancel();
  loop.run_until_idle();
  EXPECT_EQ(borrowed, std::string(50, 'a'));
}

TEST_F(rows, of_a_transaction_end_with_it_when_it_is_cancelled) {
  open({.max_open = 1, .fetch_rows = 1});
  context_source mine{ctx()};
  auto t = run(db().begin(mine.get())).value();
  auto found = run(t.query("count ?", 6)).value();
  EXPECT_TRUE(run(found.next()));
  mine.cancel();
  EXPECT_FALSE(run(found.next()));
  EXPECT_EQ(found.finish().error().code(), errc::cancelled);
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
}

TEST_F(rows, can_outlive_the_transaction_object_and_are_over_then) {
  open({.max_open = 1, .fetch_rows = 1});
  auto make = [&]() -> task<sql::rows> {
    auto t = (co_await db().begin(ctx())).value();
    co_return (co_await t.query("count ?", 6)).value();
  };
  auto found = run(make());
  EXPECT_TRUE(run(found.next()));
  EXPECT_FALSE(run(found.next()));
  EXPECT_FALSE(found.finish());
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
}

TEST_F(rows, that_fail_on_the_way_tell_it_at_the_end) {
  open({.fetch_rows = 1});
  auto found = run(db().query(ctx(), "count ?", 6)).value();
  EXPECT_TRUE(run(found.next()));
  server->hook = fails(fake::call::fetch, error{errc::corrupt, "a bad page"});
  EXPECT_FALSE(run(found.next()));
  EXPECT_EQ(found.finish().error().code(), errc::corrupt);
  server->hook = {};
  const auto all = run(db().query_all<int>(ctx(), "count ?", 3));
  EXPECT_EQ(all.value(), (std::vector<int>{1, 2, 3}));
}

TEST_F(rows, that_do_not_exist_are_not_found) {
  EXPECT_EQ(run(db().query_row<int>(ctx(), "count ?", 0)).error().code(), errc::not_found);
  auto found = run(db().query(ctx(), "count ?", 0)).value();
  EXPECT_EQ(found.columns().size(), 1U);
  EXPECT_FALSE(run(found.next()));
  EXPECT_TRUE(found.finish());
}

TEST_F(rows, of_which_query_row_takes_the_first_leave_nothing_open) {
  open({.max_open = 1});
  EXPECT_EQ(run(db().query_row<int>(ctx(), "count ?", 100)).value(), 1);
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
}

TEST_F(rows, are_read_by_a_thousand_queries_after_cancellations) {
  open({.max_open = 2, .fetch_rows = 1});
  auto stmt = run(db().prepare(ctx(), "count ?")).value();
  for (int i = 0; i < 1000; ++i) {
    context_source mine{ctx()};
    auto found = run(stmt.query(mine.get(), 5)).value();
    EXPECT_TRUE(run(found.next()));
    mine.cancel();
  }
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  EXPECT_LE(server->count(fake::call::connect), 2);
}

using rows_death = fake_db;

TEST_F(rows_death, a_row_that_was_not_asked_for_is_misuse) {
  auto found = run(db().query(ctx(), "count ?", 6)).value();
  EXPECT_DEATH((void)found.current(), "before next\\(\\) gave true");
}

}  // namespace
}  // namespace weir
