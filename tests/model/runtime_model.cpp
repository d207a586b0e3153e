// The whole runtime: workers, timers and outside threads. Executions are long, so bounds are low
// and PCT runs many.

#include <memory>
#include <optional>

#include <weir/context/context.hpp>
#include <weir/context/on_cancel.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/start.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sync/event.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

struct no_tail {
  static void ended(task_record&) noexcept {}
  static void unhandled(task_record&, const std::exception_ptr&) noexcept {}
};

struct counted : core::work {
  counted() noexcept
      : core::work([](core::work& self) noexcept { static_cast<counted&>(self).ran(); }) {}
  void ran() noexcept { runs.fetch_add(1); }
  core::atomic<int> runs{0};
};

WEIR_MODEL(one_worker_runs_what_two_threads_schedule, .bound = 1, .timeouts = 1, .pct = 10'000) {
  counted items[2];
  {
    runtime rt{{.workers = 1}};
    model::threads([&] { rt.execute(items[0]); }, [&] { rt.execute(items[1]); });
  }
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

WEIR_MODEL(two_workers_run_each_item_once, .bound = 1, .timeouts = 1, .pct = 10'000) {
  counted items[2];
  {
    runtime rt{{.workers = 2}};
    model::threads([&] { rt.execute(items[0]); }, [&] { rt.execute(items[1]); });
  }
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

/// Ready means: without the runtime's end, which would run it anyway.
WEIR_MODEL(a_thread_waits_for_a_task_of_an_idle_runtime, .bound = 1, .timeouts = 1, .pct = 10'000) {
  runtime rt{{.workers = 1}};
  event done;
  auto work = [&done] -> task<void> {
    done.set();
    co_return;
  };
  static_cast<void>(core::start(rt, {"work"}, {}, work, no_tail{}));
  model::check(wait(done.wait({})).has_value(), "the task ran");
}

WEIR_MODEL(a_task_wakes_another_across_workers, .bound = 1, .timeouts = 1, .pct = 10'000) {
  runtime rt{{.workers = 2}};
  event first;
  auto waits = [&first] -> task<int> {
    const context never;
    static_cast<void>(co_await first.wait(never));
    co_return 1;
  };
  auto sets = [&first] -> task<int> {
    first.set();
    co_return 2;
  };
  auto a = core::start(rt, {"waits"}, {}, waits, no_tail{});
  auto b = core::start(rt, {"sets"}, {}, sets, no_tail{});
  model::check(wait(a.join({})).value_or(0) == 1, "the waiting one ended");
  model::check(wait(b.join({})).value_or(0) == 2, "the other one ended");
}

WEIR_MODEL(a_sleeping_task_is_woken_by_its_worker, .bound = 1, .timeouts = 2, .pct = 10'000) {
  runtime rt{{.workers = 1}};
  context_source source;
  bool slept = false;
  auto sleeps = [&](context ctx) -> task<int> {
    slept = (co_await sleep_for(ctx, 1ms)).has_value();
    co_return 1;
  };
  auto a = core::start(rt, {"sleeps"}, source.get(), sleeps, no_tail{});
  model::threads([&] { source.cancel(); },
                 [&] { model::check(wait(a.join({})).value_or(0) == 1, "it ended"); });
  model::sometimes(slept, "the timer was first");
  model::sometimes(!slept, "the cancel was first");
}

WEIR_MODEL(a_blocking_call_comes_back_to_its_runtime, .bound = 1, .timeouts = 1, .pct = 10'000) {
  runtime rt{{.workers = 1}};
  auto hops = [&rt] -> task<int> {
    core::executor& home = this_executor();
    co_await resume_on(rt.blocking());
    co_await resume_on(home);
    co_return 3;
  };
  auto a = core::start(rt, {"hops"}, {}, hops, no_tail{});
  model::check(wait(a.join({})).value_or(0) == 3, "it came back");
}

/// Nothing but the kick of the timer tells the sleeping worker.
WEIR_MODEL(a_timer_armed_from_outside_wakes_a_sleeping_worker, .bound = 1, .pct = 5'000) {
  runtime rt{{.workers = 1}};
  event over;
  const context_source source{context{}, {.timeout = 1ms}};
  const auto hook = on_cancel(source.get(), [&over]() noexcept { over.set(); });
  source.get().state()->arm_deadline(rt.timers());
  model::check(wait(over.wait({})).has_value(), "the deadline passed");
}

}  // namespace
