#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <weir/runtime/start.hpp>

#include "postgres/fixture.hpp"

namespace weir {
namespace {

/// Reads that wait together on a lane of one connection.
class merged_reads : public postgres_server {
 protected:
  void SetUp() override {
    open(socket_url(), {.max_open = 2, .pipelined = 1, .merge_reads = true});
    exec("CREATE TABLE merged_items(k int PRIMARY KEY, v text, n int)");
    exec(
        "INSERT INTO merged_items SELECT i, CASE WHEN i % 5 <> 0 THEN 'it''s ' || i END, i % 3"
        " FROM generate_series(1, 40) AS i");
  }
  void TearDown() override {
    exec("DROP TABLE merged_items");
    postgres_server::TearDown();
  }

  /// What `one(i)` gives for 0 to n - 1, all asked while the lane is busy with something else.
  template <class T, class F>
  std::vector<T> together(int n, F one) {
    auto gate = weir::wait(db().connect({})).value();
    EXPECT_TRUE(weir::wait(gate.exec({}, "SELECT pg_advisory_lock(7)")));
    auto hold = [this]() -> task<bool> {
      auto held = co_await db().exec({}, "SELECT pg_advisory_xact_lock(7)");
      co_return held.has_value();
    };
    auto held = *stop_.spawn("hold", hold);
    while (waiting_for_locks(gate) == 0) {
    }
    std::atomic<int> asking = 0;
    std::vector<task_handle<T>> all;
    for (int i = 0; i < n; ++i) {
      auto ask = [&asking, one, i]() -> task<T> {
        ++asking;
        co_return co_await one(i);
      };
      all.push_back(*stop_.spawn("asker", ask));
    }
    while (asking < n) std::this_thread::yield();
    EXPECT_EQ(waiting_for_locks(gate), 1);  // takes longer than the last one needs to ask
    EXPECT_TRUE(weir::wait(gate.exec({}, "SELECT pg_advisory_unlock(7)")));
    std::vector<T> out;
    for (auto& each : all) out.push_back(weir::wait(each.join({})));
    EXPECT_TRUE(weir::wait(held.join({})).value());
    return out;
  }

  static int waiting_for_locks(sql::conn& c) {
    return weir::wait(c.query_row<int>({}, "SELECT count(*)::int FROM pg_locks WHERE NOT granted"))
        .value();
  }

  /// Statements that the lane has merged so far.
  std::int64_t merged() {
    return row<std::int64_t>(
               "SELECT count(*) FROM pg_prepared_statements"
               " WHERE statement LIKE '%weir_each%' AND name LIKE 'weir_lane%'"
               " AND statement NOT LIKE '%pg_prepared%'")
        .value();
  }
};

using text_or_null = result<std::optional<std::string>>;

TEST_F(merged_reads, give_each_caller_its_own_rows) {
  auto one = [this](int i) -> task<text_or_null> {
    co_return co_await db().query_row<std::optional<std::string>>(
        {}, "SELECT v FROM merged_items WHERE k = $1 AND 'a''b' <> $2", i, "x");
  };
  for (int round = 0; round < 4; ++round) {
    const auto all = together<text_or_null>(45, one);
    for (int i = 0; i < 45; ++i) {
      const auto& got = all[static_cast<std::size_t>(i)];
      if (i == 0 || i > 40) {
        EXPECT_EQ(got.error().code(), errc::not_found);
        continue;
      }
      ASSERT_TRUE(got) << got.error().to_string();
      EXPECT_EQ(*got, i % 5 != 0 ? std::optional{"it's " + std::to_string(i)} : std::nullopt);
    }
  }
  EXPECT_EQ(merged(), 1);
}

TEST_F(merged_reads, keep_the_order_of_each_and_know_null) {
  auto next = [this](int i) -> task<result<int>> {
    std::optional<int> after = i;
    if (i == 7) after.reset();
    co_return co_await db().query_row<int>(
        {}, "SELECT k FROM merged_items WHERE k > $1 ORDER BY k DESC, v LIMIT 3 OFFSET 1", after);
  };
  auto count = [this](int i) -> task<result<sql::exec_result>> {
    co_return co_await db().exec({}, "SELECT * FROM merged_items WHERE k <= $1::int4", i);
  };
  for (int round = 0; round < 3; ++round) {
    const auto all = together<result<int>>(20, next);
    for (int i = 0; i < 20; ++i) {
      const auto& got = all[static_cast<std::size_t>(i)];
      EXPECT_EQ(got ? *got : 0, i == 7 ? 0 : 39) << i;
    }
    const auto counts = together<result<sql::exec_result>>(20, count);
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(counts[static_cast<std::size_t>(i)].value().rows_affected, i);
    }
  }
  EXPECT_EQ(merged(), 2);
}

TEST_F(merged_reads, take_and_give_the_types_there_are) {
  const sql::wall_time when{std::chrono::hours{24 * 365 * 56}};
  auto one = [this, when](int i) -> task<result<std::string>> {
    // numeric has no binary form: the answers are text.
    co_return co_await db().query_row<std::string>(
        {},
        "SELECT k::numeric FROM merged_items WHERE k = $1::int2 AND k < $2::int8 AND $3::bool"
        " AND k > $4::float8 AND v <> $5 AND $6::timestamptz > '2020-01-01'",
        i + 1, 1000, true, 0.5, "é", when);
  };
  for (int round = 0; round < 3; ++round) {
    const auto all = together<result<std::string>>(4, one);
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(all[static_cast<std::size_t>(i)].value(), std::to_string(i + 1));
    }
  }
  EXPECT_EQ(merged(), 1);
}

TEST_F(merged_reads, that_fail_are_the_errors_of_those_who_asked) {
  auto one = [this](int i) -> task<result<int>> {
    co_return co_await db().query_row<int>({}, "SELECT 6 / n FROM merged_items WHERE k = $1", i);
  };
  for (int round = 0; round < 4; ++round) {
    const auto all = together<result<int>>(20, one);
    for (int i = 1; i < 20; ++i) {
      const auto& got = all[static_cast<std::size_t>(i)];
      if (i % 3 == 0) {
        EXPECT_EQ(got.error().text("sqlstate"), "22012");
      } else {
        EXPECT_EQ(got.value(), 6 / (i % 3));
      }
    }
  }
}

TEST_F(merged_reads, are_plain_ones_alone) {
  exec("CREATE SEQUENCE merged_numbers");
  const std::vector<std::string> apart{
      "SELECT nextval('merged_numbers') FROM merged_items WHERE k = $1",
      "SELECT (SELECT nextval('merged_numbers')) FROM merged_items WHERE k = $1",
      "SELECT nextval ('merged_numbers') /* a call */ FROM merged_items WHERE k = $1",
      "SELECT \"nextval\"('merged_numbers') FROM merged_items WHERE k = $1",
  };
  std::vector<std::int64_t> seen;
  for (const std::string& text : apart) {
    auto one = [this, &text](int i) -> task<result<std::int64_t>> {
      co_return co_await db().query_row<std::int64_t>({}, text, i + 1);
    };
    for (int round = 0; round < 3; ++round) {
      for (const auto& got : together<result<std::int64_t>>(8, one)) seen.push_back(got.value());
    }
  }
  std::sort(seen.begin(), seen.end());
  EXPECT_EQ(std::unique(seen.begin(), seen.end()), seen.end()) << "two callers got one number";
  auto lock = [this](int i) -> task<result<int>> {
    co_return co_await db().query_row<int>({}, "SELECT k FROM merged_items WHERE k = $1 FOR UPDATE",
                                           i + 1);
  };
  for (int round = 0; round < 3; ++round) {
    for (const auto& got : together<result<int>>(8, lock)) EXPECT_TRUE(got);
  }
  EXPECT_EQ(merged(), 0);
  exec("DROP SEQUENCE merged_numbers");
}

TEST_F(merged_reads, notice_a_changed_table) {
  auto one = [this](int i) -> task<result<std::string>> {
    co_return co_await db().query_row<std::string>(
        {}, "SELECT * FROM merged_items WHERE k = $1 ORDER BY v", i + 1);
  };
  auto narrow = [this](int i) -> task<result<std::string>> {
    co_return co_await db().query_row<std::string>(
        {}, "SELECT n FROM merged_items WHERE k = $1 ORDER BY v", i + 1);
  };
  exec("ALTER TABLE merged_items ALTER n TYPE text");
  for (int round = 0; round < 3; ++round) {
    for (const auto& got : together<result<std::string>>(8, narrow)) EXPECT_TRUE(got);
    for (const auto& got : together<result<std::string>>(8, one)) {
      EXPECT_EQ(got.error().code(), errc::invalid_argument);  // three columns
    }
  }
  exec("ALTER TABLE merged_items ALTER n TYPE varchar");
  exec("ALTER TABLE merged_items ADD more int DEFAULT 5");
  for (int round = 0; round < 3; ++round) {
    for (const auto& got : together<result<std::string>>(8, narrow)) EXPECT_TRUE(got);
    for (const auto& got : together<result<std::string>>(8, one)) {
      EXPECT_EQ(got.error().code(), errc::invalid_argument);  // four
    }
  }
}

TEST_F(merged_reads, are_for_who_asks_for_them) {
  open(socket_url(), {.max_open = 2, .pipelined = 1});
  auto one = [this](int i) -> task<result<int>> {
    co_return co_await db().query_row<int>({}, "SELECT n FROM merged_items WHERE k = $1", i + 1);
  };
  for (int round = 0; round < 3; ++round) {
    for (const auto& got : together<result<int>>(16, one)) EXPECT_TRUE(got);
  }
  EXPECT_EQ(merged(), 0);
}

}  // namespace
}  // namespace weir
