// A service that ends in order: refuse new work, let the begun finish, cancel what takes too long,
// close, and say how it went.

#include <chrono>
#include <cstdio>

#include <weir/context/sleep.hpp>
#include <weir/stopper/signal_shutdown.hpp>
#include <weir/stopper/stopper.hpp>
#include <weir/sync/semaphore.hpp>

using namespace std::chrono_literals;

namespace {

/// A loop that ends when it is asked to, between two rounds.
weir::task<int> settle(weir::context ctx) {
  int rounds = 0;
  while (!ctx.draining()) {
    if (!co_await weir::sleep_for(ctx, 1ms)) break;
    ++rounds;
  }
  co_return rounds;
}

/// One request: short, and worth finishing.
weir::task<> serve(weir::context ctx) {
  static_cast<void>(co_await weir::sleep_for(ctx, 5ms));
}

/// Waits for the next client for ever: has nothing to finish, so it is spawned to be cancelled when
/// the stop begins.
weir::task<> accept(weir::context ctx) {
  static_cast<void>(co_await weir::sleep_for(ctx, 24h));
}

}  // namespace

int main() {
  weir::runtime rt;
  weir::semaphore at_once{8};  // outlives the tasks that hold its units
  weir::stopper stopper{rt, {.name = "ledger"}};
  // From here on SIGTERM and SIGINT stop in order: the 1st drains, the 2nd cancels, the 3rd exits.
  const weir::signal_shutdown signals{stopper, {.drain = 10s, .cancel = 5s}};

  stopper.defer("database", [] { std::puts("closed the database"); }).keep();
  stopper.on_quiesce([] { std::puts("no new work from now on"); }).keep();

  auto settling = stopper.spawn("ledger.settle", settle);
  if (!settling) return 1;  // refused: the stopper is stopping already
  stopper.spawn({.name = "ledger.accept", .on_quiesce = weir::quiesce_action::cancel}, accept)
      .value()
      .detach();

  // At most eight requests at once: the ninth is throttled instead of queued.
  int served = 0;
  int throttled = 0;
  for (int i = 0; i < 10; ++i) {
    auto request = stopper.spawn({.name = "ledger.serve", .quota = &at_once}, serve);
    if (request) {
      ++served;
    } else if (request.error().code() == weir::errc::throttled) {
      ++throttled;
    }
  }
  std::printf("%d served, %d throttled\n", served, throttled);

  // On this thread, counted meanwhile: a stop would wait for it.
  const auto warm = stopper.run("ledger.warm", [](const weir::context&) { return 42; });
  std::printf("warmed up: %d\n", warm.value_or(0));

  stopper.request_stop({.drain = 10s, .reason = "the example is over"});
  const auto report = weir::wait(stopper.stopped());  // a signal would lead here, too
  const auto rounds = weir::wait(settling->join({}));
  std::printf("settled %s\n", *rounds >= 0 ? "until it was asked to end" : "never");
  std::fputs(report->to_string().c_str(), stdout);
  return report->exit_code();
}
