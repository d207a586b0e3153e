// PostgreSQL: an address, a lane for single statements, connections for the rest, and what is known
// after an error. The server's address is the first argument, or in WEIR_PG_URL.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <weir/postgres/postgres.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/stopper/stopper.hpp>

namespace {

namespace sql = weir::sql;
using namespace std::chrono_literals;

weir::task<weir::result<void>> prepare(weir::context ctx, sql::db* db) {
  for (const char* text :
       {"DROP TABLE IF EXISTS example_items",
        "CREATE TABLE example_items(id INT8 PRIMARY KEY, name TEXT)",
        "INSERT INTO example_items SELECT i, 'item ' || i FROM generate_series(1, 1000) i"}) {
    auto made = co_await db->exec(ctx, sql::statement_text{std::string_view{text}});
    if (!made) co_return std::unexpected(made.error());
  }
  co_return weir::result<void>{};
}

/// One of many callers whose statements share a connection: each is a transaction of its own.
weir::task<int> reader(weir::context ctx, sql::db* db, int first) {
  int found = 0;
  for (int id = first; id < first + 10; ++id) {
    auto name = co_await db->query_row<std::string>(
        ctx, "SELECT name FROM example_items WHERE id = $1", id);
    if (name) ++found;
  }
  co_return found;
}

/// A large result comes in pieces, on a connection of its own.
weir::task<weir::result<int>> count(weir::context ctx, sql::db* db) {
  auto rows = co_await db->query(ctx, "SELECT id, name FROM example_items");
  if (!rows) co_return std::unexpected(rows.error());
  int seen = 0;
  while (co_await rows->next()) ++seen;
  if (auto ended = rows->finish(); !ended) co_return std::unexpected(ended.error());
  co_return seen;
}

/// What is known of a statement that was cut off: it was sent, and nobody waits for the answer.
weir::task<std::string> cut_off(weir::context ctx, sql::db* db) {
  weir::context_scope hurry{ctx, {.timeout = 20ms}};
  auto slow = co_await db->query(hurry.get(), "SELECT pg_sleep(60)");
  co_return slow ? "done" : std::string{name_of(sql::outcome_of(slow.error()))};
}

weir::task<weir::result<void>> serve(weir::context ctx, weir::stopper* stopper, sql::db* db) {
  if (auto made = co_await prepare(ctx, db); !made) co_return made;

  std::vector<weir::result<weir::task_handle<int>>> readers;
  for (int n = 0; n < 20; ++n) {
    auto read = [db, n](weir::context own) { return reader(std::move(own), db, n * 50 + 1); };
    readers.push_back(stopper->spawn("reader", read));
  }
  int found = 0;
  for (auto& one : readers) found += (co_await one->join(ctx)).value_or(0);
  std::printf("found %d of 200 by key\n", found);

  auto seen = co_await count(ctx, db);
  std::printf("streamed %d rows\n", seen.value_or(0));
  const std::string known = co_await cut_off(ctx, db);
  std::printf("cut off, the outcome is %s\n", known.c_str());

  auto twice = co_await db->exec(ctx, "INSERT INTO example_items(id) VALUES ($1)", 7);
  if (!twice) {
    std::printf("%s, %s\n", name_of(twice.error().code()),
                std::string{twice.error().text("sqlstate").value_or("")}.c_str());
  }
  auto gone = co_await db->exec(ctx, "DROP TABLE example_items");
  if (!gone) co_return std::unexpected(gone.error());
  co_return weir::result<void>{};
}

}  // namespace

int main(int argc, char** argv) {
  const char* address = argc > 1 ? argv[1] : secure_getenv("WEIR_PG_URL");
  if (address == nullptr) {
    std::fprintf(stderr, "usage: 08_postgres postgres://user@host/database\n");
    return 2;
  }
  weir::runtime runtime;
  weir::stopper stopper{runtime, {.name = "example"}};
  int code = 0;
  {
    auto db = weir::postgres::open(stopper, address, {.max_open = 8, .pipelined = 1});
    if (!db) {
      std::fprintf(stderr, "%s\n", std::string{db.error().message()}.c_str());
      return 1;
    }
    auto all = [&](const weir::context& ctx) { return serve(ctx, &stopper, &*db); };
    auto done = weir::wait(stopper.run("serve", all));
    if (!done) std::fprintf(stderr, "%s\n", done.error().to_string().c_str());
    code = done ? 0 : 1;
    static_cast<void>(weir::wait(stopper.stop({})));
  }
  return code;
}
