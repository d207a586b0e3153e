#pragma once

// What every database does, whatever its driver: the acceptance tests that need no fake.
//
// A program that speaks to one defines its fixture and then includes this file, once:
//
//     struct conforming_database : public some_fixture {     // a runtime, a stopper `stop_`, …
//       sql::db& open_db(sql::db_options limits);             // empty, or with its table t dropped
//       static constexpr const char* endless = "SELECT …";    // one row, if it ever ended
//       static constexpr sql::isolation unsupported = …;      // nothing if it has all of them
//       static constexpr bool cancels_by_message = …;         // beside the connection's own
//     };
//     #include "sql/conformance.hpp"
//     #include "sql/mixes.hpp"
//
// Parameters are $1, $2, … in their order, which SQLite and PostgreSQL both read. The numbers are
// those of the list of acceptance tests; tests/sql/acceptance.md says where all of them are.

#include <array>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weir/runtime/run_loop.hpp>
#include <weir/sql/db.hpp>
#include <weir/sql/uuid.hpp>

namespace weir {

class conformance : public conforming_database {
 protected:
  sql::db& with_table(sql::db_options limits = {}) {
    db_ = &this->open_db(limits);
    run("CREATE TABLE t(id INTEGER PRIMARY KEY, v INTEGER NOT NULL, note TEXT)");
    for (int i = 0; i < 10; ++i) run("INSERT INTO t VALUES ($1, 0, NULL)", i);
    return *db_;
  }
  template <class... P>
  sql::exec_result run(sql::statement_text text, P&&... p) {
    auto done = weir::wait(db_->exec({}, std::move(text), std::forward<P>(p)...));
    EXPECT_TRUE(done) << (done ? "" : done.error().to_string());
    return done.value_or(sql::exec_result{});
  }
  std::int64_t number(sql::statement_text text) {
    return weir::wait(db_->query_row<std::int64_t>({}, std::move(text))).value_or(-1);
  }
  /// The only connection can be had, and does what it is told.
  void expect_usable() { EXPECT_EQ(number("SELECT 41 + 1"), 42); }
  std::size_t in_use() {
    const auto stats = db_->stats();
    return stats.writers.in_use + (stats.readers ? stats.readers->in_use : 0);
  }
  static sql::statement_text endless_text() {
    return sql::statement_text{std::string_view{conforming_database::endless}};
  }
  static sql::script puts(int id, int v) {
    sql::script s;
    s.add("UPDATE t SET v = v + $1 WHERE id = $2", v, id);
    s.add("SELECT v FROM t WHERE id = $1", id);
    return s;
  }

  sql::db* db_ = nullptr;
};

// Functions: g++ 12 warns of coroutines that keep a header's local lambdas.
inline void* handle_seen = nullptr;
inline void see_handle(void* handle) {
  handle_seen = handle;
}
inline void throw_with_handle(void*) {
  throw 1;
}

constexpr sql::run_options in_group{.commit = sql::commit_mode::grouped};

TEST_F(conformance, 24_connections_answer_a_ping) {
  auto& db = with_table();
  EXPECT_TRUE(weir::wait(db.ping({})));
}

TEST_F(conformance, 25_rows_cancelled_half_way_give_their_connection_back) {
  auto& db = with_table({.max_open = 2, .fetch_rows = 1});
  context_source mine;
  auto rows = weir::wait(db.query(mine.get(), "SELECT id FROM t ORDER BY id")).value();
  EXPECT_TRUE(weir::wait(rows.next()));
  mine.cancel();
  while (weir::wait(rows.next())) {
  }
  EXPECT_EQ(rows.finish().error().code(), errc::cancelled);
  EXPECT_EQ(this->in_use(), 0U);
  expect_usable();
}

TEST_F(conformance, 26_a_running_statement_ends_with_its_context_and_nobody_else_notices) {
  auto& db = with_table({.max_open = 1});
  context_source hurry{{}, {.timeout = 20ms}};
  const auto got = weir::wait(db.query_row<std::int64_t>(hurry.get(), endless_text()));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), errc::deadline_exceeded);
  for (int i = 0; i < 20; ++i) expect_usable();
}

TEST_F(conformance, 27_a_cancelled_transaction_leaves_nothing_behind) {
  auto& db = with_table({.max_open = 1});
  context_source mine;
  auto t = weir::wait(db.begin(mine.get())).value();
  EXPECT_TRUE(weir::wait(t.exec("UPDATE t SET v = 7")));
  mine.cancel();
  EXPECT_EQ(weir::wait(t.exec("UPDATE t SET v = 8")).error().code(), errc::cancelled);
  EXPECT_EQ(weir::wait(t.commit()).error().code(), errc::cancelled);
  EXPECT_EQ(number("SELECT sum(v) FROM t"), 0);
}

TEST_F(conformance, 29_a_hundred_short_deadlines_leave_every_connection_usable) {
  auto& db = with_table({.max_open = 2});
  for (int i = 0; i < 100; ++i) {
    context_source hurry{{}, {.timeout = std::chrono::microseconds{i * 5}}};
    static_cast<void>(weir::wait(db.query_row<int>(hurry.get(), "SELECT count(*) FROM t")));
  }
  expect_usable();
  EXPECT_EQ(in_use(), 0U);
}

TEST_F(conformance, 31_a_rollback_ends_open_rows) {
  auto& db = with_table({.max_open = 1, .fetch_rows = 1});
  auto t = weir::wait(db.begin({})).value();
  auto rows = weir::wait(t.query("SELECT id FROM t")).value();
  EXPECT_TRUE(weir::wait(rows.next()));
  EXPECT_TRUE(weir::wait(t.rollback()));
  while (weir::wait(rows.next())) {
  }
  EXPECT_FALSE(rows.finish());
  expect_usable();
}

TEST_F(conformance, 32_rows_of_a_transaction_that_is_cancelled_end_with_it) {
  auto& db = with_table({.max_open = 1, .fetch_rows = 1});
  context_source mine;
  auto t = weir::wait(db.begin(mine.get())).value();
  auto rows = weir::wait(t.query("SELECT id FROM t")).value();
  EXPECT_TRUE(weir::wait(rows.next()));
  mine.cancel();
  while (weir::wait(rows.next())) {
  }
  EXPECT_EQ(rows.finish().error().code(), errc::cancelled);
  expect_usable();
}

TEST_F(conformance, 34_hundreds_of_queries_run_after_cancelled_ones) {
  auto& db = with_table({.max_open = 2, .fetch_rows = 1});
  for (int i = 0; i < 200; ++i) {
    context_source mine;
    auto rows = weir::wait(db.query(mine.get(), "SELECT id FROM t"));
    ASSERT_TRUE(rows);
    EXPECT_TRUE(weir::wait(rows->next()));
    if (i % 2 == 0) mine.cancel();
  }
  expect_usable();
}

TEST_F(conformance, 37_rows_closed_early_are_no_error) {
  auto& db = with_table({.max_open = 1, .fetch_rows = 1});
  auto rows = weir::wait(db.query({}, "SELECT id FROM t")).value();
  EXPECT_TRUE(weir::wait(rows.next()));
  weir::wait(rows.close());
  EXPECT_TRUE(rows.finish());
  expect_usable();
}

TEST_F(conformance, 38_a_transaction_ends_once) {
  auto& db = with_table();
  auto t = weir::wait(db.begin({})).value();
  EXPECT_TRUE(weir::wait(t.commit()));
  EXPECT_EQ(weir::wait(t.commit()).error().code(), errc::already_done);
  EXPECT_EQ(weir::wait(t.exec("UPDATE t SET v = 1")).error().code(), errc::already_done);
  EXPECT_EQ(number("SELECT sum(v) FROM t"), 0);
}

TEST_F(conformance, 39_43_a_statement_is_used_again_until_it_is_closed) {
  auto& db = with_table();
  auto one = weir::wait(db.prepare({}, "UPDATE t SET v = v + $1 WHERE id = $2")).value();
  EXPECT_EQ(one.parameters(), 2U);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(weir::wait(one.exec({}, 1, i)).value().rows_affected, 1);
  }
  one.close();
  EXPECT_EQ(weir::wait(one.exec({}, 1, 1)).error().code(), errc::already_done);
  EXPECT_EQ(number("SELECT sum(v) FROM t"), 5);
}

TEST_F(conformance, 44_ten_threads_share_one_statement) {
  auto& db = with_table({.max_open = 3});
  auto one = weir::wait(db.prepare({}, "SELECT id FROM t WHERE id = $1")).value();
  std::array<int, 10> good{};
  std::vector<std::thread> threads;
  for (int t = 0; t < 10; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 20; ++i) {
        auto rows = weir::wait(one.query({}, t));
        if (rows && weir::wait(rows->next()) && rows->get<int>(0) == t) ++good[t];
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const int count : good) EXPECT_EQ(count, 20);
}

TEST_F(conformance, 46_47_a_database_closes_with_its_statements_and_rows) {
  auto& db = with_table({.max_open = 2, .fetch_rows = 1});
  auto one = weir::wait(db.prepare({}, "SELECT id FROM t WHERE id = $1")).value();
  {
    auto rows = weir::wait(db.query({}, "SELECT id FROM t")).value();
    EXPECT_TRUE(weir::wait(rows.next()));
    context_source soon{{}, {.timeout = 5ms}};
    EXPECT_FALSE(weir::wait(db.close(soon.get())));  // the rows have a connection
  }
  EXPECT_TRUE(weir::wait(db.close({})));
  EXPECT_EQ(weir::wait(one.query({}, 1)).error().code(), errc::closed);
  EXPECT_EQ(db.stats().writers.open, 0U);
}

TEST_F(conformance, 48_statements_prepared_and_closed_ten_times_need_one_connection) {
  auto& db = with_table();
  const auto before = db.stats().writers.opened;
  for (int i = 0; i < 10; ++i) {
    auto one = weir::wait(db.prepare({}, "UPDATE t SET v = $1")).value();
    EXPECT_TRUE(weir::wait(one.exec({}, 0)));
    one.close();
  }
  EXPECT_EQ(db.stats().writers.opened, before);
}

TEST_F(conformance, 49_a_transaction_reads_two_sets_of_rows_at_once) {
  auto& db = with_table({.fetch_rows = 1});
  auto t = weir::wait(db.begin({})).value();
  {
    auto a = weir::wait(t.query("SELECT id FROM t ORDER BY id")).value();
    auto b = weir::wait(t.query("SELECT id FROM t ORDER BY id")).value();
    for (int i = 0; i < 10; ++i) {
      ASSERT_TRUE(weir::wait(a.next()));
      ASSERT_TRUE(weir::wait(b.next()));
      EXPECT_EQ(a.get<int>(0), i);
      EXPECT_EQ(b.get<int>(0), i);
    }
  }
  EXPECT_TRUE(weir::wait(t.commit()));
}

TEST_F(conformance, 50_51_a_pinned_connection_has_its_handle_and_a_throw_there_discards_it) {
  auto& db = with_table({.max_open = 2});
  const auto opened = db.stats().writers.opened;
  {
    auto c = weir::wait(db.connect({})).value();
    EXPECT_TRUE(weir::wait(c.with_native(&see_handle)));
    EXPECT_NE(handle_seen, nullptr);
    EXPECT_THROW((void)weir::wait(c.with_native(&throw_with_handle)), int);
  }
  run("UPDATE t SET v = 0");
  EXPECT_EQ(db.stats().writers.opened, opened + 1);
}

TEST_F(conformance, 52_an_isolation_that_it_does_not_have_is_an_error) {
  auto& db = with_table();
  if (conforming_database::unsupported == sql::isolation::driver_default) return;
  const auto t = weir::wait(db.begin({}, {.level = conforming_database::unsupported}));
  ASSERT_FALSE(t);
  EXPECT_EQ(t.error().code(), errc::unsupported);
  expect_usable();
}

TEST_F(conformance, 58_null_is_an_optional_and_an_error_in_a_plain_type) {
  auto& db = with_table();
  run("UPDATE t SET note = $1 WHERE id = 1", std::optional<std::string>{});
  run("UPDATE t SET note = $1 WHERE id = 2", std::optional<std::string>{"x"});
  const auto notes = weir::wait(db.query_all<std::optional<std::string>>(
      {}, "SELECT note FROM t WHERE id IN (1, 2) ORDER BY id"));
  EXPECT_EQ(notes.value(), (std::vector<std::optional<std::string>>{std::nullopt, "x"}));
  const auto plain = weir::wait(db.query_row<std::string>({}, "SELECT note FROM t WHERE id = 1"));
  EXPECT_EQ(plain.error().code(), errc::type_mismatch);
  EXPECT_EQ(plain.error().text("column"), "note");
}

TEST_F(conformance, 59_61_what_does_not_fit_names_its_column) {
  auto& db = with_table();
  run("UPDATE t SET v = 1000 WHERE id = 1");
  const auto small = weir::wait(db.query_row<std::int8_t>({}, "SELECT v FROM t WHERE id = 1"));
  EXPECT_EQ(small.error().code(), errc::out_of_range);
  EXPECT_EQ(small.error().text("column"), "v");
  const auto few = weir::wait(db.exec({}, "UPDATE t SET v = $1 WHERE id = $2", 1));
  EXPECT_EQ(few.error().code(), errc::invalid_argument);
  EXPECT_EQ(few.error().number("wanted"), 2);
  EXPECT_EQ(few.error().number("given"), 1);
  EXPECT_EQ(weir::wait(db.query_row<int>({}, "SELECT v FROM t WHERE id = 77")).error().code(),
            errc::not_found);
}

TEST_F(conformance, 61_what_the_data_forbids_is_refused_and_the_connection_goes_on) {
  auto& db = with_table({.max_open = 1});
  const auto twice = weir::wait(db.exec({}, "INSERT INTO t VALUES ($1, 0, NULL)", 1));
  EXPECT_EQ(twice.error().code(), errc::constraint);
  EXPECT_EQ(sql::outcome_of(twice.error()), sql::outcome::refused);
  EXPECT_EQ(weir::wait(db.exec({}, "no such statement")).error().code(), errc::invalid_argument);
  expect_usable();
}

struct conforming_row {
  int id;
  std::int64_t v;
  std::optional<std::string> note;
};

TEST_F(conformance, rows_are_read_as_plain_structs) {
  auto& db = with_table();
  run("UPDATE t SET v = 70000, note = $1 WHERE id = 3", "three");
  const auto one =
      weir::wait(db.query_row<conforming_row>({}, "SELECT id, v, note FROM t WHERE id = 3"));
  ASSERT_TRUE(one) << one.error().to_string();
  EXPECT_EQ(one->id, 3);
  EXPECT_EQ(one->v, 70'000);
  EXPECT_EQ(one->note, "three");
  const auto all = weir::wait(db.query_all<conforming_row>({}, "SELECT id, v, note FROM t"));
  EXPECT_EQ(all.value().size(), 10U);
}

TEST_F(conformance, uuids_go_both_ways) {
  auto& db = with_table();
  const auto id = sql::uuid::parse("f81d4fae-7dec-11d0-a765-00a0c91e6bf6").value();
  run("UPDATE t SET note = $1 WHERE id = 1", id);
  const auto back = weir::wait(db.query_row<sql::uuid>({}, "SELECT note FROM t WHERE id = 1"));
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(*back, id);
}

TEST_F(conformance, scripts_are_one_transaction_and_give_what_each_step_gave) {
  auto& db = with_table();
  for (const auto& how : {sql::run_options{}, in_group}) {
    const auto done = weir::wait(db.run({}, puts(1, 5), how));
    ASSERT_TRUE(done) << done.error().to_string();
    EXPECT_EQ(done->at(0).rows_affected, 1);
    EXPECT_EQ(done->rows(1), 1U);
  }
  EXPECT_EQ(weir::wait(db.run({}, puts(1, 5)))->row<int>(1), 15);
}

TEST_F(conformance, scripts_that_fail_leave_nothing_and_name_the_step) {
  auto& db = with_table({.max_open = 1});
  for (const auto& how : {sql::run_options{}, in_group}) {
    sql::script s = puts(1, 5);
    s.add("INSERT INTO t VALUES ($1, 0, NULL)", 2);
    s.add("UPDATE t SET v = 99");
    const auto done = weir::wait(db.run({}, s, how));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), errc::constraint);
    EXPECT_EQ(done.error().number("step"), 2);
    EXPECT_EQ(number("SELECT sum(v) FROM t"), 0);
  }
}

TEST_F(conformance, groups_of_many_callers_lose_only_what_failed) {
  auto& db = with_table({.max_open = 2});
  std::vector<task_handle<int>> callers;
  for (int c = 0; c < 16; ++c) {
    auto client = [&db, c](context ctx) -> task<int> {
      int good = 0;
      for (int i = 0; i < 10; ++i) {
        sql::script s = puts(c % 10, 1);
        const bool fails = (c + i) % 7 == 0;
        if (fails) s.add("INSERT INTO t VALUES ($1, 0, NULL)", c % 10);
        const auto done = co_await db.run(ctx, s, in_group);
        EXPECT_EQ(done.has_value(), !fails) << (done ? "" : done.error().to_string());
        good += done ? 1 : 0;
      }
      co_return good;
    };
    callers.push_back(this->stop_.spawn("client", client).value());
  }
  int good = 0;
  for (auto& one : callers) good += weir::wait(one.join({})).value();
  EXPECT_GT(good, 100);
  EXPECT_EQ(number("SELECT sum(v) FROM t"), good);
}

TEST_F(conformance, scripts_that_are_cancelled_are_told_apart_from_those_that_may_have_happened) {
  auto& db = with_table({.max_open = 2});
  std::int64_t known = 0;
  std::int64_t unknown = 0;
  for (int i = 0; i < 100; ++i) {
    context_source hurry{{}, {.timeout = std::chrono::microseconds{i * 10}}};
    const auto done = weir::wait(db.run(hurry.get(), puts(1, 1), in_group));
    if (done) {
      ++known;
    } else if (sql::outcome_of(done.error()) == sql::outcome::unknown) {
      ++unknown;
    }
  }
  const std::int64_t sum = number("SELECT sum(v) FROM t");
  EXPECT_GE(sum, known);
  EXPECT_LE(sum, known + unknown);
}

}  // namespace weir
