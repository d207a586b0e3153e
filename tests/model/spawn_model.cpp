// Tasks of a stopper: spawned against a stop, and what they may touch until it has returned.

#include <optional>

#include <weir/context/wait.hpp>
#include <weir/sync/event.hpp>
#include <weir/sync/semaphore.hpp>

#include "explorer/model.hpp"
#include "stage.hpp"

namespace {

using namespace weir;
using model::stage;

WEIR_MODEL(a_spawned_task_is_refused_or_waited_for, .bound = 1, .pct = 10'000) {
  stage on;
  on.left.store(2);
  std::optional<stopper> s{std::in_place, on.rt, on.options()};
  core::atomic<bool> stopped{false};
  core::atomic<int> ran{0};
  int accepted = 0;
  const auto work = [&] -> task<void> {
    model::check(!stopped.load(), "a task runs before the stop returns");
    ran.fetch_add(1);
    co_return;
  };
  model::threads(
      [&] {
        for (const char* name : {"one", "two"}) accepted += s->spawn(name, work) ? 1 : 0;
        on.done();
      },
      [&] {
        static_cast<void>(wait(s->stop()));
        stopped.store(true);
        on.done();
      },
      [&] { on.pump(); });
  model::check(ran.load() == accepted, "what was let in has run, once");
  model::sometimes(accepted == 0, "the stop was first");
  model::sometimes(accepted == 2, "the stop was last");
}

/// A joiner, a task, and what both use: all may go when the stop has returned.
WEIR_MODEL(what_a_task_holds_comes_home_before_the_stop_returns, .pct = 10'000) {
  stage on;
  on.left.store(1);
  std::optional<stopper> s{std::in_place, on.rt, on.options()};
  std::optional<semaphore> quota{1};
  std::optional<context_source> caller{std::in_place};
  const auto work = [] -> task<void> { co_return; };
  const spawn_options limited{.name = "limited", .quota = &*quota};
  auto handle = s->spawn(caller->get(), limited, work);
  model::check(handle.has_value(), "it was let in");
  handle->detach();
  model::threads(
      [&] {
        static_cast<void>(wait(s->stop()));
        s.reset();
        quota.reset();
        caller.reset();
        on.done();
      },
      [&] { on.pump(); });
}

/// Due, cancelled and dropped at once: one of the three, and the stop does not return before.
WEIR_MODEL(a_delayed_task_starts_or_is_cancelled_or_dropped, .bound = 1, .pct = 10'000) {
  stage on;
  on.left.store(2);
  std::optional<stopper> s{std::in_place, on.rt, on.options()};
  bool stopped = false;
  bool ran = false;
  const auto work = [&]() -> task<void> {
    model::check(!stopped, "it runs before the stop returns");
    ran = true;
    co_return;
  };
  auto later = s->spawn_after(std::chrono::seconds{1}, {.name = "later"}, work);
  model::check(later.has_value(), "it was let in");
  std::size_t dropped = 0;
  model::threads(
      [&] {
        later->cancel();
        on.time.advance(std::chrono::seconds{1});
        on.done();
      },
      [&] {
        const auto report = wait(s->stop());
        stopped = true;
        dropped = report->dropped.size();
        s.reset();
        on.done();
      },
      [&] { on.pump(); });
  const auto end = wait(later->join({}));
  model::check(end.has_value() == ran, "it says whether it has run");
  model::check(dropped <= 1 && !(dropped == 1 && ran), "what was dropped has not run");
  model::sometimes(dropped == 1, "the stop was first");
  model::sometimes(dropped == 0, "the cancellation was first");
}

WEIR_MODEL(a_join_and_a_stop_both_see_the_end_of_a_task, .bound = 1, .pct = 10'000) {
  stage on;
  on.left.store(2);
  stopper s{on.rt, on.options()};
  const auto work = [] -> task<int> { co_return 7; };
  auto handle = s.spawn("work", work);
  model::check(handle.has_value(), "it was let in");
  model::threads(
      [&] {
        model::check(wait(handle->join({})).value_or(0) == 7, "its value arrives");
        on.done();
      },
      [&] {
        model::check(wait(s.stop()).has_value(), "it stopped");
        on.done();
      },
      [&] { on.pump(); });
}

/// Between taking the units and spawning, the stop may have begun.
WEIR_MODEL(a_spawn_that_waits_for_units_ends_with_the_stop, .bound = 1, .pct = 10'000) {
  stage on;
  on.left.store(2);
  stopper s{on.rt, on.options()};
  semaphore quota{1};
  auto held = quota.try_acquire();
  bool let_in = false;
  const auto work = [] -> task<void> { co_return; };
  model::threads(
      [&] {
        const spawn_options limited{.name = "limited", .quota = &quota};
        const context never;
        let_in = wait(s.spawn_when_free(never, limited, work)).has_value();
        on.done();
      },
      [&] {
        held.reset();
        static_cast<void>(wait(s.stop()));
        on.done();
      },
      [&] { on.pump(); });
  model::check(quota.available() == 1 && quota.waiting() == 0, "the units came home");
  model::sometimes(let_in, "the units came first");
  model::sometimes(!let_in, "the stop came first");
}

}  // namespace
