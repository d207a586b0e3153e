// How a service behind a load balancer goes: unready first, then deaf, then empty, then closed; and
// what there is to see while it does.

#include <chrono>
#include <csignal>
#include <cstdio>

#include <weir/context/sleep.hpp>
#include <weir/stopper/note.hpp>
#include <weir/stopper/shutdown_plan.hpp>
#include <weir/stopper/signal_shutdown.hpp>

using namespace std::chrono_literals;

namespace {

/// What a health check of the load balancer asks.
struct health {
  weir::core::atomic<bool> ready{true};
};

weir::task<> serve(weir::context ctx) {
  weir::note("waiting for peer 7");  // in snapshots, and in the report if it does not end
  static_cast<void>(co_await weir::sleep_for(ctx, 20ms));
}

weir::task<> accept(weir::context ctx) {
  static_cast<void>(co_await weir::sleep_for(ctx, 24h));
}

}  // namespace

int main() {
  health check;
  weir::runtime rt{{.held_after = 100ms, .log = &weir::stderr_log(), .name = "ledger"}};
  weir::stopper stopper{rt, {.name = "ledger", .heartbeat = 1s}};
  stopper.defer("database", [] { std::puts("closed the database"); }).keep();
  stopper.spawn({.name = "ledger.accept", .on_quiesce = weir::quiesce_action::cancel}, accept)
      .value()
      .detach();
  stopper.spawn("ledger.serve", serve).value().detach();

  // Stages that come before the stop, each with a budget of its own.
  weir::shutdown_plan plan{stopper, {.drain = 10s, .cancel = 5s, .close = 5s}};
  plan.stage("unready", 2s, [&](const weir::context& ctx) {
    check.ready.store(false);
    static_cast<void>(weir::wait(weir::sleep_for(ctx, 5ms)));  // until the balancer has noticed
  });
  plan.stage("stop accepting", 1s, [] { std::puts("closed the listening socket"); });

  // 1st SIGTERM or SIGINT: the plan. 2nd: on to cancel. 3rd: report and exit. SIGUSR1: a dump.
  const weir::signal_shutdown signals{stopper, {.plan = &plan, .dump_on_usr1 = true}};
  signals.ready("Serving.");  // to systemd, if NOTIFY_SOCKET says so

  // What runs now, without stopping it.
  const weir::snapshot now = rt.snapshot();
  std::printf("%zu tasks live\n", now.running());
  std::fputs(now.to_string().c_str(), stdout);
  std::puts(rt.snapshot(weir::snapshot_detail::counts).to_json().c_str());

  std::raise(SIGTERM);  // as the service manager would
  const auto report = weir::wait(stopper.stopped());
  return report->exit_code();
}
