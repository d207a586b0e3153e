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
  into.add("UPDATE pgbench_accounts SET abalance = abalance + ? WHERE aid = ?", t.delta, t.account);
  into.add("SELECT abalance FROM pgbench_accounts WHERE aid = ?", t.account);
  into.add("UPDATE pgbench_tellers SET tbalance = tbalance + ? WHERE tid = ?", t.delta, t.teller);
  into.add("UPDATE pgbench_branches SET bbalance = bbalance + ? WHERE bid = ?", t.delta, t.branch);
  const auto now = std::chrono::floor<std::chrono::microseconds>(core::wall_now());
  into.add(
      "INSERT INTO pgbench_history(tid, bid, aid, delta, mtime, filler) VALUES (?, ?, ?, ?, ?, ?)",
      t.teller, t.branch, t.account, t.delta, now, id.view());
}

constexpr int most_retries = 20;

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
  const sql::run_options once{.tx = {.max_retries = 0}, .commit = how_.commit};
  retry attempts{ctx, {.initial_backoff = 1ms, .max_backoff = 500ms, .max_retries = most_retries}};
  while (const auto attempt = co_await attempts.next()) {
    if (attempt->number > 0) {
      const auto cause = static_cast<std::size_t>(attempts.error_before(0)->code());
      figures.retries[cause].add(1);
    }
    auto done = co_await database_.run(attempt->context, script, once);
    if (done) co_return result<void>{};
    if (!sql::retryable(done.error())) co_return std::unexpected(std::move(done).error());
    attempts.failed(std::move(done).error());
  }
  co_return attempts.failure();
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
