#include <stdexcept>

#include "sql/fixture.hpp"

namespace weir {
namespace {

class counting_executor final : public core::executor {
 public:
  explicit counting_executor(core::executor& to) : to_(to) {}
  void execute(core::work& item) noexcept override {
    ++scheduled;
    to_.execute(item);
  }
  core::timer_service& timers() noexcept override { return to_.timers(); }
  clock& time() noexcept override { return to_.time(); }
  [[nodiscard]] const char* name() const noexcept override { return "home"; }
  int scheduled = 0;

 private:
  core::executor& to_;
};

class connections : public fake_db {
 protected:
  /// Opens `n` connections at once, so that as many are idle afterwards.
  void warm(std::size_t n) {
    std::vector<sql::conn> held;
    for (std::size_t i = 0; i < n; ++i) held.push_back(run(db().connect(ctx())).value());
    held.clear();
    loop.run_until_idle();
    ASSERT_EQ(db().stats().writers.idle, n);
  }
  result<void> one(std::string_view what);

  counting_executor home{loop};
};

result<void> connections::one(std::string_view what) {
  const auto plain = [](const auto& r) -> result<void> {
    if (!r) return std::unexpected(r.error());
    return {};
  };
  if (what == "query") return plain(run(db().query_all<int>(ctx(), "count ?", 3)));
  if (what == "query_row") return plain(run(db().query_row<int>(ctx(), "echo ?", 3)));
  if (what == "exec") return plain(run(db().exec(ctx(), "put ? ?", 1, 2)));
  if (what == "begin") return plain(run(db().begin(ctx())));
  if (what == "prepare") return plain(run(db().prepare(ctx(), "all")));
  if (what == "connect") return plain(run(db().connect(ctx())));
  if (what == "ping") return run(db().ping(ctx()));
  if (what == "with_tx") {
    return run(db().with_tx(ctx(), [](sql::tx& t) -> task<result<void>> {
      auto put = co_await t.exec("txput ? ?", 1, 2);
      if (!put) co_return std::unexpected(put.error());
      co_return result<void>{};
    }));
  }
  auto stmt = run(db().prepare(ctx(), "count ?")).value();
  server->break_all();  // again: preparing has found a good one
  if (what == "stmt exec") return plain(run(stmt.exec(ctx(), 1)));
  return plain(run(stmt.query(ctx(), 1)));
}

TEST_F(connections, that_are_all_broken_are_replaced_in_secret_whatever_is_asked) {
  open({.max_open = 5});
  for (const char* what : {"query", "query_row", "exec", "begin", "prepare", "connect", "ping",
                           "with_tx", "stmt exec", "stmt query"}) {
    warm(5);
    server->break_all();
    const auto done = one(what);
    EXPECT_TRUE(done) << what << ": " << (done ? "" : done.error().to_string());
    loop.run_until_idle();
  }
}

TEST_F(connections, that_broke_are_reported_at_once_if_that_is_wished) {
  open({.on_bad = sql::bad_connections::report});
  warm(1);
  server->break_all();
  const auto done = one("exec");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::closed);
  EXPECT_TRUE(sql::retryable(done.error()));
}

TEST_F(connections, that_cannot_be_made_tell_the_real_cause_once) {
  server->refuse_connections = error{errc::denied, "the password is wrong"};
  const auto done = one("exec");
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::denied);
  EXPECT_EQ(done.error().message(), "the password is wrong");
  server->refuse_connections.reset();
  EXPECT_TRUE(one("exec"));
}

TEST_F(connections, that_break_during_commit_or_rollback_are_told_and_closed_and_not_retried) {
  for (const bool commits : {true, false}) {
    const int begun = server->count(fake::call::begin);
    auto t = run(db().begin(ctx())).value();
    server->break_all();
    const auto ended = run(commits ? t.commit() : t.rollback());
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code(), errc::closed);
    EXPECT_EQ(sql::outcome_of(ended.error()), sql::outcome::not_sent);
    EXPECT_EQ(server->count(fake::call::begin), begun + 1);
    loop.run_until_idle();
    EXPECT_EQ(db().stats().writers.open, 0U);
  }
  EXPECT_EQ(db().stats().writers.closed_bad, 2U);
}

TEST_F(connections, that_break_inside_a_transaction_are_not_replaced) {
  auto t = run(db().begin(ctx())).value();
  server->break_all();
  const auto put = run(t.exec("txput ? ?", 1, 2));
  EXPECT_EQ(put.error().code(), errc::closed);
  EXPECT_EQ(server->count(fake::call::connect), 1);
}

TEST_F(connections, marked_invalid_while_out_are_closed_when_they_come_home) {
  auto c = run(db().connect(ctx())).value();
  server->break_all();
  EXPECT_FALSE(run(c.ping(ctx())));
  c.release();
  loop.run_until_idle();
  EXPECT_EQ(db().stats().writers.closed_bad, 1U);
  EXPECT_EQ(db().stats().writers.open, 0U);
}

TEST_F(connections, whose_driver_throws_are_closed_and_the_pool_goes_on) {
  open({.max_open = 1});
  for (const auto which : {fake::call::exec, fake::call::start, fake::call::fetch,
                           fake::call::begin, fake::call::commit, fake::call::prepare}) {
    server->hook = [which](context, fake::call c, fake::connection*) -> task<result<void>> {
      if (c == which) throw std::runtime_error{"the driver threw"};
      co_return result<void>{};
    };
    const bool in_tx = which == fake::call::begin || which == fake::call::commit;
    const char* what = in_tx ? "with_tx" : which == fake::call::exec ? "exec" : "query";
    EXPECT_THROW((void)one(what), std::runtime_error) << static_cast<int>(which);
    server->hook = {};
    EXPECT_TRUE(one("exec"));
  }
  server->hook = [](context, fake::call c, fake::connection*) -> task<result<void>> {
    if (c == fake::call::close || c == fake::call::stop) throw std::runtime_error{"threw"};
    co_return result<void>{};
  };
  run(db().connect(ctx())).value().discard();
  {
    auto rows = run(db().query(ctx(), "count ?", 1000)).value();
    run(rows.close());
  }
  server->hook = {};
  EXPECT_TRUE(one("exec"));
}

TEST_F(connections, answer_a_ping) {
  EXPECT_TRUE(run(db().ping(ctx())));
  EXPECT_EQ(server->count(fake::call::ping), 1);
}

TEST_F(connections, are_opened_once_for_ten_statements_prepared_and_closed) {
  for (int i = 0; i < 10; ++i) {
    auto s = run(db().prepare(ctx(), "count ?")).value();
    s.close();
  }
  EXPECT_EQ(server->count(fake::call::connect), 1);
  EXPECT_EQ(server->statements_made(), 1);
}

TEST_F(connections, survive_a_hundred_short_deadlines) {
  open({.max_open = 2});
  server->hook = hangs(fake::call::exec);
  for (int i = 0; i < 100; ++i) {
    context_source hurry{ctx(), {.timeout = 1ms}};
    const auto done = run(db().exec(hurry.get(), "put ? ?", i, i));
    EXPECT_EQ(done.error().code(), errc::deadline_exceeded);
  }
  server->hook = {};
  EXPECT_TRUE(one("exec"));
  EXPECT_LE(server->count(fake::call::connect), 2);
}

TEST_F(connections, that_open_after_the_caller_gave_up_serve_the_next) {
  server->hook = [](context, fake::call c, fake::connection*) -> task<result<void>> {
    if (c == fake::call::connect) static_cast<void>(co_await after(100ms));
    co_return result<void>{};
  };
  {
    context_source hurry{ctx(), {.timeout = 1ms}};
    EXPECT_EQ(run(db().ping(hurry.get())).error().code(), errc::deadline_exceeded);
  }
  EXPECT_TRUE(run(db().ping(ctx())));
  EXPECT_EQ(server->count(fake::call::connect), 1);
}

TEST_F(connections, are_one_writer_and_several_readers_where_the_driver_says_so) {
  server->single_writer = true;
  open({.max_open = 4});
  EXPECT_EQ(db().stats().writers.max_open, 1U);
  EXPECT_EQ(db().stats().readers->max_open, 3U);
  EXPECT_TRUE(one("query"));
  EXPECT_EQ(db().stats().writers.opened, 0U);
  EXPECT_TRUE(one("exec"));
  EXPECT_EQ(db().stats().writers.opened, 1U);
  // A query that writes finds its way to the writer.
  const auto put = run(db().query_row<int>(ctx(), "put ? ?", 5, 5));
  EXPECT_EQ(put.error().code(), errc::not_found);
  EXPECT_EQ(server->table_size(), 2U);
  const auto refused = run(
      db().with_tx(ctx(), {.access = sql::access::read_only}, [](sql::tx& t) -> task<result<int>> {
        co_return co_await t.query_row<int>("put ? ?", 6, 6);
      }));
  EXPECT_EQ(refused.error().code(), errc::invalid_argument);
}

TEST_F(connections, with_a_thread_of_their_own_see_a_transaction_come_once) {
  server->home = &home;
  EXPECT_TRUE(one("exec"));
  const int before = home.scheduled;
  auto transfer = [&](sql::tx& t) -> task<result<void>> {
    EXPECT_EQ(&this_executor(), &home);
    for (int i = 0; i < 5; ++i) {
      if (auto put = co_await t.exec("txput ? ?", i, i); !put) {
        co_return std::unexpected(put.error());
      }
    }
    co_return result<void>{};
  };
  auto body = [&]() -> task<result<void>> {
    auto done = co_await db().with_tx(ctx(), transfer);
    EXPECT_EQ(&this_executor(), &loop);
    co_return done;
  };
  EXPECT_TRUE(run(body()));
  EXPECT_EQ(home.scheduled, before + 1);
}

TEST_F(connections, with_a_thread_of_their_own_give_the_caller_back_also_when_the_closure_throws) {
  server->home = &home;
  auto throws = [&](sql::tx&) -> task<result<void>> {
    co_await resume_on(loop);  // and leaves the connection's thread, too
    throw std::runtime_error{"in the closure"};
  };
  auto body = [&]() -> task<void> {
    bool thrown = false;
    try {
      static_cast<void>(co_await db().with_tx(ctx(), throws));
    } catch (const std::runtime_error&) {
      thrown = true;
    }
    EXPECT_TRUE(thrown);
    EXPECT_EQ(&this_executor(), &loop);
  };
  run(body());
  EXPECT_EQ(server->count(fake::call::rollback), 1);
}

TEST_F(connections, of_a_closed_database_are_refused) {
  EXPECT_TRUE(one("exec"));
  EXPECT_TRUE(run(db().close(ctx())));
  EXPECT_EQ(one("exec").error().code(), errc::closed);
  EXPECT_EQ(one("query").error().code(), errc::closed);
}

}  // namespace
}  // namespace weir
