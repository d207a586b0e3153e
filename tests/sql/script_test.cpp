#include "sql/fixture.hpp"

namespace weir {
namespace {

/// On a driver that sends statement by statement, and on one that sends a batch.
class scripts : public fake_db, public testing::WithParamInterface<bool> {
 protected:
  scripts() { server->batches = GetParam(); }

  static sql::script puts(int from, int count = 2) {
    sql::script s;
    for (int i = from; i < from + count; ++i) s.add("txput ? ?", i, i * 10);
    return s;
  }
  result<sql::script_result> run_one(const sql::script& s, sql::run_options how = {}) {
    return run(db().run(ctx(), s, how));
  }
  [[nodiscard]] bool at_once() const { return GetParam(); }
  /// The call during which statements run.
  [[nodiscard]] fake::call busy_call() const {
    return at_once() ? fake::call::batch : fake::call::exec;
  }
};

INSTANTIATE_TEST_SUITE_P(by_driver, scripts, testing::Bool(),
                         [](const auto& one) { return one.param ? "at_once" : "in_turn"; });

TEST_P(scripts, run_as_one_transaction_and_give_what_each_statement_gave) {
  sql::script s = puts(1);
  const std::size_t seen = s.add("get ?", 2);
  const std::size_t counted = s.add("count ?", 3);
  const auto done = run_one(s);
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ(done->size(), 4U);
  EXPECT_EQ(done->at(0).rows_affected, 1);
  EXPECT_EQ((done->row<int, int>(seen).value()), (std::tuple{2, 20}));
  EXPECT_EQ(done->rows(counted), 3U);
  EXPECT_EQ(done->all<int>(counted).value(), (std::vector{1, 2, 3}));
  EXPECT_EQ(done->row<int>(0).error().code(), errc::not_found);
  EXPECT_EQ(server->table_size(), 2U);
  EXPECT_EQ(server->count(fake::call::batch), at_once() ? 1 : 0);
  EXPECT_EQ(server->count(fake::call::begin), at_once() ? 0 : 1);
}

TEST_P(scripts, without_statements_ask_for_nothing) {
  EXPECT_EQ(run_one(sql::script{})->size(), 0U);
  EXPECT_EQ(server->count(fake::call::connect), 0);
}

TEST_P(scripts, prepare_each_text_once_per_connection) {
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(run_one(puts(1, 4)));
  EXPECT_EQ(server->count(fake::call::prepare), at_once() ? 3 : 1);  // BEGIN and COMMIT too
}

TEST_P(scripts, that_fail_leave_nothing_and_name_the_step) {
  sql::script s = puts(1);
  s.add("refuse");
  s.add("txput ? ?", 9, 9);
  const auto done = run_one(s);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::constraint);
  EXPECT_EQ(done.error().number("step"), 2);
  EXPECT_EQ(sql::outcome_of(done.error()), sql::outcome::refused);
  EXPECT_EQ(server->table_size(), 0U);
  EXPECT_EQ(server->count(fake::call::rollback), 1);
  EXPECT_TRUE(run_one(puts(1)));
  EXPECT_EQ(server->count(fake::call::connect), 1);
}

TEST_P(scripts, with_wrong_statements_or_parameters_name_the_step_and_send_nothing) {
  sql::script wrong = puts(1);
  wrong.add("no such verb");
  EXPECT_EQ(run_one(wrong).error().number("step"), 2);
  sql::script few = puts(1);
  few.add("txput ? ?", 1);
  const auto one = run_one(few);
  EXPECT_EQ(one.error().code(), errc::invalid_argument);
  EXPECT_EQ(one.error().number("step"), 2);
  EXPECT_EQ(one.error().number("wanted"), 2);
  sql::script big;
  big.add("txput ? ?", 1, std::numeric_limits<std::uint64_t>::max());
  const auto two = run_one(big);
  EXPECT_EQ(two.error().code(), errc::out_of_range);
  EXPECT_EQ(two.error().number("step"), 0);
  EXPECT_EQ(server->table_size(), 0U);
}

TEST_P(scripts, take_parameters_by_name) {
  sql::script s;
  s.add("txput :id :v", sql::named("v", 5), sql::named("id", 3));
  s.add("get :id", sql::named("id", 3));
  const auto done = run_one(s);
  ASSERT_TRUE(done) << done.error().to_string();
  EXPECT_EQ((done->row<int, int>(1).value()), (std::tuple{3, 5}));
}

TEST_P(scripts, can_be_used_again_and_filled_anew) {
  sql::script s = puts(1);
  EXPECT_TRUE(run_one(s));
  EXPECT_TRUE(run_one(s));
  s.clear();
  EXPECT_EQ(s.size_bytes(), 0U);
  s.add("txput ? ?", 7, std::string(100, 'x'));
  EXPECT_GT(s.size_bytes(), 100U);
  EXPECT_TRUE(run_one(s));
  EXPECT_EQ(server->table_size(), 3U);
}

TEST_P(scripts, that_lose_against_others_are_run_again) {
  server->conflicts_to_come = 3;
  EXPECT_TRUE(run_one(puts(1)));
  EXPECT_EQ(server->table_size(), 2U);
  server->conflicts_to_come = 100;
  const auto done = run_one(puts(1), {.tx = {.max_retries = 2}});
  EXPECT_EQ(done.error().code(), errc::conflict);
  EXPECT_EQ(done.error().number("attempts"), 3);
}

TEST_P(scripts, whose_commit_lost_its_answer_are_unknown_and_not_repeated) {
  server->lose_commit_answers = true;
  const auto done = run_one(puts(1));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::commit_unknown);
  EXPECT_EQ(server->table_size(), 2U);
  EXPECT_EQ(server->count(fake::call::connect), 1);
}

TEST_P(scripts, that_are_idempotent_are_repeated_when_their_commit_is_unknown) {
  for (const auto commit : {sql::commit_mode::alone, sql::commit_mode::grouped}) {
    server->lose_commit_answers = true;
    int commits = 0;
    server->hook = [&](context, fake::call c, fake::connection*) -> task<result<void>> {
      if ((c == fake::call::commit || c == fake::call::batch) && ++commits == 2) {
        server->lose_commit_answers = false;
      }
      co_return result<void>{};
    };
    const auto done =
        run_one(puts(1), {.commit = commit, .on_unknown = sql::unknown_commit::repeat});
    EXPECT_TRUE(done) << done.error().to_string();
    EXPECT_EQ(commits, 2);
  }
}

TEST_P(scripts, on_connections_that_broke_unsent_go_to_another) {
  EXPECT_TRUE(run_one(puts(1)));
  server->break_all();
  EXPECT_TRUE(run_one(puts(5)));
  server->break_all();
  EXPECT_TRUE(run_one(puts(9), {.commit = sql::commit_mode::grouped}));
  EXPECT_EQ(server->table_size(), 6U);
  EXPECT_EQ(server->count(fake::call::connect), 3);
}

TEST_P(scripts, that_are_cancelled_on_their_way_leave_nothing_behind) {
  open({.max_open = 1});
  server->hook = hangs(busy_call());
  context_source mine{ctx(), {.timeout = 5ms}};
  const auto done = run(db().run(mine.get(), puts(1)));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::deadline_exceeded);
  server->hook = {};
  EXPECT_TRUE(run(db().exec(ctx(), "clean?")));
  EXPECT_EQ(server->table_size(), 0U);
}

TEST_P(scripts, with_an_isolation_that_does_not_exist_are_refused) {
  for (const auto commit : {sql::commit_mode::alone, sql::commit_mode::grouped}) {
    const auto done =
        run_one(puts(1), {.tx = {.level = sql::isolation::snapshot}, .commit = commit});
    EXPECT_EQ(done.error().code(), errc::unsupported);
  }
}

TEST_P(scripts, that_write_and_say_that_they_only_read_are_refused) {
  server->single_writer = true;
  const sql::tx_options read{.access = sql::access::read_only};
  EXPECT_EQ(run_one(puts(1), {.tx = read}).error().code(), errc::invalid_argument);
  sql::script s;
  s.add("count ?", 2);
  EXPECT_EQ(run_one(s, {.tx = read})->rows(0), 2U);
  EXPECT_EQ(run_one(s, {.tx = read, .commit = sql::commit_mode::grouped}).error().code(),
            errc::invalid_argument);
}

TEST_P(scripts, whose_driver_throws_let_the_pool_go_on) {
  open({.max_open = 1});
  for (const auto commit : {sql::commit_mode::alone, sql::commit_mode::grouped}) {
    server->hook = [&](context, fake::call c, fake::connection*) -> task<result<void>> {
      if (c == busy_call()) throw std::runtime_error{"in the driver"};
      co_return result<void>{};
    };
    if (commit == sql::commit_mode::alone) {
      EXPECT_THROW((void)run_one(puts(1)), std::runtime_error);
    } else {
      EXPECT_EQ(run_one(puts(1), {.commit = commit}).error().code(), errc::commit_unknown);
    }
    server->hook = {};
    EXPECT_TRUE(run_one(puts(1), {.commit = commit}));
  }
}

}  // namespace
}  // namespace weir
