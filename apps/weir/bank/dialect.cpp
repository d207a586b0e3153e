#include "dialect.hpp"

#include <array>
#include <cstdint>

#include <weir/postgres/postgres.hpp>
#include <weir/sql/url.hpp>
#include <weir/sqlite/sqlite.hpp>

namespace weir::bank {

namespace {

constexpr std::string_view sqlite_tables[] = {
    "CREATE TABLE pgbench_branches(bid INTEGER PRIMARY KEY, bbalance INTEGER, filler TEXT)",
    "CREATE TABLE pgbench_tellers(tid INTEGER PRIMARY KEY, bid INTEGER, tbalance INTEGER,"
    " filler TEXT)",
    "CREATE TABLE pgbench_accounts(aid INTEGER PRIMARY KEY, bid INTEGER, abalance INTEGER,"
    " filler TEXT)",
    "CREATE TABLE pgbench_history(tid INTEGER, bid INTEGER, aid INTEGER, delta INTEGER,"
    " mtime INTEGER, filler TEXT)"};

// The history's ids are unique: a transfer whose commit is unknown is made again, and the server
// may get to the first one later than to the second.
constexpr std::string_view postgres_tables[] = {
    "CREATE TABLE pgbench_branches(bid BIGINT PRIMARY KEY, bbalance BIGINT, filler TEXT)",
    "CREATE TABLE pgbench_tellers(tid BIGINT PRIMARY KEY, bid BIGINT, tbalance BIGINT,"
    " filler TEXT)",
    "CREATE TABLE pgbench_accounts(aid BIGINT PRIMARY KEY, bid BIGINT, abalance BIGINT,"
    " filler TEXT)",
    "CREATE TABLE pgbench_history(tid BIGINT, bid BIGINT, aid BIGINT, delta BIGINT,"
    " mtime TIMESTAMPTZ, filler TEXT UNIQUE)"};

}  // namespace

// CROSS fixes the order of the loops: one pass over the history, instead of an index made for it.
constexpr dialect sqlite_dialect{
    .name = "SQLite",
    .count_tables =
        "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name IN"
        " ('pgbench_branches', 'pgbench_tellers', 'pgbench_accounts', 'pgbench_history')",
    .create_tables = sqlite_tables,
    .count_acknowledged =
        "SELECT count(DISTINCT j.line) FROM pgbench_history h CROSS JOIN bank_journal j"
        " ON j.id = h.filler"
        " AND j.tid = h.tid AND j.bid = h.bid AND j.aid = h.aid AND j.delta = h.delta",
    .import = {.access = sql::access::read_only},
    .compare = {.access = sql::access::read_only},
    .is_file = true,
    .waits_for_ever = false};

// A read-only transaction makes no table, not even a temporary one.
constexpr dialect postgres_dialect{
    .name = "PostgreSQL",
    .count_tables =
        "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
        " AND tablename IN"
        " ('pgbench_branches', 'pgbench_tellers', 'pgbench_accounts', 'pgbench_history')",
    .create_tables = postgres_tables,
    .count_acknowledged =
        "SELECT count(DISTINCT j.line) FROM pgbench_history h JOIN bank_journal j"
        " ON j.id = h.filler"
        " AND j.tid = h.tid AND j.bid = h.bid AND j.aid = h.aid AND j.delta = h.delta",
    .import = {},
    .compare = {.level = sql::isolation::repeatable_read, .access = sql::access::read_only},
    .is_file = false,
    .waits_for_ever = true};

namespace {

result<place> sqlite_place(const sql::url& address) {
  std::string path = sql::percent_decoded(address.body()).value_or(address.body());
  if (path.starts_with("//")) path.erase(0, 2);
  if (path == ":memory:") {
    return fail(errc::invalid_argument,
                "a database in memory is gone before it can be audited; name a file, as in "
                "sqlite:bank.db");
  }
  return place{&sqlite_dialect, path, path + ".journal"};
}

// Named after the database alone: the host is often a balancer's, or localhost.
result<place> postgres_place(const sql::url& address) {
  const std::string& body = address.body();
  const auto slash = body.starts_with("//") ? body.find('/', 2) : std::string::npos;
  std::string database;
  if (slash != std::string::npos) {
    database = sql::percent_decoded(std::string_view{body}.substr(slash + 1)).value_or("");
  }
  if (const auto named = address.parameter("dbname")) database = *named;
  for (char& c : database) {
    if (c == '/' || c == '\0') c = '_';
  }
  if (database.empty()) database = "postgres";
  return place{&postgres_dialect, "", database + ".journal"};
}

}  // namespace

result<place> find_place(const std::string& address) {
  const auto parsed = sql::url::parse(address);
  if (!parsed) return std::unexpected(parsed.error());
  if (parsed->scheme() == sqlite::scheme.name) return sqlite_place(*parsed);
  if (parsed->scheme() == postgres::scheme.name || parsed->scheme() == postgres::long_scheme.name) {
    return postgres_place(*parsed);
  }
  return std::unexpected(
      error{errc::invalid_argument, "the kind of database '" + parsed->scheme() +
                                        "' is unknown; known are sqlite, as in sqlite:bank.db, and "
                                        "postgres, as in postgres://user@host/database"});
}

task<result<settings_told>> ask_settings(context ctx, sql::db& database, const dialect& speaks) {
  auto on = co_await database.connect(ctx);
  if (!on) co_return std::unexpected(std::move(on).error());
  settings_told told;
  if (speaks.is_file) {
    const auto mode = co_await on->query_row<std::string>(ctx, "PRAGMA journal_mode");
    if (!mode) co_return std::unexpected(mode.error());
    const auto level = co_await on->query_row<std::int64_t>(ctx, "PRAGMA synchronous");
    if (!level) co_return std::unexpected(level.error());
    static constexpr const char* levels[] = {"off", "normal", "full", "extra"};
    told.emplace_back("journal_mode", *mode);
    told.emplace_back("synchronous",
                      *level >= 0 && *level < 4 ? levels[*level] : std::to_string(*level));
    co_return told;
  }
  static constexpr const char* names[] = {"server_version", "fsync", "synchronous_commit"};
  for (const char* name : names) {
    const auto value = co_await on->query_row<std::string>(ctx, "SELECT current_setting($1)", name);
    if (!value) co_return std::unexpected(value.error());
    told.emplace_back(name, *value);
  }
  co_return told;
}

// ---- sorting_memory
// ------------------------------------------------------------------------------

task<result<void>> sorting_memory::run(context ctx, std::string text) {
  const auto done = co_await on_.exec(ctx, sql::statement_text{text});
  if (!done) co_return std::unexpected(done.error());
  co_return result<void>{};
}

task<result<void>> sorting_memory::set_cache(context ctx, std::int64_t size) {
  for (const char* of : {"main", "temp"}) {
    auto done =
        co_await run(ctx, std::string{"PRAGMA "} + of + ".cache_size = " + std::to_string(size));
    if (!done) co_return done;
  }
  co_return result<void>{};
}

task<result<void>> sorting_memory::take(context ctx) {
  if (!speaks_.is_file) co_return co_await run(ctx, "SET work_mem = '32MB'");
  const auto usual = co_await on_.query_row<std::int64_t>(ctx, "PRAGMA cache_size");
  if (!usual) co_return std::unexpected(usual.error());
  usual_ = *usual;
  constexpr std::int64_t kib = 32 * 1024;
  co_return co_await set_cache(ctx, -kib);  // as SQLite counts: negative numbers are KiB
}

task<result<void>> sorting_memory::give_back(context ctx) {
  if (!speaks_.is_file) co_return co_await run(ctx, "RESET work_mem");
  co_return co_await set_cache(ctx, usual_);
}

}  // namespace weir::bank
