// Scripts: transactions that go in one round trip, alone or with those of others behind one COMMIT.

#include <cstdint>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <weir/runtime/runtime.hpp>
#include <weir/sqlite/sqlite.hpp>
#include <weir/stopper/stopper.hpp>

namespace {

namespace sql = weir::sql;

weir::task<weir::result<void>> prepare_tables(weir::context ctx, sql::db* db) {
  sql::script tables;
  tables.add("CREATE TABLE accounts(id INTEGER PRIMARY KEY, cents INTEGER CHECK (cents >= 0))");
  tables.add("CREATE TABLE history(id INTEGER PRIMARY KEY, account INTEGER, cents INTEGER)");
  for (int id = 0; id < 4; ++id) tables.add("INSERT INTO accounts VALUES (?, ?)", id, 1'000);
  auto made = co_await db->run(ctx, std::move(tables));
  if (!made) co_return std::unexpected(made.error());
  co_return weir::result<void>{};
}

struct transfer {
  int from;
  int to;
  int cents;
};

sql::script script_of(transfer t) {
  sql::script s;
  s.add("UPDATE accounts SET cents = cents - ? WHERE id = ?", t.cents, t.from);
  s.add("UPDATE accounts SET cents = cents + ? WHERE id = ?", t.cents, t.to);
  s.add("INSERT INTO history(account, cents) VALUES (?, ?)", t.to, t.cents);
  s.add("SELECT cents FROM accounts WHERE id = ?", t.from);
  return s;
}

/// What is left on the account that was taken from.
weir::task<weir::result<std::int64_t>> move(weir::context ctx, sql::db* db, transfer t) {
  auto done = co_await db->run(ctx, script_of(t));
  if (!done) co_return std::unexpected(done.error());
  co_return done->row<std::int64_t>(3);
}

/// One of many clients, who share their commits.
weir::task<int> client(weir::context ctx, sql::db* db, int number) {
  const sql::run_options grouped{.commit = sql::commit_mode::grouped};
  int moved = 0;
  for (int i = 0; i < 25; ++i) {
    const transfer t{number % 4, (number + 1) % 4, i == 7 ? 1'000'000 : 1};
    const auto done = co_await db->run(ctx, script_of(t), grouped);
    if (done) ++moved;
    // The one that takes too much fails alone: those beside it are committed.
  }
  co_return moved;
}

/// A closure, because the second statement depends on what the first has given.
weir::task<weir::result<std::int64_t>> close_account(weir::context ctx, sql::db* db, int id) {
  auto empty = [id](sql::tx& tx) -> weir::task<weir::result<std::int64_t>> {
    auto left = co_await tx.query_row<std::int64_t>("SELECT cents FROM accounts WHERE id = ?", id);
    if (!left) co_return std::unexpected(left.error());
    auto gone = co_await tx.exec("DELETE FROM accounts WHERE id = ?", id);
    if (!gone) co_return std::unexpected(gone.error());
    co_return *left;
  };
  co_return co_await db->with_tx(ctx, empty);
}

struct account {
  std::int64_t id;
  std::int64_t cents;
};

weir::task<weir::result<std::vector<account>>> all_accounts(weir::context ctx, sql::db* db) {
  return db->query_all<account>(std::move(ctx), "SELECT id, cents FROM accounts ORDER BY id");
}

/// What to do about an error of a transaction.
const char* advice(const weir::error& why) {
  if (sql::retryable(why)) return "run the whole of it again";
  switch (sql::outcome_of(why)) {
    case sql::outcome::not_sent:
      return "the database never saw it";
    case sql::outcome::refused:
      return "it was seen, and not done";
    case sql::outcome::unknown:
      return "it may have been done: look before doing it again";
  }
  return "";
}

weir::task<weir::result<void>> set_limit(weir::context ctx, sql::db* db, int id, int cents) {
  auto done = co_await db->exec(ctx, sql::idempotent("UPDATE accounts SET cents = ? WHERE id = ?"),
                                cents, id);
  if (!done) co_return std::unexpected(done.error());
  co_return weir::result<void>{};
}

weir::task<weir::result<void>> bank(weir::context ctx, weir::stopper* stopper, sql::db* db) {
  if (auto ready = co_await prepare_tables(ctx, db); !ready) co_return ready;

  const auto left = co_await move(ctx, db, {0, 1, 300});
  if (!left) co_return std::unexpected(left.error());
  std::printf("left on 0: %ld\n", static_cast<long>(*left));

  const auto too_much = co_await move(ctx, db, {0, 1, 5'000});
  std::printf("too much: step %ld, %s\n",
              static_cast<long>(too_much.error().number("step").value_or(-1)),
              advice(too_much.error()));

  std::vector<weir::task_handle<int>> clients;
  for (int i = 0; i < 16; ++i) {
    auto run = [db, i](const weir::context& bound) { return client(bound, db, i); };
    auto started = stopper->spawn("client", run);
    if (!started) co_return std::unexpected(started.error());
    clients.push_back(*std::move(started));
  }
  int moved = 0;
  for (auto& one : clients) {
    const auto done = co_await one.join(ctx);
    if (!done) co_return std::unexpected(done.error());
    moved += *done;
  }
  std::printf("moved in groups: %d of %d\n", moved, 16 * 25);

  if (auto set = co_await set_limit(ctx, db, 3, 50); !set) co_return set;
  const auto closed = co_await close_account(ctx, db, 3);
  if (!closed) co_return std::unexpected(closed.error());
  const auto accounts = co_await all_accounts(ctx, db);
  if (!accounts) co_return std::unexpected(accounts.error());
  for (const account& one : *accounts) {
    std::printf("account %ld: %ld\n", static_cast<long>(one.id), static_cast<long>(one.cents));
  }
  co_return weir::result<void>{};
}

}  // namespace

int main() {
  weir::runtime rt;
  weir::stopper stopper{rt, {.name = "scripts"}};
  auto db = weir::sqlite::open(stopper, "sqlite::memory:");
  if (!db) return 1;
  auto run = [&](const weir::context& ctx) { return bank(ctx, &stopper, &*db); };
  const auto done = weir::wait(stopper.run("bank", run));
  if (!done) std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
  static_cast<void>(weir::wait(stopper.stop()));
  return done ? 0 : 1;
}
