// Coroutines: the same waits as the threads' models, suspended and resumed by run loops, and the
// ends of tasks, loops and handles.

#include <optional>

#include <weir/context/context.hpp>
#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/start.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sync/channel.hpp>
#include <weir/sync/event.hpp>
#include <weir/sync/semaphore.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

struct no_tail {
  static void ended(task_record&) noexcept {}
  static void unhandled(task_record&, const std::exception_ptr&) noexcept {}
};

task<int> sum_of_two(channel<int>& from, context ctx) {
  int sum = 0;
  while (auto got = co_await from.recv(ctx)) sum += *got;
  co_return sum;
}

task<int> send_two(channel<int>& to, context ctx) {
  int sent = 0;
  for (int i = 1; i <= 2; ++i) {
    if (co_await to.send(ctx, i)) sent += i;
  }
  to.close();
  co_return sent;
}

WEIR_MODEL(two_loops_pass_values_through_a_rendezvous) {
  channel<int> pipe;
  int sent = 0;
  int received = 0;
  model::threads([&] { sent = wait(send_two(pipe, {})); },
                 [&] { received = wait(sum_of_two(pipe, {})); });
  model::check(sent == 3 && received == 3, "each value arrived once");
}

WEIR_MODEL(a_cancel_ends_tasks_that_suspend_and_loses_no_value, .pct = 10'000) {
  channel<int> pipe;
  context_source source;
  int sent = 0;
  int received = 0;
  model::threads([&] { sent = wait(send_two(pipe, source.get())); },
                 [&] { received = wait(sum_of_two(pipe, {})); }, [&] { source.cancel(); });
  model::check(sent == received, "both sides agree");
  model::sometimes(sent == 0, "the cancel was first");
  model::sometimes(sent == 3, "the cancel was last");
}

task<std::size_t> meet(channel<int>& a, channel<int>& b) {
  const context never;
  const auto met = co_await select(a.send(never, 1), b.recv(never));
  co_return met.index();
}

WEIR_MODEL(two_selects_of_tasks_meet_on_exactly_one_channel) {
  channel<int> left;
  channel<int> right;
  std::size_t which[2] = {9, 9};
  model::threads([&] { which[0] = wait(meet(left, right)); },
                 [&] { which[1] = wait(meet(right, left)); });
  model::check(which[0] + which[1] == 1, "one sent where the other received");
}

task<bool> sleeps(context ctx, duration how_long) {
  const auto slept = co_await sleep_for(ctx, how_long);
  co_return slept.has_value();
}

WEIR_MODEL(a_sleeping_task_ends_by_its_timer_or_by_a_cancel, .timeouts = 1) {
  context_source source;
  bool slept = false;
  model::threads([&] { slept = wait(sleeps(source.get(), 1ms)); }, [&] { source.cancel(); });
  model::sometimes(slept, "the timer was first");
  model::sometimes(!slept, "the cancel was first");
}

WEIR_MODEL(a_deadline_ends_a_suspended_task, .timeouts = 1) {
  context_source source{context{}, {.timeout = 1ms}};
  event never;
  const auto waits = [&](context ctx) -> task<errc> {
    const auto first = co_await never.wait(ctx);
    const auto second = co_await never.wait(ctx);
    model::check(!first && !second, "nobody sets it");
    co_return first.error().code();
  };
  errc code{};
  model::threads([&] { code = wait(waits(source.get())); }, [&] { source.cancel(); });
  model::sometimes(code == errc::deadline_exceeded, "the deadline was first");
  model::sometimes(code == errc::cancelled, "the cancel was first");
}

WEIR_MODEL(a_loop_may_end_as_soon_as_its_task_has) {
  event first;
  event second;
  const auto waits = [&](event& on) -> task<void> {
    const context never;
    static_cast<void>(co_await on.wait(never));
  };
  model::threads(
      [&] {
        wait(waits(first));
        wait(waits(second));
      },
      [&] { first.set(); }, [&] { second.set(); });
}

WEIR_MODEL(a_task_that_hops_between_two_loops_ends_once) {
  run_loop other{steady_clock(), "other"};
  core::atomic<bool> over{false};
  const auto hops = [&](core::executor& there) -> task<int> {
    core::executor& home = this_executor();
    co_await resume_on(there);
    co_await yield();
    co_await resume_on(home);
    co_return 7;
  };
  model::threads(
      [&] {
        model::check(wait(hops(other)) == 7, "it came back");
        over.store(true);
        other.wake();
      },
      [&] {
        other.run_until(
            [](void* end) noexcept { return static_cast<core::atomic<bool>*>(end)->load(); },
            &over);
      });
}

WEIR_MODEL(a_task_that_ends_on_another_loop_is_seen_by_its_waiter) {
  run_loop other{steady_clock(), "other"};
  core::atomic<bool> over{false};
  const auto hops = [&](core::executor& there) -> task<int> {
    co_await resume_on(there);
    co_return 7;
  };
  model::threads(
      [&] {
        model::check(wait(hops(other)) == 7, "its value arrived");
        over.store(true);
        other.wake();
      },
      [&] {
        other.run_until(
            [](void* end) noexcept { return static_cast<core::atomic<bool>*>(end)->load(); },
            &over);
      });
}

/// The joiner, the task's end and a cancel of the join.
WEIR_MODEL(a_join_ends_with_its_task_or_with_its_context) {
  run_loop loop;
  context_source source;
  bool joined = false;
  auto work = [] -> task<int> { co_return 5; };
  auto handle = core::start(loop, {"work"}, {}, work, no_tail{});
  model::threads(
      [&] {
        const auto got = wait(handle.join(source.get()));
        joined = got.has_value();
        if (joined) model::check(*got == 5, "its value");
        handle.detach();
      },
      [&] { loop.run_until_idle(); }, [&] { source.cancel(); });
  model::sometimes(joined, "the task was first");
  model::sometimes(!joined, "the cancel was first");
}

WEIR_MODEL(a_handle_may_be_dropped_while_its_task_ends) {
  run_loop loop;
  core::atomic<int> runs{0};
  auto work = [&runs] -> task<void> {
    runs.fetch_add(1);
    co_return;
  };
  std::optional<task_handle<void>> handle;
  handle.emplace(core::start(loop, {"work"}, {}, work, no_tail{}));
  model::threads(
      [&] {
        model::sometimes(handle->done(), "the task was first");
        handle.reset();
      },
      [&] { loop.run_until_idle(); });
  model::check(runs.load() == 1, "it ran once");
}

task<bool> takes_one(semaphore& quota, context ctx) {
  const auto mine = co_await quota.acquire(ctx);
  co_await yield();
  co_return mine.has_value();
}

WEIR_MODEL(tasks_and_threads_share_a_semaphore) {
  semaphore quota{1};
  context_source source;
  bool task_had = false;
  model::threads([&] { task_had = wait(takes_one(quota, source.get())); },
                 [&] { static_cast<void>(wait(quota.acquire({}))); }, [&] { source.cancel(); });
  model::check(quota.available() == 1 && quota.waiting() == 0, "every unit came home");
  model::sometimes(task_had, "the task was granted");
  model::sometimes(!task_had, "the task was cancelled");
}

}  // namespace
