#include <weir/pool/hooks.hpp>

#include "sql/fixture.hpp"

namespace weir {
namespace {

/// A database whose connections are out when it closes.
class closing : public fake_db {
 protected:
  /// Closes for a second; says what the error says of the holders.
  std::string late() {
    const context_source budget{ctx(), {.timeout = 1s}};
    const auto closed = run(db().close(budget.get()));
    if (closed) return "";
    EXPECT_EQ(closed.error().code(), errc::unavailable);
    return std::string{closed.error().text("held by").value_or("")};
  }
};

TEST_F(closing, within_a_budget_names_the_callers_who_hold_connections) {
  open({.max_open = 4, .fetch_rows = 1});
  auto rows = run(db().query(ctx(), "count ?", 5)).value();
  auto t = run(db().begin(ctx())).value();
  auto c = run(db().connect(ctx())).value();
  auto holds = [this](sql::tx& mine) -> task<result<void>> {
    (void)co_await sleep_for(ctx(), 10s);
    const auto put = co_await mine.exec("txput ? ?", 1, 1);
    if (!put) co_return std::unexpected(put.error());
    co_return result<void>{};
  };
  auto slow = start([&](context bound) { return db().with_tx(bound, holds); });
  loop.run_until_idle();
  const std::string held = late();
  std::size_t named = 0;
  for (std::size_t at = held.find("sql/closing_test.cpp:"); at != std::string::npos;
       at = held.find("sql/closing_test.cpp:", at + 1)) {
    ++named;
  }
  EXPECT_EQ(named, 4U) << held;
  EXPECT_NE(held.find("for at least 1s"), std::string::npos) << held;
  // What is held may be used to its end, and is closed then.
  EXPECT_EQ(server->open(), 4);
  EXPECT_TRUE(run(rows.next()));
  run(rows.close());
  EXPECT_TRUE(run(t.exec("txput ? ?", 2, 2)));
  EXPECT_TRUE(run(t.commit()));
  c.release();
  loop.run_until_idle();
  EXPECT_EQ(server->open(), 1);
  EXPECT_FALSE(late().empty());
  time.advance(10s);
  loop.run_until_idle();
  EXPECT_TRUE(slow.done());
  EXPECT_EQ(server->open(), 0);
}

TEST_F(closing, while_a_statement_runs_waits_for_it_and_closes_its_connection) {
  open({.max_open = 1});
  server->hook = [](context bound, fake::call c, fake::connection*) -> task<result<void>> {
    if (c == fake::call::exec) (void)co_await sleep_for(bound, 3s);
    co_return result<void>{};
  };
  auto slow = start([&](context bound) { return db().exec(bound, "put ? ?", 1, 1); });
  loop.run_until_idle();
  EXPECT_NE(late().find("sql/closing_test.cpp:"), std::string::npos);
  EXPECT_EQ(server->open(), 1);
  time.advance(3s);
  loop.run_until_idle();
  EXPECT_TRUE(slow.done());
  EXPECT_EQ(server->open(), 0);
  EXPECT_EQ(db().stats().writers.opened, db().stats().writers.closed_shutdown);
}

TEST_F(closing, names_who_has_the_writer_and_who_has_readers) {
  server->single_writer = true;
  open({.max_open = 3, .fetch_rows = 1});
  auto rows = run(db().query(ctx(), "count ?", 5)).value();
  auto t = run(db().begin(ctx())).value();
  const context_source budget{ctx(), {.timeout = 1s}};
  const auto closed = run(db().close(budget.get()));
  ASSERT_FALSE(closed);
  const std::string writer{closed.error().text("held by").value_or("")};
  const std::string reader{closed.error().text("readers held by").value_or("")};
  EXPECT_TRUE(writer.starts_with("sql/closing_test.cpp:")) << writer;
  EXPECT_TRUE(reader.starts_with("sql/closing_test.cpp:")) << reader;
  EXPECT_NE(writer, reader);
}

using leaks = closing;

TEST_F(leaks, of_connections_are_reported_with_their_callers) {
  struct sites final : pool_hooks {
    void on_leak(std::string_view, duration, const std::source_location& site) noexcept override {
      seen = site.file_name();
    }
    std::string seen;
  } hooks;
  open({.max_open = 1, .leak_after = 1s, .hooks = &hooks});
  {
    auto c = run(db().connect(ctx())).value();
    time.advance(1s);
    loop.run_until_idle();
    time.advance(2s);
    loop.run_until_idle();
  }
  EXPECT_NE(hooks.seen.find("sql/closing_test.cpp"), std::string::npos) << hooks.seen;
  EXPECT_TRUE(run(db().close(ctx())));
}

}  // namespace
}  // namespace weir
