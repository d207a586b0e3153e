// The raw SQLite loop: pgbench's TPC-B-like transaction from one thread over one
// connection, prepared once, in WAL mode. It is what `weir bank` is compared with.
//
//   sqlite_loop --db FILE [--scale N] [--seconds S] [--synchronous normal|full] [--seed N]
//
// The four tables are created and filled when they are missing. Prints one line
// of JSON: {"tps", "p50_ms", "p95_ms", "p99_ms", "transactions"}.

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <sqlite3.h>

namespace {

constexpr int accounts_per_branch = 100'000;
constexpr int tellers_per_branch = 10;

struct options {
  std::string db;
  int scale = 1;
  double seconds = 5;
  std::string synchronous = "normal";
  unsigned seed = 1;
};

[[noreturn]] void fail(int code, const std::string& why) {
  std::fprintf(stderr, "sqlite_loop: %s\n", why.c_str());
  std::exit(code);
}

options parse(int argc, char** argv) {
  options out;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view flag = argv[i];
    if (i + 1 == argc) fail(2, std::string(flag) + " needs a value");
    const char* value = argv[i + 1];
    if (flag == "--db") {
      out.db = value;
    } else if (flag == "--scale") {
      out.scale = std::atoi(value);
    } else if (flag == "--seconds") {
      out.seconds = std::atof(value);
    } else if (flag == "--synchronous") {
      out.synchronous = value;
    } else if (flag == "--seed") {
      out.seed = unsigned(std::atoi(value));
    } else {
      fail(2, "unknown flag " + std::string(flag));
    }
  }
  if (out.db.empty()) fail(2, "--db FILE is missing");
  if (out.scale < 1 || out.seconds <= 0) fail(2, "--scale and --seconds must be positive");
  if (out.synchronous != "normal" && out.synchronous != "full") {
    fail(2, "--synchronous is normal or full");
  }
  return out;
}

class database {
 public:
  explicit database(const std::string& path) {
    check(sqlite3_open(path.c_str(), &handle_), "open");
  }
  ~database() { sqlite3_close_v2(handle_); }
  database(const database&) = delete;
  database& operator=(const database&) = delete;

  void exec(const std::string& sql) {
    check(sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr), sql.c_str());
  }
  void check(int code, const char* what) const {
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW) return;
    fail(1, std::string(what) + ": " + sqlite3_errmsg(handle_));
  }
  sqlite3* get() const { return handle_; }

 private:
  sqlite3* handle_ = nullptr;
};

class statement {
 public:
  statement(database& on, const char* sql) : on_(on), sql_(sql) {
    on.check(sqlite3_prepare_v3(on.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &handle_, nullptr),
             sql);
  }
  ~statement() { sqlite3_finalize(handle_); }
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;

  // Binds, runs to the end and returns the first column of the first row, or 0.
  sqlite3_int64 run(std::initializer_list<sqlite3_int64> values = {}) {
    int at = 0;
    for (const auto value : values) sqlite3_bind_int64(handle_, ++at, value);
    sqlite3_int64 first = 0;
    int code = sqlite3_step(handle_);
    if (code == SQLITE_ROW) {
      first = sqlite3_column_int64(handle_, 0);
      code = sqlite3_step(handle_);
    }
    on_.check(code, sql_);
    sqlite3_reset(handle_);
    return first;
  }

 private:
  database& on_;
  const char* sql_;
  sqlite3_stmt* handle_ = nullptr;
};

bool has_tables(database& db) {
  return statement(db, "SELECT count(*) FROM sqlite_master WHERE name = 'pgbench_history'").run() >
         0;
}

void load(database& db, int scale) {
  db.exec(
      "BEGIN;"
      "CREATE TABLE pgbench_branches(bid INTEGER PRIMARY KEY, bbalance INTEGER, filler TEXT);"
      "CREATE TABLE pgbench_tellers(tid INTEGER PRIMARY KEY, bid INTEGER, tbalance INTEGER,"
      " filler TEXT);"
      "CREATE TABLE pgbench_accounts(aid INTEGER PRIMARY KEY, bid INTEGER, abalance INTEGER,"
      " filler TEXT);"
      "CREATE TABLE pgbench_history(tid INTEGER, bid INTEGER, aid INTEGER, delta INTEGER,"
      " mtime INTEGER, filler TEXT);");
  statement branch(db, "INSERT INTO pgbench_branches VALUES (?, 0, NULL)");
  statement teller(db, "INSERT INTO pgbench_tellers VALUES (?, ?, 0, NULL)");
  // pgbench's accounts carry 84 blanks; they decide how many rows fit on a page.
  statement account(db, "INSERT INTO pgbench_accounts VALUES (?, ?, 0, printf('%84s', ''))");
  for (int b = 0; b < scale; ++b) {
    branch.run({b + 1});
    for (int t = 0; t < tellers_per_branch; ++t) {
      teller.run({b * tellers_per_branch + t + 1, b + 1});
    }
    for (int a = 0; a < accounts_per_branch; ++a) {
      account.run({sqlite3_int64(b) * accounts_per_branch + a + 1, b + 1});
    }
  }
  db.exec("COMMIT");
}

// Transfers until the time is up; returns how long each one took, in ms.
std::vector<double> transfer(database& db, const options& how) {
  statement begin(db, "BEGIN IMMEDIATE");
  statement accounts(db, "UPDATE pgbench_accounts SET abalance = abalance + ?1 WHERE aid = ?2");
  statement balance(db, "SELECT abalance FROM pgbench_accounts WHERE aid = ?1");
  statement tellers(db, "UPDATE pgbench_tellers SET tbalance = tbalance + ?1 WHERE tid = ?2");
  statement branches(db, "UPDATE pgbench_branches SET bbalance = bbalance + ?1 WHERE bid = ?2");
  statement history(db,
                    "INSERT INTO pgbench_history(tid, bid, aid, delta, mtime)"
                    " VALUES (?1, ?2, ?3, ?4, ?5)");
  statement commit(db, "COMMIT");

  std::mt19937_64 random(how.seed);
  auto up_to = [&](int most) { return std::uniform_int_distribution<int>(1, most)(random); };
  using clock = std::chrono::steady_clock;
  const auto start = clock::now();
  const auto end = start + std::chrono::duration<double>(how.seconds);
  std::vector<double> took_ms;
  for (auto now = start; now < end;) {
    const int aid = up_to(how.scale * accounts_per_branch);
    const int bid = up_to(how.scale);
    const int tid = up_to(how.scale * tellers_per_branch);
    const int delta = up_to(10'001) - 5'001;
    begin.run();
    accounts.run({delta, aid});
    balance.run({aid});
    tellers.run({delta, tid});
    branches.run({delta, bid});
    history.run(
        {tid, bid, aid, delta, std::chrono::system_clock::now().time_since_epoch().count()});
    commit.run();
    const auto done = clock::now();
    took_ms.push_back(std::chrono::duration<double, std::milli>(done - now).count());
    now = done;
  }
  return took_ms;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 2 && std::string_view(argv[1]) == "--version") {
    std::printf("SQLite %s\n", sqlite3_libversion());
    return 0;
  }
  const options how = parse(argc, argv);
  database db(how.db);
  db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = " + how.synchronous);
  if (!has_tables(db)) load(db, how.scale);
  const auto start = std::chrono::steady_clock::now();
  std::vector<double> ms = transfer(db, how);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  std::sort(ms.begin(), ms.end());
  auto percentile = [&](int p) { return ms[(ms.size() - 1) * std::size_t(p) / 100]; };
  std::printf(
      "{\"tps\": %.1f, \"p50_ms\": %.4f, \"p95_ms\": %.4f, \"p99_ms\": %.4f, "
      "\"transactions\": %zu}\n",
      double(ms.size()) / took.count(), percentile(50), percentile(95), percentile(99), ms.size());
}
