// The example of the README: a task that retries a transaction, and a service that ends in order.
#include <cstdio>

#include <weir/sqlite/sqlite.hpp>
#include <weir/weir.hpp>

using namespace std::chrono_literals;

weir::task<weir::result<void>> settle(weir::context ctx, weir::sql::db* db) {
  weir::retry attempts{ctx, {.initial_backoff = 20ms, .max_retries = 5}};
  while (auto attempt = co_await attempts.next()) {
    auto done = co_await db->exec(attempt->context, "UPDATE accounts SET cents = cents + ?", 1);
    if (done) co_return weir::result<void>{};
    attempts.failed(done.error());
  }
  co_return attempts.failure();  // why, after how many attempts, and their last errors
}

int main() {
  weir::runtime rt;
  weir::stopper stopper{rt, {.name = "ledger"}};
  // The first SIGTERM drains, the second cancels, the third reports and exits.
  weir::signal_shutdown signals{stopper, {.drain = 10s, .cancel = 5s}};
  auto db = weir::sqlite::open(stopper, "sqlite::memory:").value();  // closes with the stopper
  weir::wait(db.exec({}, "CREATE TABLE accounts(cents INTEGER)")).value();

  auto task =
      stopper.spawn("settle", [&](const weir::context& ctx) { return settle(ctx, &db); }).value();
  auto settled = weir::wait(task.join({}));
  if (!settled) std::puts(settled.error().to_string().c_str());

  auto report = weir::wait(stopper.stop({.drain = 2s})).value();
  std::fputs(report.to_string().c_str(), stdout);  // phases, timings, who was left over
  return report.exit_code();                       // clean and forced have their own
}
