// Signals against the ends of tasks, of a stop, and of the watcher itself.

#include <csignal>
#include <optional>

#include <weir/context/wait.hpp>
#include <weir/runtime/inline_executor.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/stopper/signal_shutdown.hpp>

#include "explorer/model.hpp"
#include "seam/descriptors.hpp"
#include "stage.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

/// On real time, as the watcher needs it.
struct setting {
  model::settled_runtime host{1};
  runtime& rt = host.rt;
  run_loop loop;
  inline_executor inline_now;

  stopper_options options() {
    return {.name = "s", .heartbeat = {}, .executor = &loop, .blocking = &inline_now};
  }
};

WEIR_MODEL(a_signal_stops_and_the_last_task_ends_the_stop, .timeouts = 0, .pct = 10'000) {
  setting on;
  stopper s{on.rt, on.options()};
  std::optional<signal_shutdown> watch{std::in_place, s};
  auto one = s.try_enter("one");
  const auto begun = model::execution::current.now();
  model::threads(
      [&] {
        model::raise_signal(SIGTERM);
        model::check(wait(s.stopped()).has_value(), "it stopped");
        model::check(model::execution::current.now() < begun + 1s, "not by its budgets");
        watch.reset();
      },
      [&] {
        static_cast<void>(wait(until_draining(one->ctx())));
        one->release();
      });
}

WEIR_MODEL(a_second_signal_hurries, .timeouts = 0, .pct = 10'000) {
  setting on;
  stopper s{on.rt, on.options()};
  const signal_shutdown watch{s, {.drain = 1h, .cancel = 1h, .close = 1h}};
  auto one = s.try_enter("one");
  model::threads(
      [&] {
        model::raise_signal(SIGTERM);
        model::raise_signal(SIGINT);
        model::check(wait(s.stopped()).has_value(), "it stopped");
      },
      [&] {
        static_cast<void>(wait(until_cancelled(one->ctx())));
        one->release();
      });
}

WEIR_MODEL(the_watcher_may_end_while_a_signal_arrives, .timeouts = 0, .pct = 10'000) {
  setting on;
  stopper s{on.rt, on.options()};
  std::optional<signal_shutdown> watch{std::in_place, s};
  model::threads([&] { watch.reset(); },
                 [&] {
                   model::raise_signal(SIGTERM);
                   model::raise_signal(SIGTERM);
                 });
  model::sometimes(s.is_quiescing(), "the signal was obeyed");
  model::sometimes(!s.is_quiescing(), "the watcher was gone");
  if (s.is_quiescing()) static_cast<void>(wait(s.stop()));
}

}  // namespace
