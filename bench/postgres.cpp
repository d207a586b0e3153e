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

using when = weir::sql::lock_release;

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

template <weir::sql::commit_mode how, weir::sql::lock_release release = when::durable>
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
  const weir::sql::run_options options{.commit = how, .release = release};
  const auto done = co_await db.run(ctx, std::move(all), options);
  if (!done) co_return std::unexpected(done.error());
  co_return weir::result<void>{};
}

// ---- all of them
// ---------------------------------------------------------------------------------

/// A time in which everybody calls one database, of so many connections at most (0: unchanged).
struct turn {
  weir::sql::db* db;
  double length_s;
  std::size_t most = 0;
};

struct done {
  std::size_t turn;
  double at_s;  ///< since the turn began
  double took_ms;
};

weir::task<std::vector<done>> caller(const std::vector<turn>& turns, weir::context ctx, action one,
                                     int number) {
  dice draws{static_cast<std::uint64_t>(number) + 1,
             std::atoll(environment("BENCH_PG_SCALE").c_str())};
  const auto start = peer::clock::now();
  std::vector<done> all;
  double turn_began = 0;
  double now = 0;
  for (std::size_t at = 0; at < turns.size(); turn_began += turns[at++].length_s) {
    if (number == 0 && turns[at].most != 0) turns[at].db->set_max_open(turns[at].most);
    while (now < turn_began + turns[at].length_s) {
      const double began = now;
      const auto answer = co_await one(*turns[at].db, ctx, draws.next());
      if (!answer) give_up(answer.error());
      now = peer::seconds_since(start);
      all.push_back({at, now - turn_began, (now - began) * 1e3});
    }
  }
  co_return all;
}

/// The program's runtime and stopper, and the databases that it opens.
struct service {
  weir::runtime rt{{.workers = 2}};
  weir::stopper stopper{rt, {.name = "bench"}};

  weir::sql::db open(const weir::sql::db_options& options) {
    auto db = weir::postgres::open(stopper, environment("BENCH_PG_URL"), options);
    if (!db) give_up(db.error());
    return std::move(*db);
  }

  /// All callers, turn after turn.
  std::vector<done> run(action one, const std::vector<turn>& turns) {
    std::vector<weir::result<weir::task_handle<std::vector<done>>>> tasks;
    for (int i = 0; i < callers; ++i) {
      const auto call = [&turns, one, i](weir::context ctx) {
        return caller(turns, std::move(ctx), one, i);
      };
      tasks.push_back(stopper.spawn("bench.caller", call));
    }
    std::vector<done> all;
    for (auto& task : tasks) {
      const auto mine = weir::wait(task.value().join({})).value();
      all.insert(all.end(), mine.begin(), mine.end());
    }
    if (!weir::wait(stopper.stop({}))) std::abort();
    return all;
  }
};

double seconds() {
  return std::atof(environment("BENCH_SECONDS").c_str());
}

/// A backend maps the server's shared buffers page by page when it touches them for the first time:
/// that is most of its work in its first seconds, and what has fewer backends is through sooner.
double warm_seconds() {
  return std::atof(environment("BENCH_WARM_SECONDS").c_str());
}

/// What took how long in one turn, sorted.
std::vector<double> times_of(const std::vector<done>& all, std::size_t turn, double from_s,
                             double to_s) {
  std::vector<double> times;
  for (const done& one : all) {
    if (one.turn == turn && one.at_s >= from_s && one.at_s < to_s) times.push_back(one.took_ms);
  }
  std::sort(times.begin(), times.end());
  return times;
}

void measure(const std::string& row, action one, const weir::sql::db_options& options) {
  service s;
  weir::sql::db db = s.open(options);
  const double end = warm_seconds() + seconds();
  const std::vector<done> all = s.run(one, {{&db, end}});
  const std::vector<double> times = times_of(all, 0, warm_seconds(), end);
  if (times.empty()) {
    give_up(weir::error{weir::errc::deadline_exceeded, "nothing was done in the measured time"});
  }
  peer::emit(row, "tps", static_cast<double>(times.size()) / seconds());
  peer::emit(row + ".p99", "ms", times[times.size() * 99 / 100]);
  peer::emit(row + ".count", "", static_cast<double>(all.size()));
}

/// Two pools take turns, so that a slow minute of the machine hits both: one of fixed size, which
/// becomes smaller so that its connections stay warm, and the one that looks for the number itself.
void limits(const std::string& row, action one) {
  constexpr std::size_t sizes[] = {16, 8, 6, 4, 3, 2, 1};
  const double length = seconds() / 3;
  const double settle = length / 5;
  service s;
  weir::sql::db fixed = s.open({.max_open = sizes[0]});
  weir::sql::db adaptive = s.open({.max_open = sizes[0], .busy = weir::busy_limit::adaptive});
  // The one that learns is warm only when it has also learnt.
  std::vector<turn> turns{{&fixed, warm_seconds()}, {&adaptive, 2 * warm_seconds()}};
  for (const std::size_t size : sizes) {
    turns.push_back({&fixed, length, size});
    turns.push_back({&adaptive, length});
  }
  const std::vector<done> all = s.run(one, turns);
  const auto per_second = [&](std::size_t turn) {
    const auto count = static_cast<double>(times_of(all, turn, settle, length).size());
    return count / (length - settle);
  };
  double sum = 0;
  for (std::size_t at = 0; at < std::size(sizes); ++at) sum += per_second(2 * at + 3);
  peer::emit(row, "tps", sum / std::size(sizes));
  for (std::size_t at = 0; at < std::size(sizes); ++at) {
    peer::emit(row + ".fixed." + std::to_string(sizes[at]), "tps", per_second(2 * at + 2));
  }
  peer::emit(row + ".count", "", static_cast<double>(all.size()));
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
       {"postgres.tpcb.early",
        [](const string& row) { measure(row, script<mode::alone, when::early>, {.max_open = 8}); }},
       {"postgres.tpcb.limit", [](const string& row) { limits(row, script<mode::alone>); }},
       {"postgres.tpcb.group",
        [](const string& row) { measure(row, script<mode::grouped>, {.max_open = 8}); }}});
}
