#include <optional>
#include <vector>

#include <weir/runtime/inline_executor.hpp>
#include <weir/sync/event.hpp>

#include "sql/fixture.hpp"

namespace weir {
namespace {

constexpr sql::run_options grouped{.commit = sql::commit_mode::grouped};

/// Scripts that wait while the first one holds the lane.
class groups : public fake_db, public testing::WithParamInterface<bool> {
 protected:
  groups() { server->batches = GetParam(); }

  using outcome = result<sql::script_result>;
  using waiting = task_handle<outcome>;

  waiting send(sql::script s, context bound, sql::run_options how = grouped) {
    return start([this, s = std::move(s), bound, how](context) -> task<outcome> {
      co_return co_await db().run(bound, s, how);
    });
  }
  waiting put(int id, sql::run_options how = grouped) {
    sql::script s;
    s.add("txput ? ?", id, id);
    return send(std::move(s), ctx(), how);
  }
  waiting refused(int id) {
    sql::script s;
    s.add("txput ? ?", id, id);
    s.add("refuse");
    return send(std::move(s), ctx());
  }
  outcome result_of(waiting& one) { return run(join(&one)); }

  /// Commits wait until `go`, and are counted.
  void hold_commits() {
    server->hook = [this](context bound, fake::call c, fake::connection*) -> task<result<void>> {
      const auto commit = server->batches ? fake::call::batch : fake::call::commit;
      if (c != commit) co_return result<void>{};
      ++commits;
      auto waited = co_await go.wait(bound);
      if (waited) co_return waited;
      co_return std::unexpected(sql::with_outcome(waited.error(), sql::outcome::refused));
    };
  }

  event go;
  int commits = 0;

 private:
  static task<outcome> join(waiting* one) {
    auto done = co_await one->join({});
    co_return done;
  }
};

INSTANTIATE_TEST_SUITE_P(by_driver, groups, testing::Bool(),
                         [](const auto& one) { return one.param ? "at_once" : "in_turn"; });

TEST_P(groups, are_what_has_queued_while_the_last_commit_ran) {
  hold_commits();
  auto first = put(0);
  loop.run_until_idle();
  EXPECT_EQ(commits, 1);
  std::vector<waiting> rest;
  for (int i = 1; i <= 50; ++i) rest.push_back(put(i));
  loop.run_until_idle();
  EXPECT_EQ(commits, 1);
  EXPECT_EQ(server->table_size(), 0U);
  go.set();
  EXPECT_TRUE(result_of(first));
  for (auto& one : rest) EXPECT_TRUE(result_of(one));
  EXPECT_EQ(commits, 2);
  EXPECT_EQ(server->table_size(), 51U);
  EXPECT_EQ(server->count(fake::call::connect), 1);
}

TEST_P(groups, are_acknowledged_only_after_their_commit) {
  hold_commits();
  auto one = put(1);
  loop.run_until_idle();
  EXPECT_EQ(commits, 1);
  EXPECT_FALSE(one.done());
  go.set();
  EXPECT_TRUE(result_of(one));
}

TEST_P(groups, lose_only_the_script_that_failed) {
  hold_commits();
  auto first = put(0);
  loop.run_until_idle();
  std::vector<waiting> good;
  std::vector<waiting> bad;
  for (int i = 1; i <= 10; ++i) {
    good.push_back(put(i));
    bad.push_back(refused(100 + i));
  }
  go.set();
  EXPECT_TRUE(result_of(first));
  for (auto& one : good) EXPECT_TRUE(result_of(one));
  for (auto& one : bad) {
    const auto done = result_of(one);
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), errc::constraint);
    EXPECT_EQ(done.error().number("step"), 1);
  }
  EXPECT_EQ(server->table_size(), 11U);
}

TEST_P(groups, whose_commit_lost_its_answer_are_all_unknown) {
  hold_commits();
  auto first = put(0);
  loop.run_until_idle();
  server->lose_commit_answers = true;
  auto a = put(1);
  auto b = put(2);
  go.set();
  for (auto* one : {&first, &a, &b}) {
    EXPECT_EQ(result_of(*one).error().code(), errc::commit_unknown);
  }
  EXPECT_EQ(server->table_size(), 3U);
}

TEST_P(groups, that_lose_against_others_are_run_again) {
  hold_commits();
  auto first = put(0);
  loop.run_until_idle();
  auto a = put(1);
  auto b = put(2);
  server->conflicts_to_come = 3;
  go.set();
  for (auto* one : {&first, &a, &b}) EXPECT_TRUE(result_of(*one));
  EXPECT_EQ(commits, 5);
  EXPECT_EQ(server->table_size(), 3U);
}

TEST_P(groups, whose_commit_is_refused_as_a_whole_are_committed_one_by_one) {
  server->refuse_commits = true;
  hold_commits();
  auto first = put(0);
  loop.run_until_idle();
  auto a = put(1);
  sql::script two;
  two.add("txput ? ?", 5, 5);
  two.add("txput ? ?", 6, 6);
  auto b = send(std::move(two), ctx());
  auto c = put(2);
  go.set();
  EXPECT_TRUE(result_of(first));
  EXPECT_TRUE(result_of(a));
  EXPECT_EQ(result_of(b).error().code(), errc::constraint);
  EXPECT_TRUE(result_of(c));
  EXPECT_EQ(server->table_size(), 3U);
}

TEST_P(groups, let_go_at_once_of_who_is_cancelled_while_queued_and_send_nothing_of_it) {
  hold_commits();
  auto first = put(0);
  loop.run_until_idle();
  context_source mine{ctx()};
  sql::script s;
  s.add("txput ? ?", 1, 1);
  auto gone = send(s, mine.get());
  auto stays = put(2);
  loop.run_until_idle();
  mine.cancel();
  const auto done = result_of(gone);
  EXPECT_EQ(done.error().code(), errc::cancelled);
  EXPECT_EQ(sql::outcome_of(done.error()), sql::outcome::not_sent);
  go.set();
  EXPECT_TRUE(result_of(first));
  EXPECT_TRUE(result_of(stays));
  EXPECT_EQ(server->table_size(), 2U);
}

TEST_P(groups, let_go_at_once_of_who_is_cancelled_while_they_run_and_say_that_it_is_unknown) {
  hold_commits();
  auto first = put(0);
  loop.run_until_idle();
  context_source mine{ctx()};
  sql::script s;
  s.add("txput ? ?", 1, 1);
  auto leaves = send(s, mine.get());
  auto stays = put(2);
  go.set();
  EXPECT_TRUE(result_of(first));  // and the next group is on its way
  EXPECT_TRUE(result_of(stays));
  EXPECT_TRUE(result_of(leaves));

  server->hook = hangs(server->batches ? fake::call::batch : fake::call::commit);
  auto again = send(s, mine.get());
  auto other = put(3);
  loop.run_until_idle();
  mine.cancel();
  const auto done = result_of(again);
  EXPECT_EQ(done.error().code(), errc::commit_unknown);
  EXPECT_EQ(sql::outcome_of(done.error()), sql::outcome::unknown);
  EXPECT_EQ(done.error().cause()->code(), errc::cancelled);
  EXPECT_FALSE(other.done());
  server->hook = {};
  time.advance(24h);
  EXPECT_TRUE(result_of(other));
}

TEST_P(groups, that_nobody_waits_for_any_more_are_cancelled) {
  open({.max_open = 1});
  hold_commits();
  context_source mine{ctx()};
  sql::script s;
  s.add("txput ? ?", 1, 1);
  auto one = send(s, mine.get());
  loop.run_until_idle();
  EXPECT_EQ(commits, 1);
  mine.cancel();
  EXPECT_EQ(result_of(one).error().code(), errc::commit_unknown);
  server->hook = {};
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  EXPECT_EQ(server->table_size(), 0U);
}

// Regression: the task found the queue empty, because the only caller had left, went on as if its
// group had been committed, and took the next script into it: acknowledged, and never sent.
TEST_P(groups, that_were_left_by_all_before_they_began_do_not_answer_for_whoever_comes_next) {
  open({.max_open = 1});
  std::optional<sql::conn> busy{run(db().connect(ctx())).value()};
  context_source mine{ctx()};
  sql::script s;
  s.add("txput ? ?", 1, 1);
  auto leaves = send(s, mine.get());
  loop.run_until_idle();
  mine.cancel();
  EXPECT_EQ(result_of(leaves).error().code(), errc::cancelled);
  busy.reset();  // the lane will have its connection, and nothing to send
  inline_executor at_once{time};
  std::optional<waiting> next;
  server->on_return = [&] {
    if (next) return;
    const auto run = [&](context) -> task<outcome> {
      co_return co_await db().run(ctx(), s, grouped);
    };
    next = core::start(at_once, {.name = "next"}, ctx(), run, silent_tail{});
  };
  loop.run_until_idle();
  ASSERT_TRUE(next);
  EXPECT_TRUE(result_of(*next));
  EXPECT_EQ(server->table_size(), 1U);
}

TEST_P(groups, keep_scripts_of_other_options_apart_and_in_order) {
  hold_commits();
  auto first = put(0);
  loop.run_until_idle();
  sql::run_options patient = grouped;
  patient.tx.max_retries = 3;
  auto a = put(1);
  auto b = put(2, patient);
  auto c = put(3);
  go.set();
  for (auto* one : {&first, &a, &b, &c}) EXPECT_TRUE(result_of(*one));
  EXPECT_EQ(commits, 4);
}

TEST_P(groups, are_bounded_in_size_and_in_what_waits) {
  open({.group = {.scripts = 2, .waiting = 4, .waiting_bytes = 4'000}});
  hold_commits();
  auto first = put(0);
  loop.run_until_idle();
  std::vector<waiting> rest;
  for (int i = 1; i <= 3; ++i) rest.push_back(put(i));
  sql::script big;
  big.add("txput ? ?", 9, std::string(5'000, 'x'));
  auto too_big = send(big, ctx());
  rest.push_back(put(4));
  auto too_many = put(5);
  for (auto* one : {&too_big, &too_many}) {
    const auto done = result_of(*one);
    EXPECT_EQ(done.error().code(), errc::throttled);
    EXPECT_EQ(done.error().number("waiting"), 4);
  }
  go.set();
  EXPECT_TRUE(result_of(first));
  for (auto& one : rest) EXPECT_TRUE(result_of(one));
  EXPECT_EQ(commits, 3);
  EXPECT_TRUE(run(db().run(ctx(), big, grouped)));  // alone it fits
}

TEST_P(groups, tell_everybody_when_there_is_no_connection) {
  server->refuse_connections = error{errc::denied, "the password is wrong"};
  auto a = put(1);
  auto b = put(2);
  for (auto* one : {&a, &b}) {
    const auto done = result_of(*one);
    EXPECT_EQ(done.error().code(), errc::denied);
    EXPECT_EQ(sql::outcome_of(done.error()), sql::outcome::not_sent);
  }
}

TEST_P(groups, end_with_the_database_and_leave_nobody_waiting) {
  hold_commits();
  auto runs = put(0);
  loop.run_until_idle();
  auto queued = put(1);
  loop.run_until_idle();
  auto closing = start([this](context bound) { return db().close(bound); });
  loop.run_until_idle();
  EXPECT_EQ(result_of(queued).error().code(), errc::closed);
  EXPECT_FALSE(closing.done());
  go.set();
  EXPECT_TRUE(result_of(runs));
  loop.run_until_idle();
  EXPECT_TRUE(closing.done());
  EXPECT_EQ(run(db().run(ctx(), sql::script{}, grouped))->size(), 0U);
  auto late = put(2);
  EXPECT_EQ(result_of(late).error().code(), errc::closed);
  EXPECT_EQ(server->table_size(), 1U);
}

TEST_P(groups, come_in_strict_order) {
  open({.group = {.scripts = 1}});
  hold_commits();
  auto first = put(0);
  loop.run_until_idle();
  std::vector<int> order;
  std::vector<task_handle<void>> rest;
  for (int i = 1; i <= 100; ++i) {
    rest.push_back(start([this, i, &order](context bound) -> task<void> {
      sql::script s;
      s.add("txput ? ?", i, i);
      if (co_await db().run(bound, std::move(s), grouped)) order.push_back(i);
    }));
    loop.run_until_idle();
  }
  go.set();
  EXPECT_TRUE(result_of(first));
  loop.run_until_idle();
  ASSERT_EQ(order.size(), 100U);
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST_P(groups, asked_for_inside_of_a_transaction_on_the_one_writer_would_wait_for_themselves) {
  server->single_writer = true;
  auto body = [&](sql::tx& t) -> task<result<void>> {
    sql::script s;
    s.add("txput ? ?", 1, 1);
    auto done = co_await db().run(t.ctx(), s, grouped);
    if (!done) co_return std::unexpected(done.error());
    co_return result<void>{};
  };
  EXPECT_EQ(run(db().with_tx(ctx(), body)).error().code(), errc::would_deadlock);
}

}  // namespace
}  // namespace weir
