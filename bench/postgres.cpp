// 64 callers on a PostgreSQL server whose address is in BENCH_PG_URL: a select by key over the
// pipelined lane, pgbench's TPC-B-like transaction in three ways, and how many busy connections a
// pool finds out by itself that it should have.
#include <atomic>
#include <cstdlib>
#include <memory>

#include <weir/context/wait.hpp>
#include <weir/postgres/postgres.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/stopper/stopper.hpp>
#include <weir/version.hpp>

#include "peers/peer.hpp"

namespace {

constexpr int callers = 64;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  if (value != nullptr) return value;
  std::fprintf(stderr, "%s is not set\n", name);
  std::exit(1);
}

[[noreturn]] void give_up(const weir::error& why) {
  std::fprintf(stderr, "%s\n", why.to_string().c_str());
  std::_Exit(1);
}

/// What pgbench's script draws.
struct draw {
  std::int64_t account;
  std::int64_t teller;
  std::int64_t branch;
  std::int64_t delta;
};

class dice {
 public:
  dice(std::uint64_t seed, std::int64_t scale) : state_(seed * 0x9e3779b97f4a7c15), scale_(scale) {}

  draw next() {
    const std::int64_t account = below(scale_ * 100'000) + 1;
    const std::int64_t teller = below(scale_ * 10) + 1;
    const std::int64_t branch = below(scale_) + 1;
    return {account, teller, branch, below(10'001) - 5'000};
  }

 private:
  std::int64_t below(std::int64_t n) {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return static_cast<std::int64_t>((state_ >> 33) % static_cast<std::uint64_t>(n));
  }

  std::uint64_t state_;
  std::int64_t scale_;
};

// ---- what one caller does
// ------------------------------------------------------------------------

using action = weir::task<weir::result<void>> (*)(weir::sql::db& db, weir::context ctx, draw d);

weir::task<weir::result<void>> select(weir::sql::db& db, weir::context ctx, draw d) {
  const auto balance = co_await db.query_row<std::int64_t>(
      ctx, "SELECT abalance FROM pgbench_accounts WHERE aid = $1", d.account);
  if (!balance) co_return std::unexpected(balance.error());
  co_return weir::result<void>{};
}

weir::task<weir::result<void>> body(weir::sql::tx& tx, draw d) {
  const auto account = co_await tx.exec(
      "UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2", d.delta, d.account);
  if (!account) co_return std::unexpected(account.error());
  const auto balance = co_await tx.query_row<std::int64_t>(
      "SELECT abalance FROM pgbench_accounts WHERE aid = $1", d.account);
  if (!balance) co_return std::unexpected(balance.error());
  const auto teller = co_await tx.exec(
      "UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2", d.delta, d.teller);
  if (!teller) co_return std::unexpected(teller.error());
  const auto branch = co_await tx.exec(
      "UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2", d.delta, d.branch);
  if (!branch) co_return std::unexpected(branch.error());
  const auto history = co_await tx.exec(
      "INSERT INTO pgbench_history(tid, bid, aid, delta, mtime)"
      " VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
      d.teller, d.branch, d.account, d.delta);
  if (!history) co_return std::unexpected(history.error());
  co_return weir::result<void>{};
}

weir::task<weir::result<void>> steps(weir::sql::db& db, weir::context ctx, draw d) {
  auto whole = [d](weir::sql::tx& tx) { return body(tx, d); };
  co_return co_await db.with_tx(ctx, whole);
}

template <weir::sql::commit_mode how>
weir::task<weir::result<void>> script(weir::sql::db& db, weir::context ctx, draw d) {
  weir::sql::script all;
  all.add("UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2", d.delta,
          d.account);
  all.add("SELECT abalance FROM pgbench_accounts WHERE aid = $1", d.account);
  all.add("UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2", d.delta, d.teller);
  all.add("UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2", d.delta, d.branch);
  all.add(
      "INSERT INTO pgbench_history(tid, bid, aid, delta, mtime)"
      " VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
      d.teller, d.branch, d.account, d.delta);
  const weir::sql::run_options options{.commit = how};
  const auto done = co_await db.run(ctx, std::move(all), options);
  if (!done) co_return std::unexpected(done.error());
  co_return weir::result<void>{};
}

// ---- all of them
// ---------------------------------------------------------------------------------

struct figures {
  double per_second = 0;
  double p99_ms = 0;
  double count = 0;
};

weir::task<std::vector<double>> caller(weir::sql::db& db, weir::context ctx, action one, int number,
                                       peer::clock::time_point end) {
  dice draws{static_cast<std::uint64_t>(number) + 1,
             std::atoll(environment("BENCH_PG_SCALE").c_str())};
  std::vector<double> times;
  for (auto begin = peer::clock::now(); begin < end; begin = peer::clock::now()) {
    if (const auto done = co_await one(db, ctx, draws.next()); !done) give_up(done.error());
    times.push_back(peer::seconds_since(begin) * 1e3);
  }
  co_return times;
}

figures together(action one, const weir::sql::db_options& options, double seconds) {
  weir::runtime rt{{.workers = 2}};
  weir::stopper stopper{rt, {.name = "bench"}};
  auto db = weir::postgres::open(stopper, environment("BENCH_PG_URL"), options);
  if (!db) give_up(db.error());
  const auto begin = peer::clock::now();
  const auto end = begin + std::chrono::duration_cast<peer::clock::duration>(
                               std::chrono::duration<double>{seconds});
  std::vector<weir::result<weir::task_handle<std::vector<double>>>> tasks;
  for (int i = 0; i < callers; ++i) {
    const auto run = [&db, one, i, end](weir::context ctx) {
      return caller(*db, std::move(ctx), one, i, end);
    };
    tasks.push_back(stopper.spawn("bench.caller", run));
  }
  std::vector<double> all;
  for (auto& task : tasks) {
    const auto mine = weir::wait(task.value().join({})).value();
    all.insert(all.end(), mine.begin(), mine.end());
  }
  const double took = peer::seconds_since(begin);
  if (!weir::wait(stopper.stop({}))) std::abort();
  std::sort(all.begin(), all.end());
  const auto count = static_cast<double>(all.size());
  return {count / took, all[all.size() * 99 / 100], count};
}

double seconds() {
  return std::atof(environment("BENCH_SECONDS").c_str());
}

void measure(const std::string& row, action one, const weir::sql::db_options& options) {
  const figures f = together(one, options, seconds());
  peer::emit(row, "tps", f.per_second);
  peer::emit(row + ".p99", "ms", f.p99_ms);
  peer::emit(row + ".count", "", f.count);
}

/// Fixed numbers of connections one after another, then the pool that looks for the best itself.
void limits(const std::string& row, action one) {
  constexpr std::size_t most = 16;
  double best = 0;
  double best_at = 0;
  double count = 0;
  for (const std::size_t fixed : {1, 2, 3, 4, 6, 8, 16}) {
    const figures f = together(one, {.max_open = fixed}, seconds() / 2);
    count += f.count;
    if (f.per_second <= best) continue;
    best = f.per_second;
    best_at = static_cast<double>(fixed);
  }
  const figures f =
      together(one, {.max_open = most, .busy = weir::busy_limit::adaptive}, seconds());
  peer::emit(row, "x", f.per_second / best);
  peer::emit(row + ".tps", "tps", f.per_second);
  peer::emit(row + ".best", "tps", best);
  peer::emit(row + ".best_at", "", best_at);
  peer::emit(row + ".count", "", count + f.count);
}

}  // namespace

int main(int argc, char** argv) {
  using std::string;
  using mode = weir::sql::commit_mode;
  return peer::run(
      argc, argv, weir::version_string,
      {{"postgres.select",
        [](const string& row) { measure(row, select, {.max_open = 8, .pipelined = 2}); }},
       {"postgres.select.merged",
        [](const string& row) {
          measure(row, select, {.max_open = 8, .pipelined = 2, .merge_reads = true});
        }},
       {"postgres.select.leased", [](const string& row) { measure(row, select, {.max_open = 8}); }},
       {"postgres.select.limit", [](const string& row) { limits(row, select); }},
       {"postgres.tpcb.steps", [](const string& row) { measure(row, steps, {.max_open = 8}); }},
       {"postgres.tpcb.script",
        [](const string& row) { measure(row, script<mode::alone>, {.max_open = 8}); }},
       {"postgres.tpcb.limit", [](const string& row) { limits(row, script<mode::alone>); }},
       {"postgres.tpcb.group",
        [](const string& row) { measure(row, script<mode::grouped>, {.max_open = 8}); }}});
}
