// The whole runtime: workers, timers and outside threads. Executions are long, so bounds are low
// and PCT runs many.

#include <memory>
#include <optional>

#include <sys/epoll.h>

#include <weir/context/context.hpp>
#include <weir/context/on_cancel.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/runtime/fd.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/start.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sync/event.hpp>

#include "explorer/model.hpp"
#include "seam/descriptors.hpp"
#include "stage.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;
using model::settled_runtime;

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

WEIR_MODEL(one_worker_runs_what_two_threads_schedule, .timeouts = 1, .pct = 10'000) {
  counted items[2];
  {
    runtime rt{{.workers = 1, .linger = {}}};
    model::threads([&] { rt.execute(items[0]); }, [&] { rt.execute(items[1]); });
  }
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

WEIR_MODEL(two_workers_run_each_item_once, .bound = 1, .timeouts = 1, .pct = 10'000) {
  counted items[2];
  {
    runtime rt{{.workers = 2, .linger = {}}};
    model::threads([&] { rt.execute(items[0]); }, [&] { rt.execute(items[1]); });
  }
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

/// The same without the beginning and the end of the runtime, and so with more preemptions.
WEIR_MODEL(two_sleeping_workers_run_each_item_once, .timeouts = 1, .pct = 10'000) {
  counted items[2];
  {
    settled_runtime on{2};
    for (counted& item : items) on.rt.execute(item);
  }
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

/// An item that does not end before another one has run.
struct waiting final : core::work {
  waiting() noexcept
      : core::work([](core::work& self) noexcept {
          auto& me = static_cast<waiting&>(self);
          me.bed.wait();
          me.over.wake();
        }) {}
  core::park bed;
  core::park over;
};
struct waking final : core::work {
  explicit waking(waiting& sleeper) noexcept
      : core::work([](core::work& self) noexcept { static_cast<waking&>(self).other.bed.wake(); }),
        other(sleeper) {}
  waiting& other;
};

/// Who is woken for the first one wakes another for the second one, which it cannot run.
WEIR_MODEL(an_item_may_wait_for_one_that_comes_after_it, .timeouts = 0, .pct = 10'000) {
  waiting first;
  waking second{first};
  settled_runtime on{2};
  on.rt.execute(first);
  on.rt.execute(second);
  first.over.wait();
}

/// The event that a sleeper brought keeps it busy: somebody else has to see the next one, which is
/// for the same of the two sets (descriptors come to them in turn).
WEIR_MODEL(events_are_seen_while_the_one_who_polled_is_busy, .bound = 1, .timeouts = 0,
           .pct = 10'000) {
  settled_runtime on{2};
  for (const int fd : {3, 4, 5}) static_cast<void>(readable(on.rt, {}, fd));
  core::park busy;
  auto first = [&on, &busy] -> task<int> {
    const context never;
    static_cast<void>(co_await readable(on.rt, never, 3));
    busy.wait();
    co_return 1;
  };
  auto handle = core::start(on.rt, {"first"}, {}, first, no_tail{});
  model::set_ready(3, EPOLLIN);
  model::set_ready(5, EPOLLIN);
  model::check(wait(readable(on.rt, {}, 5)).has_value(), "somebody looks");
  busy.wake();
  model::check(wait(handle.join({})).value_or(0) == 1, "it ended");
}

/// Ready means: without the runtime's end, which would run it anyway.
WEIR_MODEL(a_thread_waits_for_a_task_of_an_idle_runtime, .timeouts = 1, .pct = 10'000) {
  runtime rt{{.workers = 1, .linger = {}}};
  event done;
  auto work = [&done] -> task<void> {
    done.set();
    co_return;
  };
  static_cast<void>(core::start(rt, {"work"}, {}, work, no_tail{}));
  model::check(wait(done.wait({})).has_value(), "the task ran");
}

WEIR_MODEL(a_task_wakes_another_across_workers, .timeouts = 0, .pct = 10'000) {
  settled_runtime on{2};
  runtime& rt = on.rt;
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

WEIR_MODEL(a_sleeping_task_is_woken_by_its_worker, .bound = 1, .timeouts = 1, .pct = 10'000) {
  settled_runtime on{1};
  runtime& rt = on.rt;
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

WEIR_MODEL(a_blocking_call_comes_back_to_its_runtime, .timeouts = 1, .pct = 10'000) {
  settled_runtime on{1};
  runtime& rt = on.rt;
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
WEIR_MODEL(a_timer_armed_from_outside_wakes_a_sleeping_worker, .pct = 5'000) {
  runtime rt{{.workers = 1, .linger = {}}};
  event over;
  const context_source source{context{}, {.timeout = 1ms}};
  const auto hook = on_cancel(source.get(), [&over]() noexcept { over.set(); });
  source.get().state()->arm_deadline(rt.timers());
  model::check(wait(over.wait({})).has_value(), "the deadline passed");
}

/// The second one is due first, and is armed after the worker was kicked for the first.
WEIR_MODEL(two_timers_from_outside_each_wake_the_worker, .timeouts = 0, .pct = 5'000) {
  runtime rt{{.workers = 1, .linger = {}}};
  event over;
  const context_source late{context{}, {.timeout = 1h}};
  const context_source soon{context{}, {.timeout = 1ms}};
  const auto begun = model::execution::current.now();
  const auto hook = on_cancel(soon.get(), [&]() noexcept { over.set(); });
  late.get().state()->arm_deadline(rt.timers());
  soon.get().state()->arm_deadline(rt.timers());
  model::check(wait(over.wait({})).has_value(), "the deadline passed");
  model::check(model::execution::current.now() < begun + 1h, "not only with the late one");
}

struct ending final : core::work {
  ending() noexcept
      : core::work([](core::work& self) noexcept { static_cast<ending&>(self).ran.wake(); }) {}
  core::park ran;
};

/// What it has run may be all that a runtime was for.
WEIR_MODEL(a_runtime_may_end_as_soon_as_its_last_item_has_run, .timeouts = 1, .pct = 5'000) {
  std::optional<runtime> rt{std::in_place, runtime_options{.workers = 1, .linger = {}}};
  ending item;
  model::threads([&, &it = *rt] { it.execute(item); },
                 [&] {
                   item.ran.wait();
                   rt.reset();
                 });
}

WEIR_MODEL(a_runtime_may_end_as_soon_as_a_timer_from_outside_has_passed, .timeouts = 1,
           .pct = 5'000) {
  std::optional<runtime> rt{std::in_place, runtime_options{.workers = 1, .linger = {}}};
  core::park over;
  const context_source source{context{}, {.timeout = 1ms}};
  const auto hook = on_cancel(source.get(), [&]() noexcept { over.wake(); });
  model::threads([&, &it = *rt] { source.get().state()->arm_deadline(it.timers()); },
                 [&] {
                   over.wait();
                   rt.reset();
                 });
}

}  // namespace
