#include <memory>
#include <stdexcept>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/start.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<task<int>>);
static_assert(std::is_nothrow_move_constructible_v<task<int>>);
static_assert(std::is_nothrow_move_constructible_v<task_handle<int>>);

struct quiet_tail {
  int* ended_count = nullptr;
  std::exception_ptr* unhandled_exception = nullptr;
  void ended(task_record&) noexcept {
    if (ended_count != nullptr) ++*ended_count;
  }
  void unhandled(task_record&, std::exception_ptr thrown) noexcept {
    if (unhandled_exception != nullptr) *unhandled_exception = std::move(thrown);
  }
};

task<int> answer() {
  co_return 42;
}
task<int> twice(task<int> inner) {
  co_return 2 * co_await std::move(inner);
}
task<void> throws() {
  throw std::runtime_error{"thrown in a task"};
  co_return;
}

TEST(task, a_chain_of_tasks_gives_its_value_to_a_waiting_thread) {
  EXPECT_EQ(weir::wait(twice(twice(answer()))), 168);
}

TEST(task, what_a_task_throws_reaches_the_one_who_awaits_it) {
  auto outer = []() -> task<std::string> {
    try {
      co_await throws();
    } catch (const std::runtime_error& e) {
      co_return e.what();
    }
    co_return "nothing";
  };
  EXPECT_EQ(weir::wait(outer()), "thrown in a task");
  EXPECT_THROW(weir::wait(throws()), std::runtime_error);
}

TEST(task, a_move_only_value_and_a_move_only_parameter_travel) {
  auto pass = [](std::unique_ptr<int> p) -> task<std::unique_ptr<int>> { co_return p; };
  EXPECT_EQ(*weir::wait(pass(std::make_unique<int>(7))), 7);
}

TEST(task, a_million_awaits_in_a_loop_need_no_stack) {
  auto loop = []() -> task<long> {
    long sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await answer();
    co_return sum;
  };
  EXPECT_EQ(weir::wait(loop()), 42'000'000);
}

TEST(task, a_task_that_is_never_awaited_frees_its_parameters) {
  auto held = std::make_shared<int>(1);
  {
    auto keep = [](std::shared_ptr<int> p) -> task<int> { co_return *p; };
    task<int> unused = keep(held);
    EXPECT_EQ(held.use_count(), 2);
  }
  EXPECT_EQ(held.use_count(), 1);
}

TEST(run_loop, simulated_sleeps_take_no_time_and_end_in_order) {
  manual_clock time;
  run_loop loop{time};
  context_source root{time};
  const time_point start = time.now();
  auto sleeper = [](context ctx) -> task<void> {
    for (int hour = 0; hour < 24; ++hour) (void)co_await sleep_for(ctx, 1h);
  };
  loop.run(sleeper(root.get()), time);
  EXPECT_EQ(time.now() - start, 24h);
}

TEST(run_loop, a_deadline_ends_a_sleep_with_its_error) {
  manual_clock time;
  run_loop loop{time};
  context_source root{time, {.timeout = 10ms}};
  auto sleeper = [](context ctx) -> task<result<void>> { co_return co_await sleep_for(ctx, 1h); };
  const auto ended = loop.run(sleeper(root.get()), time);
  ASSERT_FALSE(ended);
  EXPECT_EQ(ended.error().code(), errc::deadline_exceeded);
}

TEST(run_loop, select_takes_the_earlier_of_two_timers) {
  manual_clock time;
  run_loop loop{time};
  auto both = []() -> task<std::size_t> {
    auto first = co_await select(after(20ms), after(10ms));
    co_return first.index();
  };
  EXPECT_EQ(loop.run(both(), time), 1U);
}

TEST(run_loop, an_operation_without_a_context_is_not_ended_by_the_context_of_an_earlier_wait) {
  manual_clock time;
  run_loop loop{time};
  context_source first{time};
  auto body = [](context ctx, context_source& source) -> task<bool> {
    (void)co_await sleep_for(ctx, 1ms);
    auto canceller = [](context_source& s) -> task<void> {
      s.cancel();
      co_return;
    };
    auto handle = core::start(
        this_executor(), {.name = "canceller"}, {},
        [&source, canceller] { return canceller(source); }, quiet_tail{});
    const auto slept = co_await after(5ms);
    (void)co_await handle.join({});
    co_return slept.has_value();
  };
  EXPECT_TRUE(loop.run(body(first.get(), first), time));
}

TEST(run_loop, work_from_another_thread_wakes_a_parked_loop) {
  run_loop other;
  core::atomic<bool> stop{false};
  std::thread owner{[&] {
    other.run_until(
        [](void* flag) noexcept { return static_cast<core::atomic<bool>*>(flag)->load(); }, &stop);
  }};
  auto hop = [](core::executor& there) -> task<bool> {
    core::executor& here = this_executor();
    co_await resume_on(there);
    // Not std::this_thread::get_id(): compilers take it for a constant across suspensions.
    const auto id = core::this_thread_id();
    co_await resume_on(here);
    co_return id != core::this_thread_id();
  };
  for (int i = 0; i < 100; ++i) EXPECT_TRUE(weir::wait(hop(other)));
  stop.store(true);
  other.wake();
  owner.join();
}

TEST(run_loop, a_root_that_ends_on_another_thread_wakes_its_owner) {
  run_loop other;
  core::atomic<bool> stop{false};
  std::thread owner{[&] {
    other.run_until(
        [](void* flag) noexcept { return static_cast<core::atomic<bool>*>(flag)->load(); }, &stop);
  }};
  auto leave = [](core::executor& there) -> task<int> {
    co_await resume_on(there);
    co_return 3;
  };
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(weir::wait(leave(other)), 3);
  stop.store(true);
  other.wake();
  owner.join();
}

TEST(start, join_gives_the_value_and_the_tail_ran_before) {
  run_loop loop;
  int ended = 0;
  auto body = [&ended]() -> task<int> {
    auto handle = core::start(
        this_executor(), {.name = "child"}, {}, [] { return answer(); },
        quiet_tail{.ended_count = &ended});
    const auto joined = co_await handle;
    EXPECT_EQ(ended, 1);
    co_return *joined;
  };
  EXPECT_EQ(loop.run(body()), 42);
}

TEST(start, captures_live_as_long_as_the_task_and_are_gone_before_the_join) {
  run_loop loop;
  auto held = std::make_shared<int>(5);
  auto body = [&held]() -> task<int> {
    auto handle = core::start(
        this_executor(), {}, {},
        [held]() -> task<int> {
          co_await yield();
          co_return *held;
        },
        quiet_tail{});
    EXPECT_EQ(held.use_count(), 2);
    const auto joined = co_await handle;
    EXPECT_EQ(held.use_count(), 1);
    co_return *joined;
  };
  EXPECT_EQ(loop.run(body()), 5);
}

TEST(start, an_exception_reaches_the_joiner_or_the_tail_and_never_both) {
  run_loop loop;
  std::exception_ptr unhandled;
  auto joins = [&unhandled]() -> task<bool> {
    auto handle = core::start(
        this_executor(), {}, {}, [] { return throws(); },
        quiet_tail{.unhandled_exception = &unhandled});
    try {
      (void)co_await handle;
    } catch (const std::runtime_error&) {
      co_return true;
    }
    co_return false;
  };
  EXPECT_TRUE(loop.run(joins()));
  EXPECT_EQ(unhandled, nullptr);
  auto drops = [&unhandled]() -> task<void> {
    core::start(
        this_executor(), {}, {}, [] { return throws(); },
        quiet_tail{.unhandled_exception = &unhandled})
        .detach();
    co_await yield();
  };
  loop.run(drops());
  EXPECT_NE(unhandled, nullptr);
}

TEST(start, a_join_that_its_context_ends_leaves_the_task_alone) {
  manual_clock time;
  run_loop loop{time};
  context_source root{time};
  auto body = [](context ctx) -> task<int> {
    auto handle = core::start(
        this_executor(), {}, ctx,
        [](context own) -> task<int> {
          (void)co_await sleep_for(own, 1h);
          co_return 9;
        },
        quiet_tail{});
    {
      context_scope hurry{ctx, {.timeout = 1ms}};
      const auto early = co_await handle.join(hurry.get());
      EXPECT_EQ(early.error().code(), errc::deadline_exceeded);
    }
    const auto late = co_await handle.join(ctx);
    co_return *late;
  };
  EXPECT_EQ(loop.run(body(root.get()), time), 9);
}

TEST(wait, inside_a_task_is_misuse_and_says_so) {
  auto body = []() -> task<void> {
    (void)weir::wait(after(1ms));
    co_return;
  };
  EXPECT_DEATH(weir::wait(body()), "wait\\(\\) was called on wait\\(task\\), in task");
}

}  // namespace
}  // namespace weir
