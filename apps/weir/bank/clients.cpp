#include "clients.hpp"

#include <algorithm>
#include <chrono>
#include <limits>
#include <utility>

#include <weir/core/sync/clock.hpp>
#include <weir/retry/retry.hpp>
#include <weir/sql/errors.hpp>

namespace weir::bank {

using namespace std::chrono_literals;

namespace {

// pgbench's script, "TPC-B (sort of)"; the id goes where pgbench has its filler.
void write_transfer(sql::script& into, const transfer_id& id, const transfer& t) {
  into.clear();
  into.add("UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2", t.delta,
           t.account);
  into.add("SELECT abalance FROM pgbench_accounts WHERE aid = $1", t.account);
  into.add("UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2", t.delta, t.teller);
  into.add("UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2", t.delta,
           t.branch);
  const auto now = std::chrono::floor<std::chrono::microseconds>(core::wall_now());
  into.add(
      "INSERT INTO pgbench_history(tid, bid, aid, delta, mtime, filler)"
      " VALUES ($1, $2, $3, $4, $5, $6)",
      t.teller, t.branch, t.account, t.delta, now, id.view());
}

constexpr int most_retries = 20;

// Whether nobody knows if the transfer was made: its answer was lost, not refused.
bool in_doubt(const error& why) noexcept {
  const bool lost =
      why.code() == errc::commit_unknown || why.code() == errc::closed || why.code() == errc::io;
  return lost && sql::outcome_of(why) == sql::outcome::unknown;
}

}  // namespace

std::uint64_t workload_figures::all_retries() const noexcept {
  std::uint64_t sum = 0;
  for (const auto count : retries) sum += count;
  return sum;
}

workload::workload(stopper& owner, sql::db& database, journal& log, settings how)
    : owner_(owner), database_(database), log_(log), how_(how) {
  clients_.reserve(how_.clients);
  for (std::size_t i = 0; i < how_.clients; ++i) {
    clients_.push_back(std::make_unique<client_figures>());
  }
}

void workload::start() {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    auto run = [this, i](context ctx) { return client(std::move(ctx), i); };
    if (!owner_.spawn("bank.client", run)) return;
  }
}

task<void> workload::client(context ctx, std::size_t number) {
  client_figures& mine = *clients_[number];
  transfer_source source{how_.seed, number, how_.scale};
  for (std::uint64_t sequence = 0; !ctx.draining(); ++sequence) {
    const transfer_id id{how_.run, number, sequence};
    const transfer what = source.next();
    const time_point begun = ctx.time().now();
    auto done = co_await perform(ctx, mine, id, what);
    if (done) done = co_await log_.append(id, what);
    if (done) {
      mine.latencies.record(ctx.time().now() - begun);
      mine.acknowledged.add(1);
      continue;
    }
    mine.given_up.add(1);
    if (ctx.draining()) break;
    fail(std::move(done).error());
    break;
  }
}

task<result<void>> workload::perform(const context& ctx, client_figures& figures,
                                     const transfer_id& id, const transfer& what) {
  sql::script script;
  write_transfer(script, id, what);
  // The database could repeat it by itself; out here the causes can be counted.
  const sql::run_options once{.tx = {.level = how_.level, .max_retries = 0},
                              .commit = how_.commit,
                              .release = how_.release};
  retry_options waits{.initial_backoff = 1ms, .max_backoff = 500ms};
  if (!how_.waits_for_ever) waits.max_retries = most_retries;
  retry attempts{ctx, waits};
  bool doubtful = false;
  bool repeated = false;  // after a doubt
  while (const auto attempt = co_await attempts.next()) {
    if (attempt->number > 0) {
      const auto cause = static_cast<std::size_t>(attempts.error_before(0)->code());
      figures.retries[cause].add(1);
    }
    if (doubtful) {
      const auto found = co_await settled(attempt->context, figures, id);
      if (found && *found) co_return result<void>{};
      if (!found && !sql::retryable(found.error()) && !in_doubt(found.error())) {
        co_return std::unexpected(found.error());
      }
      if (!found) {
        attempts.failed(found.error(), retry_verdict::retry());
        continue;
      }
      doubtful = false;
      repeated = true;
    }
    auto done = co_await database_.run(attempt->context, script, once);
    if (done) co_return result<void>{};
    // The first one may have been committed only now, which the history's unique ids tell.
    doubtful = in_doubt(done.error()) || (repeated && done.error().code() == errc::constraint);
    if (!doubtful && !sql::retryable(done.error())) {
      co_return std::unexpected(std::move(done).error());
    }
    attempts.failed(std::move(done).error(), retry_verdict::retry());
  }
  co_return attempts.failure();
}

/// Looks for a transfer in the history. What is found counts as acknowledged: if it may have been
/// seen before it was on the disk, the look waits for the disk as well.
task<result<bool>> workload::settled(const context& ctx, client_figures& figures,
                                     const transfer_id& id) {
  sql::script look;
  look.add("SELECT EXISTS (SELECT 1 FROM pgbench_history WHERE filler = $1)", id.view());
  const sql::run_options how{.tx = {.access = sql::access::read_only}, .release = how_.release};
  const auto done = co_await database_.run(ctx, std::move(look), how);
  if (!done) co_return std::unexpected(done.error());
  const auto found = done->row<bool>(0);
  if (!found) co_return std::unexpected(found.error());
  (*found ? figures.unknown_happened : figures.unknown_not_happened).add(1);
  co_return *found;
}

void workload::fail(error why) {
  {
    const core::lock_guard guard{mutex_};
    if (failure_) return;
    failure_ = std::move(why);
  }
  owner_.request_stop({.drain = 2s, .cancel = 2s, .reason = "a transfer failed"});
}

workload_figures workload::figures() const {
  workload_figures sum;
  sum.least_per_client = std::numeric_limits<std::uint64_t>::max();
  for (const auto& client : clients_) {
    client->latencies.add_to(sum.latencies);
    const std::uint64_t acknowledged = client->acknowledged.get();
    sum.acknowledged += acknowledged;
    sum.given_up += client->given_up.get();
    sum.unknown_happened += client->unknown_happened.get();
    sum.unknown_not_happened += client->unknown_not_happened.get();
    sum.least_per_client = std::min(sum.least_per_client, acknowledged);
    sum.most_per_client = std::max(sum.most_per_client, acknowledged);
    sum.longest = std::max(sum.longest, client->latencies.longest());
    for (std::size_t i = 0; i < sum.retries.size(); ++i) sum.retries[i] += client->retries[i].get();
  }
  return sum;
}

std::optional<error> workload::failure() const {
  const core::lock_guard guard{mutex_};
  return failure_;
}

}  // namespace weir::bank
