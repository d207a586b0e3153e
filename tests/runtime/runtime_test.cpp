#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weir/context/sleep.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/inline_executor.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/thread_executor.hpp>

#include "runtime/started.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

static_assert(!std::is_copy_constructible_v<runtime> && !std::is_move_constructible_v<runtime>);
static_assert(std::is_trivially_destructible_v<runtime_options>);

class runtime_with : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(workers, runtime_with, testing::Values(1U, 2U, 5U));

TEST_P(runtime_with, every_task_runs_once) {
  runtime rt{{.workers = GetParam()}};
  std::atomic<int> ran{0};
  const auto spawner = [&]() -> task<> {
    std::vector<task_handle<>> children;
    const auto child = [&ran]() -> task<> {
      co_await yield();
      ran.fetch_add(1);
    };
    // More than a ring holds.
    for (int i = 0; i < 10'000; ++i) children.push_back(launch(rt, child));
    for (auto& one : children) EXPECT_TRUE(co_await one.join({}));
  };
  EXPECT_TRUE(run_on(rt, spawner));
  EXPECT_EQ(ran.load(), 10'000);
  await([&] { return rt.stats().executed >= 20'000; });
}

TEST_P(runtime_with, tasks_run_on_worker_threads_and_nothing_else_does) {
  runtime rt{{.workers = GetParam()}};
  EXPECT_EQ(rt.workers(), GetParam());
  EXPECT_FALSE(rt.is_worker_thread());
  const auto body = [&]() -> task<bool> { co_return rt.is_worker_thread(); };
  EXPECT_EQ(run_on(rt, body), true);
}

TEST_P(runtime_with, threads_from_outside_may_start_tasks_at_the_same_time) {
  runtime rt{{.workers = GetParam()}};
  std::atomic<int> ran{0};
  std::vector<std::thread> outside;
  for (int t = 0; t < 3; ++t) {
    outside.emplace_back([&] {
      const auto body = [&]() -> task<> {
        ran.fetch_add(1);
        co_return;
      };
      for (int i = 0; i < 300; ++i) EXPECT_TRUE(run_on(rt, body));
    });
  }
  for (auto& one : outside) one.join();
  EXPECT_EQ(ran.load(), 900);
}

TEST_P(runtime_with, workers_without_work_sleep) {
  runtime rt{{.workers = GetParam()}};
  await([&] { return rt.stats().sleeping == GetParam(); });
  const auto body = []() -> task<> { co_return; };
  EXPECT_TRUE(run_on(rt, body));
  await([&] { return rt.stats().sleeping == GetParam(); });
}

TEST_P(runtime_with, what_is_queued_at_the_end_still_runs) {
  std::atomic<int> ran{0};
  {
    runtime rt{{.workers = GetParam()}};
    const auto body = [&]() -> task<> {
      co_await yield();
      ran.fetch_add(1);
    };
    for (int i = 0; i < 3'000; ++i) launch(rt, body).detach();
  }
  EXPECT_EQ(ran.load(), 3'000);
}

TEST_P(runtime_with, a_runtime_of_which_nothing_is_asked_ends) {
  for (int i = 0; i < 20; ++i) runtime rt{{.workers = GetParam()}};
}

TEST(runtime, what_a_running_task_wakes_runs_before_what_was_queued) {
  runtime rt{{.workers = 1}};
  std::vector<int> order;
  const auto spawner = [&]() -> task<> {
    std::vector<task_handle<>> all;
    for (int i = 0; i < 3; ++i) {
      const auto body = [&order, i]() -> task<> {
        order.push_back(i);
        co_return;
      };
      all.push_back(launch(rt, body));
    }
    for (auto& one : all) static_cast<void>(co_await one.join({}));
  };
  EXPECT_TRUE(run_on(rt, spawner));
  EXPECT_EQ(order, (std::vector<int>{2, 0, 1}));
}

TEST(runtime, a_task_that_yields_goes_behind_the_others) {
  runtime rt{{.workers = 1}};
  std::vector<int> order;
  const auto spawner = [&]() -> task<> {
    std::vector<task_handle<>> all;
    for (int i = 0; i < 2; ++i) {
      const auto body = [&order, i]() -> task<> {
        for (int k = 0; k < 3; ++k) {
          order.push_back(i);
          co_await yield();
        }
      };
      all.push_back(launch(rt, body));
    }
    for (auto& one : all) static_cast<void>(co_await one.join({}));
  };
  EXPECT_TRUE(run_on(rt, spawner));
  EXPECT_EQ(order, (std::vector<int>{1, 0, 1, 0, 1, 0}));
}

/// Starts a copy of itself from the slot, for ever, until told to stop.
task<> relay(runtime& rt, std::atomic<bool>& stop) {
  if (stop.load()) co_return;
  const auto next = [&rt, &stop] { return relay(rt, stop); };
  launch(rt, next).detach();
}

TEST(runtime, tasks_that_wake_each_other_do_not_starve_the_queue) {
  std::atomic<bool> stop{false};
  runtime rt{{.workers = 1}};
  const auto first = [&] { return relay(rt, stop); };
  launch(rt, first).detach();
  const auto other = [&]() -> task<> {
    co_await yield();
    stop.store(true);
  };
  EXPECT_TRUE(run_on(rt, other));
}

TEST(runtime, a_full_queue_does_not_starve_what_comes_from_outside) {
  std::atomic<bool> stop{false};
  runtime rt{{.workers = 1}};
  const auto spinner = [&stop]() -> task<> {
    while (!stop.load()) co_await yield();
  };
  for (int i = 0; i < 3'000; ++i) launch(rt, spinner).detach();
  const auto last = [&stop]() -> task<> {
    stop.store(true);
    co_return;
  };
  EXPECT_TRUE(run_on(rt, last));
}

TEST(runtime, a_task_that_computes_does_not_hold_up_the_one_it_has_woken) {
  runtime rt{{.workers = 2}};
  std::atomic<bool> ran{false};
  const auto body = [&]() -> task<> {
    const auto child = [&ran]() -> task<> {
      ran.store(true);
      co_return;
    };
    launch(rt, child).detach();
    await([&] { return ran.load(); });  // never comes back to the worker before
    co_return;
  };
  EXPECT_TRUE(run_on(rt, body));
}

TEST(runtime, a_task_that_computes_holds_up_neither_its_workers_queue_nor_its_timers) {
  runtime rt{{.workers = 2}};
  std::atomic<int> ran{0};
  const auto body = [&]() -> task<> {
    const auto child = [&ran]() -> task<> {
      static_cast<void>(co_await sleep_for({}, 100us));
      ran.fetch_add(1);
    };
    for (int i = 0; i < 20; ++i) launch(rt, child).detach();
    co_await yield();  // some of them go to sleep here
    await([&] { return ran.load() == 20; });
  };
  EXPECT_TRUE(run_on(rt, body));
}

TEST(runtime, sleeps_that_are_left_at_the_end_end_early_and_deadlines_do_not) {
  std::atomic<int> woken{0};
  context_source source{context{}, {.timeout = 1h}};
  {
    runtime rt{{.workers = 2}};
    const auto sleeper = [&]() -> task<> {
      if (co_await sleep_for(source.get(), 30min)) woken.fetch_add(1);
    };
    for (int i = 0; i < 10; ++i) launch(rt, sleeper).detach();
    await([&] { return rt.stats().timers >= 10; });
  }
  EXPECT_EQ(woken.load(), 10);
  EXPECT_FALSE(source.get().cancelled());
}

TEST(runtime, a_task_hops_to_the_blocking_threads_and_back) {
  runtime rt{{.workers = 2, .name = "hop"}};
  const auto body = [&]() -> task<bool> {
    co_await resume_on(rt.blocking());
    const bool away = !rt.is_worker_thread();
    const auto inner = []() -> task<int> { co_return 3; };
    const bool waited = weir::wait(inner()) == 3;  // fine on a thread that may block
    co_await resume_on(rt);
    co_return away&& waited&& rt.is_worker_thread();
  };
  EXPECT_EQ(run_on(rt, body), true);
  EXPECT_STREQ(rt.name(), "hop");
  EXPECT_STREQ(rt.blocking().name(), "hop blocking");
}

TEST(runtime_death, waiting_on_a_worker_is_misuse_with_the_runtimes_name) {
  const auto wrong = [] {
    runtime rt{{.workers = 1, .name = "ledger"}};
    const auto body = []() -> task<> {
      static_cast<void>(weir::wait(sleep_for({}, 1s)));
      co_return;
    };
    static_cast<void>(run_on(rt, body));
  };
  EXPECT_DEATH(wrong(), "ledger");
}

TEST(thread_executor, runs_its_items_on_one_thread_in_order) {
  thread_executor own{{.name = "own"}};
  std::vector<int> order;
  bool always_own = true;
  std::vector<task_handle<>> all;
  for (int i = 0; i < 100; ++i) {
    const auto body = [&, i]() -> task<> {
      order.push_back(i);
      always_own &= own.is_own_thread();
      co_return;
    };
    all.push_back(launch(own, body));
  }
  for (auto& one : all) EXPECT_TRUE(weir::wait(one.join({})));
  EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
  EXPECT_TRUE(always_own);
  EXPECT_FALSE(own.is_own_thread());
  EXPECT_STREQ(own.name(), "own");
}

TEST(thread_executor, what_is_queued_at_the_end_still_runs) {
  std::atomic<int> ran{0};
  {
    thread_executor own;
    const auto body = [&]() -> task<> {
      ran.fetch_add(1);
      co_return;
    };
    for (int i = 0; i < 100; ++i) launch(own, body).detach();
  }
  EXPECT_EQ(ran.load(), 100);
}

TEST(thread_executor, has_timers_of_its_own) {
  thread_executor own;
  const auto body = []() -> task<bool> { co_return (co_await sleep_for({}, 100us)).has_value(); };
  EXPECT_EQ(run_on(own, body), true);
}

TEST(thread_executor, may_block_if_it_was_made_for_that) {
  thread_executor own{{.blocking = blocking_policy::allowed}};
  const auto body = []() -> task<bool> { co_return weir::wait(sleep_for({}, 100us)).has_value(); };
  EXPECT_EQ(run_on(own, body), true);
}

TEST(thread_executor_death, may_not_block_by_default) {
  const auto wrong = [] {
    thread_executor own{{.name = "strict"}};
    const auto body = []() -> task<> {
      static_cast<void>(weir::wait(sleep_for({}, 1s)));
      co_return;
    };
    static_cast<void>(run_on(own, body));
  };
  EXPECT_DEATH(wrong(), "strict");
}

TEST(inline_executor, resumes_on_the_thread_that_wakes) {
  manual_clock time;
  inline_executor here{time};
  std::thread::id resumed;
  const auto body = [&]() -> task<> {
    static_cast<void>(co_await sleep_for({}, 1s));
    resumed = std::this_thread::get_id();
  };
  auto handle = launch(here, body);
  EXPECT_FALSE(handle.done());
  time.advance(1s);
  EXPECT_TRUE(handle.done());
  EXPECT_EQ(resumed, std::this_thread::get_id());
}

TEST(inline_executor_death, cannot_wait_for_real_time) {
  const auto wrong = [] {
    inline_executor here;
    const auto body = []() -> task<> { static_cast<void>(co_await sleep_for({}, 1s)); };
    launch(here, body).detach();
  };
  EXPECT_DEATH(wrong(), "inline executor");
}

}  // namespace
}  // namespace weir
