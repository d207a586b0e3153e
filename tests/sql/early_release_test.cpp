#include <weir/sync/event.hpp>

#include "sql/fixture.hpp"

namespace weir {
namespace {

constexpr sql::run_options early{.release = sql::lock_release::early};

/// Scripts whose locks are released before they are on the disk.
class early_release : public fake_db {
 protected:
  early_release() {
    server->batches = true;
    server->flushes = true;
  }

  using outcome = result<sql::script_result>;

  static sql::script puts(int from, int count = 2) {
    sql::script s;
    for (int i = from; i < from + count; ++i) s.add("txput ? ?", i, i * 10);
    return s;
  }
  outcome run_one(const sql::script& s, sql::run_options how = early) {
    return run(db().run(ctx(), s, how));
  }
  auto send(int from, sql::run_options how = early) {
    return start([this, from, how](context bound) -> task<outcome> {
      co_return co_await db().run(bound, puts(from), how);
    });
  }
  /// Flushes wait until `go`.
  void hold_flushes() {
    server->hook = [this](context bound, fake::call c, fake::connection*) -> task<result<void>> {
      if (c != fake::call::flush) co_return result<void>{};
      flushing.set();
      co_return co_await go.wait(bound);
    };
  }
  task<result<void>> until_flushing() { co_return co_await flushing.wait(ctx()); }
  template <class T>
  static task<T> joined(task_handle<T>* one) {
    T done = co_await one->join({});
    co_return done;
  }
  void expect_unknown(const outcome& done) {
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), errc::commit_unknown) << done.error().to_string();
    EXPECT_EQ(server->table_size(), 2U) << "it was committed";
  }

  event flushing;
  event go;
};

TEST_F(early_release, answers_after_the_flush) {
  const auto done = run_one(puts(1));
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(done->at(0).rows_affected, 1);
  EXPECT_EQ(done->size(), 2U);
  EXPECT_EQ(server->table_size(), 2U);
  EXPECT_EQ(server->count(fake::call::flush), 1);
  EXPECT_EQ(server->unflushed(), 0);
}

TEST_F(early_release, gives_the_connection_back_before_the_flush) {
  open({.max_open = 1});
  hold_flushes();
  auto first = send(1);
  EXPECT_TRUE(run(until_flushing()));
  EXPECT_EQ(server->unflushed(), 2);
  EXPECT_TRUE(run_one(puts(5), {}));
  go.set();
  EXPECT_TRUE(run(joined(&first)));
}

TEST_F(early_release, of_a_script_that_reads_waits_for_what_it_has_seen) {
  hold_flushes();
  auto first = send(1);
  EXPECT_TRUE(run(until_flushing()));
  go.set();
  sql::script reads;
  reads.add("get ?", 1);
  EXPECT_TRUE(run_one(reads, {.tx = {.access = sql::access::read_only}, .release = early.release}));
  EXPECT_EQ(server->unflushed(), 0);
  EXPECT_TRUE(run(joined(&first)));
}

TEST_F(early_release, is_alone_where_there_is_no_flusher) {
  server->flushes = false;
  EXPECT_TRUE(run_one(puts(1)));
  EXPECT_EQ(server->unflushed(), 0);
}

TEST_F(early_release, is_alone_where_statements_are_sent_one_by_one) {
  server->batches = false;
  EXPECT_TRUE(run_one(puts(1)));
  EXPECT_EQ(server->unflushed(), 0);
  EXPECT_EQ(server->count(fake::call::flush), 0);
}

TEST_F(early_release, is_alone_on_another_server_than_the_flushers) {
  server->name = "two";
  EXPECT_TRUE(run_one(puts(1)));
  EXPECT_EQ(server->unflushed(), 0);
  EXPECT_EQ(server->count(fake::call::flush), 0);
}

/// The server may have lost what it had not written, and come back.
TEST_F(early_release, whose_flusher_lost_its_connection_meanwhile_is_unknown) {
  server->hook = [this](context, fake::call c, fake::connection*) -> task<result<void>> {
    if (c == fake::call::batch) ++server->flusher;
    co_return result<void>{};
  };
  expect_unknown(run_one(puts(1)));
  EXPECT_EQ(server->unflushed(), 2);
}

TEST_F(early_release, that_is_unknown_and_idempotent_is_repeated) {
  int runs = 0;
  server->hook = [&](context, fake::call c, fake::connection*) -> task<result<void>> {
    if (c == fake::call::batch && ++runs == 1) ++server->flusher;
    co_return result<void>{};
  };
  sql::run_options how = early;
  how.on_unknown = sql::unknown_commit::repeat;
  EXPECT_TRUE(run_one(puts(1), how));
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(server->unflushed(), 0);
}

TEST_F(early_release, whose_flush_fails_is_unknown_and_says_why) {
  server->hook = fails(fake::call::flush, error{errc::io, "the line went dead"});
  const auto done = run_one(puts(1));
  expect_unknown(done);
  EXPECT_NE(done.error().to_string().find("the line went dead"), std::string::npos);
}

TEST_F(early_release, whose_caller_leaves_during_the_flush_is_unknown) {
  hold_flushes();
  context_source mine{ctx(), {.timeout = 5ms}};
  expect_unknown(run(db().run(mine.get(), puts(1), early)));
}

TEST_F(early_release, without_a_flusher_to_be_had_is_not_sent) {
  server->hook = fails(fake::call::ready, error{errc::server_down, "nobody there"});
  const auto done = run_one(puts(1));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::server_down);
  EXPECT_EQ(sql::outcome_of(done.error()), sql::outcome::not_sent);
  EXPECT_EQ(server->count(fake::call::batch), 0);
}

TEST_F(early_release, of_a_script_that_fails_names_the_step_and_flushes_nothing) {
  sql::script s = puts(1);
  s.add("refuse");
  const auto done = run_one(s);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::constraint);
  EXPECT_EQ(done.error().number("step"), 2);
  EXPECT_EQ(server->table_size(), 0U);
  EXPECT_EQ(server->count(fake::call::flush), 0);
}

constexpr sql::run_options early_grouped{.commit = sql::commit_mode::grouped,
                                         .release = sql::lock_release::early};

TEST_F(early_release, of_a_group_lets_the_next_one_run) {
  open({.max_open = 1});
  hold_flushes();
  auto first = send(1, early_grouped);
  EXPECT_TRUE(run(until_flushing()));
  auto second = send(5, early_grouped);
  loop.run_until_idle();
  EXPECT_EQ(server->table_size(), 4U) << "both are committed";
  EXPECT_EQ(server->count(fake::call::flush), 2);
  go.set();
  EXPECT_TRUE(run(joined(&first)));
  EXPECT_TRUE(run(joined(&second)));
  EXPECT_EQ(server->unflushed(), 0);
}

TEST_F(early_release, of_a_group_whose_flush_fails_is_unknown_for_those_that_were_committed) {
  server->hook = fails(fake::call::flush, error{errc::io, "the line went dead"});
  auto good = send(1, early_grouped);
  auto bad = start([this](context bound) -> task<outcome> {
    sql::script s;
    s.add("refuse");
    co_return co_await db().run(bound, s, early_grouped);
  });
  expect_unknown(run(joined(&good)));
  EXPECT_EQ(run(joined(&bad)).error().code(), errc::constraint);
}

TEST_F(early_release, is_not_shared_with_those_that_want_to_wait) {
  hold_flushes();
  auto first = send(1, early_grouped);
  auto second = send(5, {.commit = sql::commit_mode::grouped});
  EXPECT_TRUE(run(joined(&second)));
  go.set();
  EXPECT_TRUE(run(joined(&first)));
  EXPECT_EQ(server->count(fake::call::batch), 2);
}

TEST_F(early_release, lets_a_close_wait_for_the_flush) {
  hold_flushes();
  auto first = send(1);
  EXPECT_TRUE(run(until_flushing()));
  bool closed = false;
  auto closing = start([&](context bound) -> task<result<void>> {
    auto done = co_await db().close(bound);
    closed = true;
    co_return done;
  });
  loop.run_until_idle();
  EXPECT_FALSE(closed);
  go.set();
  EXPECT_TRUE(run(joined(&first)));
  EXPECT_TRUE(run(joined(&closing)));
}

}  // namespace
}  // namespace weir
