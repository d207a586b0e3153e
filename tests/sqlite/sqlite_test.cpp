#include "sqlite/fixture.hpp"

namespace weir {
namespace {

using sqlite_values = sqlite_file;

TEST_F(sqlite_values, come_back_as_they_went) {
  const std::string with_zero{"a\0b", 3};
  const sql::bytes blob{std::byte{0}, std::byte{255}};
  const auto got = row<std::int64_t, double, std::string, sql::bytes, bool, std::optional<int>>(
      "SELECT ?, ?, ?, ?, ?, ?", std::numeric_limits<std::int64_t>::min(), 0.1, with_zero, blob,
      true, sql::null);
  ASSERT_TRUE(got) << got.error().to_string();
  EXPECT_EQ(*got, (std::tuple{std::numeric_limits<std::int64_t>::min(), 0.1, with_zero, blob, true,
                              std::optional<int>{}}));
  EXPECT_EQ((row<std::string, sql::bytes>("SELECT ?, ?", "", sql::bytes{}).value()),
            (std::tuple{std::string{}, sql::bytes{}}));
  const auto when = std::chrono::floor<std::chrono::microseconds>(
      std::chrono::sys_days{std::chrono::year{2024} / 2 / 29});
  EXPECT_EQ(row<sql::wall_time>("SELECT ?", when).value(), when);
}

TEST_F(sqlite_values, are_bound_and_never_spliced) {
  exec("CREATE TABLE t(a TEXT)");
  const std::string nasty = "'); DROP TABLE t; --";
  exec("INSERT INTO t VALUES (?)", nasty);
  EXPECT_EQ(row<std::string>("SELECT a FROM t").value(), nasty);
}

TEST_F(sqlite_values, by_name_with_each_of_the_marks) {
  using sql::named;
  EXPECT_EQ((row<int, int, int>("SELECT :a, @b, $c", named("c", 3), named("a", 1), named("b", 2))
                 .value()),
            (std::tuple{1, 2, 3}));
}

TEST_F(sqlite_values, that_do_not_fit_name_the_column) {
  const auto null = row<int>("SELECT NULL AS balance");
  EXPECT_EQ(null.error().code(), errc::type_mismatch);
  EXPECT_EQ(null.error().text("column"), "balance");
  EXPECT_EQ(row<std::int8_t>("SELECT 1000 AS small").error().text("column"), "small");
  EXPECT_EQ(row<int>("SELECT ?, 1", 5).error().code(), errc::invalid_argument);
  EXPECT_EQ(row<int>("SELECT ?").error().number("wanted"), 1);
}

using sqlite_statements = sqlite_file;

TEST_F(sqlite_statements, tell_what_they_changed) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER)");
  const auto put = exec("INSERT INTO t(a) VALUES (1), (1), (2)");
  EXPECT_EQ(put.rows_affected, 3);
  EXPECT_EQ(put.last_insert_id, 3);
  EXPECT_EQ(exec("UPDATE t SET a = 5 WHERE a = ?", 1).rows_affected, 2);
  EXPECT_EQ(exec("UPDATE t SET a = 5 WHERE a = ?", 77).rows_affected, 0);
  EXPECT_EQ(exec("CREATE TABLE u(a)").rows_affected, 0);
  EXPECT_EQ(row<int>("SELECT a FROM t WHERE id = 99").error().code(), errc::not_found);
}

TEST_F(sqlite_statements, that_return_what_they_inserted_may_be_queries) {
  exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER)");
  EXPECT_EQ(row<int>("INSERT INTO t(a) VALUES (?) RETURNING id", 5).value(), 1);
  const auto all =
      weir::wait(db().query_all<int>({}, "INSERT INTO t(a) VALUES (1), (2), (3) RETURNING id"));
  EXPECT_EQ(all.value(), (std::vector<int>{2, 3, 4}));
  EXPECT_EQ(row<int>("SELECT count(*) FROM t").value(), 4);
}

TEST_F(sqlite_statements, that_are_wrong_say_what_and_keep_the_connection) {
  const auto code = [&](sql::statement_text text) {
    auto done = weir::wait(db().exec({}, std::move(text)));
    EXPECT_FALSE(done);
    return done ? errc::failed : done.error().code();
  };
  exec("CREATE TABLE t(a INTEGER PRIMARY KEY, b INTEGER NOT NULL CHECK (b > 0))");
  exec("CREATE TABLE child(a INTEGER REFERENCES t(a))");
  exec("INSERT INTO t VALUES (1, 1)");
  EXPECT_EQ(code("SELEKT 1"), errc::invalid_argument);
  EXPECT_EQ(code("SELECT * FROM nothing"), errc::invalid_argument);
  EXPECT_EQ(code(""), errc::invalid_argument);
  EXPECT_EQ(code("SELECT 1; DROP TABLE t"), errc::invalid_argument);
  EXPECT_EQ(code("INSERT INTO t VALUES (1, 1)"), errc::constraint);
  EXPECT_EQ(code("INSERT INTO t VALUES (2, NULL)"), errc::constraint);
  EXPECT_EQ(code("INSERT INTO t VALUES (2, 0)"), errc::constraint);
  EXPECT_EQ(code("INSERT INTO child VALUES (9)"), errc::constraint);
  exec("SELECT 1 ; -- and a comment");
  EXPECT_EQ(db().stats().writers.opened, 1U);
}

TEST_F(sqlite_statements, notice_a_schema_that_changed_under_them) {
  exec("CREATE TABLE t(a)");
  exec("INSERT INTO t VALUES (1)");
  auto look = [&]() -> task<std::size_t> {
    auto found = (co_await db().query({}, "SELECT * FROM t")).value();
    EXPECT_TRUE(co_await found.next());
    EXPECT_EQ(found.get<int>("a").value(), 1);
    co_return found.columns().size();
  };
  EXPECT_EQ(weir::wait(look()), 1U);
  exec("ALTER TABLE t ADD COLUMN b DEFAULT 2");
  EXPECT_EQ(weir::wait(look()), 2U);
}

using sqlite_transactions = sqlite_file;

TEST_F(sqlite_transactions, commit_and_roll_back_and_have_savepoints) {
  exec("CREATE TABLE t(a INTEGER)");
  auto body = [](sql::tx& t) -> task<result<void>> {
    const auto put = [&t](int v) { return t.exec("INSERT INTO t VALUES (?)", v); };
    EXPECT_TRUE(co_await put(1));
    EXPECT_TRUE(co_await t.savepoint("here"));
    EXPECT_TRUE(co_await put(2));
    EXPECT_TRUE(co_await t.rollback_to("here"));
    EXPECT_TRUE(co_await put(3));
    co_return co_await t.release("here");
  };
  EXPECT_TRUE(weir::wait(db().with_tx({}, body)));
  EXPECT_EQ(weir::wait(db().query_all<int>({}, "SELECT a FROM t ORDER BY a")).value(),
            (std::vector<int>{1, 3}));
  auto t = weir::wait(db().begin({})).value();
  EXPECT_TRUE(weir::wait(t.exec("DELETE FROM t")));
  EXPECT_TRUE(weir::wait(t.rollback()));
  EXPECT_EQ(weir::wait(t.exec("DELETE FROM t")).error().code(), errc::already_done);
  EXPECT_EQ(row<int>("SELECT count(*) FROM t").value(), 2);
}

TEST_F(sqlite_transactions, dropped_open_leave_nothing_behind) {
  exec("CREATE TABLE t(a INTEGER)");
  {
    auto t = weir::wait(db().begin({})).value();
    EXPECT_TRUE(weir::wait(t.exec("INSERT INTO t VALUES (1)")));
    auto rows = weir::wait(t.query("INSERT INTO t VALUES (2), (3) RETURNING a")).value();
    EXPECT_TRUE(weir::wait(rows.next()));
  }
  EXPECT_EQ(row<int>("SELECT count(*) FROM t").value(), 0);
  exec("INSERT INTO t VALUES (1)");
  EXPECT_EQ(db().stats().writers.opened, 1U);
}

TEST_F(sqlite_transactions, cancelled_while_nobody_looks_let_the_next_writer_in) {
  exec("CREATE TABLE t(a INTEGER)");
  context_source mine;
  auto t = weir::wait(db().begin(mine.get())).value();
  EXPECT_TRUE(weir::wait(t.exec("INSERT INTO t VALUES (1)")));
  mine.cancel();
  exec("INSERT INTO t VALUES (2)");
  EXPECT_EQ(weir::wait(t.exec("INSERT INTO t VALUES (3)")).error().code(), errc::cancelled);
  EXPECT_EQ(row<int>("SELECT sum(a) FROM t").value(), 2);
}

TEST_F(sqlite_transactions, that_read_see_one_state_and_do_not_hold_the_writer_up) {
  exec("CREATE TABLE t(a INTEGER)");
  auto t = weir::wait(db().begin({}, {.access = sql::access::read_only})).value();
  const auto count = [&] { return weir::wait(t.query_row<int>("SELECT count(*) FROM t")).value(); };
  EXPECT_EQ(count(), 0);
  exec("INSERT INTO t VALUES (1)");
  EXPECT_EQ(count(), 0);
  EXPECT_EQ(weir::wait(t.exec("INSERT INTO t VALUES (2)")).error().code(), errc::invalid_argument);
  EXPECT_TRUE(weir::wait(t.commit()));
  EXPECT_EQ(row<int>("SELECT count(*) FROM t").value(), 1);
  EXPECT_EQ(weir::wait(db().begin({}, {.level = sql::isolation::read_committed})).error().code(),
            errc::unsupported);
}

TEST_F(sqlite_transactions, whose_task_waits_for_their_own_connection_are_told_so) {
  exec("CREATE TABLE t(a INTEGER)");
  auto body = [&](sql::tx&) -> task<result<void>> {
    auto done = co_await db().exec({}, "INSERT INTO t VALUES (1)");
    EXPECT_EQ(done.error().code(), errc::would_deadlock);
    EXPECT_EQ((co_await db().query_row<int>({}, "SELECT count(*) FROM t")).value(), 0);
    co_return result<void>{};
  };
  EXPECT_TRUE(weir::wait(db().with_tx({}, body)));
  exec("INSERT INTO t VALUES (1)");
}

TEST_F(sqlite_transactions, wait_for_a_lock_that_an_outsider_holds) {
  open("sqlite:" + path(), {.lock_timeout = 30s});
  exec("CREATE TABLE t(a INTEGER)");
  outsider other{path()};
  other.run("BEGIN IMMEDIATE");
  auto waits =
      stop_.spawn("waits", [&](context ctx) { return db().exec(ctx, "INSERT INTO t VALUES (1)"); });
  // It keeps trying, while reads go on.
  EXPECT_EQ(row<int>("SELECT count(*) FROM t").value(), 0);
  EXPECT_FALSE(waits->done());
  other.run("INSERT INTO t VALUES (9); COMMIT");
  EXPECT_TRUE(weir::wait(waits->join({})));
  EXPECT_EQ(row<int>("SELECT count(*) FROM t").value(), 2);
}

TEST_F(sqlite_transactions, say_who_is_to_blame_when_the_lock_stays_held) {
  open("sqlite:" + path(), {.lock_timeout = 20ms});
  exec("CREATE TABLE t(a INTEGER)");
  outsider other{path()};
  other.run("BEGIN IMMEDIATE");
  auto body = [](sql::tx&) -> task<result<void>> { co_return result<void>{}; };
  const auto done = weir::wait(db().with_tx({}, body));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::busy);
  EXPECT_NE(done.error().to_string().find("another process holds the lock"), std::string::npos);
  EXPECT_TRUE(sql::retryable(done.error()));
  other.run("COMMIT");
}

using sqlite_connections = sqlite_file;

TEST_F(sqlite_connections, keep_their_session_and_give_the_native_handle) {
  auto c = weir::wait(db().connect({})).value();
  EXPECT_TRUE(weir::wait(c.exec({}, "CREATE TEMP TABLE mine(a)")));
  EXPECT_TRUE(weir::wait(c.exec({}, "INSERT INTO mine VALUES (1)")));
  EXPECT_EQ(weir::wait(c.query_row<int>({}, "SELECT count(*) FROM mine")).value(), 1);
  std::string name;
  EXPECT_TRUE(weir::wait(c.with_native(
      [&](void* handle) { name = sqlite3_db_filename(static_cast<sqlite3*>(handle), "main"); })));
  EXPECT_NE(name.find("test.db"), std::string::npos);
}

TEST_F(sqlite_connections, of_a_database_in_memory_are_one) {
  open("sqlite::memory:", {.max_open = 5});
  exec("CREATE TABLE t(a INTEGER)");
  exec("INSERT INTO t VALUES (7)");
  EXPECT_EQ(row<int>("SELECT a FROM t").value(), 7);
  EXPECT_EQ(db().stats().writers.max_open, 1U);
  EXPECT_FALSE(db().stats().readers);
}

TEST_F(sqlite_connections, that_only_read_may_come_first_on_a_new_file) {
  EXPECT_EQ(row<int>("SELECT count(*) FROM sqlite_master").value(), 0);
  exec("CREATE TABLE t(a INTEGER)");
}

TEST_F(sqlite_connections, are_set_up_as_the_address_says) {
  for (const auto& [parameter, level] : {std::pair{"", 1}, {"?synchronous=full", 2}}) {
    auto opened = sqlite::open(stop_, "sqlite:" + path() + parameter).value();
    auto c = weir::wait(opened.connect({})).value();
    EXPECT_EQ(weir::wait(c.query_row<int>({}, "PRAGMA synchronous")).value(), level);
    EXPECT_EQ(weir::wait(c.query_row<std::string>({}, "PRAGMA journal_mode")).value(), "wal");
    EXPECT_EQ(weir::wait(c.query_row<int>({}, "PRAGMA foreign_keys")).value(), 1);
    auto r = weir::wait(opened.connect({}, sql::access::read_only)).value();
    EXPECT_EQ(weir::wait(r.query_row<int>({}, "PRAGMA query_only")).value(), 1);
    c.release();
    r.release();
    EXPECT_TRUE(weir::wait(opened.close({})));
  }
}

TEST_F(sqlite_connections, close_with_the_stopper_and_leave_one_whole_file) {
  exec("CREATE TABLE t(a INTEGER)");
  EXPECT_TRUE(std::filesystem::exists(path("test.db-wal")));
  EXPECT_TRUE(weir::wait(stop_.stop()));
  EXPECT_FALSE(std::filesystem::exists(path("test.db-wal")));
  EXPECT_EQ(weir::wait(db().exec({}, "SELECT 1")).error().code(), errc::closed);
}

struct commits_seen {
  int before = 0;
  int after = 0;
};

TEST_F(sqlite_connections, let_tests_in_twice_during_a_commit) {
  commits_seen seen;
  open("sqlite:" + path(), {},
       {.before_commit = {[](void* p) noexcept { ++static_cast<commits_seen*>(p)->before; }, &seen},
        .after_log = {[](void* p) noexcept { ++static_cast<commits_seen*>(p)->after; }, &seen}});
  exec("CREATE TABLE t(a INTEGER)");
  for (int i = 0; i < 3; ++i) exec("INSERT INTO t VALUES (?)", i);
  EXPECT_EQ(seen.before, 4);
  EXPECT_EQ(seen.after, 4);
}

using sqlite_addresses = sqlite_file;

TEST_F(sqlite_addresses, with_mistakes_are_refused_before_anything_is_opened) {
  const auto refused = [&](const std::string& address) {
    auto opened = sqlite::open(stop_, address);
    return opened ? std::string{"opened"} : opened.error().to_string();
  };
  EXPECT_NE(refused("sqlite:x?synchronus=full").find("unknown parameter 'synchronus'"),
            std::string::npos);
  EXPECT_NE(refused("sqlite:x?synchronous=maybe").find("known are normal and full"),
            std::string::npos);
  EXPECT_NE(refused("sqlite:").find("names no file"), std::string::npos);
  EXPECT_NE(refused("ledger.db").find("as in sqlite:ledger.db"), std::string::npos);
  EXPECT_NE(refused("sqlite:%zz").find("hexadecimal"), std::string::npos);
  EXPECT_NE(refused("mysql:x").find("no SQLite address"), std::string::npos);
}

TEST_F(sqlite_addresses, choose_among_the_kinds_of_database_that_a_program_names) {
  auto& stopper = stop_;
  const std::string address = "sqlite:" + path();
  constexpr weir::sql::scheme known[] = {weir::sqlite::scheme};
  auto db = weir::sql::open(stopper, address, known, {.max_open = 8});
  ASSERT_TRUE(db);
  EXPECT_TRUE(weir::wait(db->ping({})));
  EXPECT_TRUE(weir::wait(db->close({})));
  const auto unknown = sql::open(stop_, "oracle:x", known);
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), errc::invalid_argument);
  EXPECT_NE(unknown.error().to_string().find("knows sqlite:"), std::string::npos);
  EXPECT_EQ(sql::open(stop_, "sqlite:" + path(), known, {.max_open = 0}).error().code(),
            errc::invalid_argument);
}

TEST_F(sqlite_addresses, that_cannot_be_opened_say_why_and_what_to_do) {
  const error missing = first_error("sqlite:" + path("no.db") + "?mode=rw");
  EXPECT_EQ(missing.code(), errc::not_found);
  EXPECT_NE(missing.to_string().find("does not exist"), std::string::npos);
  EXPECT_EQ(first_error("sqlite:" + path("no/such/folder.db")).code(), errc::not_found);
  EXPECT_EQ(first_error("sqlite:" + testing::TempDir()).code(), errc::invalid_argument);
  std::ofstream{path("text.db")} << std::string(5000, 'x');
  const error text = first_error("sqlite:" + path("text.db"));
  EXPECT_EQ(text.code(), errc::corrupt);
  EXPECT_NE(text.to_string().find("text.db"), std::string::npos);
  EXPECT_NE(text.to_string().find("restore it"), std::string::npos);
}

}  // namespace
}  // namespace weir
