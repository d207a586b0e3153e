#pragma once

#include <chrono>
#include <memory>
#include <string_view>
#include <type_traits>

#include <weir/stopper/service_manager.hpp>
#include <weir/stopper/stopper.hpp>

namespace weir {

class shutdown_plan;

struct signal_options {
  /// What the first signal begins instead of a stop, with the plan's own budgets. The second one
  /// skips its stages. Outlives the signal_shutdown.
  shutdown_plan* plan = nullptr;

  /// The budgets of the stop that the first signal begins.
  duration drain = std::chrono::seconds{10};
  duration cancel = std::chrono::seconds{5};
  duration close = std::chrono::seconds{5};

  /// SIGUSR1 writes a snapshot of the whole runtime, as text, to `dump_sink`.
  bool dump_on_usr1 = false;
  /// Gets the dump, a line at a time. Null: standard error.
  log_sink* dump_sink = nullptr;

  /// Tells the service manager, if the environment names one: STOPPING, STATUS, and that it needs
  /// more time while it has budget. See service_manager, and `ready`.
  bool tell_manager = true;
};
static_assert(std::is_trivially_destructible_v<signal_options>);

/// Problem: SIGTERM must end a service in an orderly way even when its workers are stuck, and an
/// impatient operator must get further with each signal.
///
/// While it lives, SIGINT and SIGTERM are taken from the program:
///
///   (nothing) ──1st──► drains ──2nd──► cancels at once ──3rd──► reports on stderr and exits
///
/// Opt-in: nothing is installed by linking. The handlers only count and write to an eventfd. A
/// thread named weir-signals, the only one it starts, waits for that and drives the stop: budgets,
/// heartbeat, abandoning and the third signal need no worker. It drives a stop that somebody else
/// began, too. What can hold it up is user code that it calls: on_quiesce functions, cancellation
/// callbacks, log sinks; none of them may block.
///
/// Requires: one at a time in a process (asserted); the stopper outlives it, on real time
/// (asserted). Guarantees: the destructor brings the previous dispositions back and joins the
/// thread; a stop that is under way goes on for whoever waits for it. Works as process 1.
/// The eventfd, one per process, stays open: a handler may still be about to write to it.
/// Blocks: the destructor, for one step of the thread. Thread safety: one owner.
/// Throws: std::system_error if the eventfd or the thread cannot be had.
///
///     weir::signal_shutdown signals{stopper, {.drain = 10s, .cancel = 5s}};
class signal_shutdown {
 public:
  explicit signal_shutdown(stopper& target, signal_options options = {});
  signal_shutdown(const signal_shutdown&) = delete;
  signal_shutdown& operator=(const signal_shutdown&) = delete;
  ~signal_shutdown();

  /// Tells the service manager that the service is up (READY=1). False: there is none.
  bool ready(std::string_view status = {}) const;

 private:
  class watcher;
  std::unique_ptr<watcher> watcher_;
};

}  // namespace weir
