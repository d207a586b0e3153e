#include <atomic>
#include <vector>

#include <gtest/gtest.h>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/runtime.hpp>

#include "runtime/started.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

class timers_with : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(workers, timers_with, testing::Values(1U, 2U));

TEST_P(timers_with, a_sleep_never_ends_early) {
  runtime rt{{.workers = GetParam()}};
  const auto body = [&]() -> task<bool> {
    bool early = false;
    for (const duration length : {duration{1ns}, duration{30us}, duration{700us}, duration{1ms}}) {
      const time_point begin = rt.time().now();
      EXPECT_TRUE(co_await sleep_for({}, length));
      early |= rt.time().now() < begin + length;
    }
    co_return early;
  };
  EXPECT_EQ(run_on(rt, body), false);
}

TEST_P(timers_with, many_sleepers_all_wake) {
  runtime rt{{.workers = GetParam()}};
  std::atomic<int> woken{0};
  const auto body = [&]() -> task<> {
    std::vector<task_handle<>> all;
    for (int i = 0; i < 5'000; ++i) {
      const auto sleeper = [&woken, i]() -> task<> {
        EXPECT_TRUE(co_await sleep_for({}, std::chrono::microseconds{i % 997}));
        woken.fetch_add(1);
      };
      all.push_back(launch(rt, sleeper));
    }
    for (auto& one : all) static_cast<void>(co_await one.join({}));
  };
  EXPECT_TRUE(run_on(rt, body));
  EXPECT_EQ(woken.load(), 5'000);
  EXPECT_EQ(rt.stats().timers, 0U);
}

TEST_P(timers_with, a_timer_armed_by_another_thread_wakes_a_sleeping_worker) {
  runtime rt{{.workers = GetParam()}};
  for (int i = 0; i < 100; ++i) {
    await([&] { return rt.stats().sleeping == GetParam(); });
    std::atomic<bool> expired{false};
    struct flag final : core::timer_node {
      explicit flag(std::atomic<bool>& set)
          : core::timer_node([](core::timer_node& self, core::wake_list&) noexcept {
              static_cast<flag&>(self).expired.store(true);
            }),
            expired(set) {}
      std::atomic<bool>& expired;
    } node{expired};
    core::timer_service& timers = rt.timers();
    {
      core::wake_list wakes;
      core::lock_guard guard{timers.guard()};
      timers.arm(node, rt.time().now() + 50us, wakes);
    }
    await([&] { return expired.load(); });
    const core::lock_guard guard{timers.guard()};  // its expiry is over
  }
}

TEST_P(timers_with, an_earlier_timer_overtakes_a_later_one) {
  runtime rt{{.workers = GetParam()}};
  const auto body = [&]() -> task<std::size_t> {
    auto first = co_await select(after(1h), after(50us));
    co_return first.index();
  };
  EXPECT_EQ(run_on(rt, body), 1U);
  await([&] { return rt.stats().timers == 0; });  // the loser was disarmed
}

TEST_P(timers_with, a_deadline_ends_a_wait_of_a_task) {
  runtime rt{{.workers = GetParam()}};
  const auto body = [&]() -> task<errc> {
    context_source bounded{context{}, {.timeout = 200us}};
    auto slept = co_await sleep_for(bounded.get(), 1h);
    co_return slept ? errc::failed : slept.error().code();
  };
  EXPECT_EQ(run_on(rt, body), errc::deadline_exceeded);
}

TEST_P(timers_with, a_manual_clock_decides_when_sleepers_wake) {
  manual_clock time;
  {
    runtime rt{{.workers = GetParam(), .time = &time}};
    EXPECT_EQ(&rt.timers(), time.timers());
    std::atomic<int> woken{0};
    const auto sleeper = [&]() -> task<> {
      EXPECT_TRUE(co_await sleep_for({}, 24h));
      woken.fetch_add(1);
    };
    auto one = launch(rt, sleeper);
    await([&] { return time.next_timer() != time_point::max(); });
    time.advance(24h - 1ns);
    EXPECT_FALSE(one.done());
    time.advance(1ns);
    EXPECT_TRUE(weir::wait(one.join({})));
    EXPECT_EQ(woken.load(), 1);
  }
}

TEST(timers, tasks_whose_worker_is_busy_are_woken_while_it_goes_on) {
  runtime rt{{.workers = 1}};
  std::atomic<bool> woken{false};
  const auto busy = [&]() -> task<> {
    while (!woken.load()) co_await yield();
  };
  const auto sleeper = [&]() -> task<> {
    EXPECT_TRUE(co_await sleep_for({}, 100us));
    woken.store(true);
  };
  auto one = launch(rt, busy);
  auto other = launch(rt, sleeper);
  EXPECT_TRUE(weir::wait(one.join({})));
  EXPECT_TRUE(weir::wait(other.join({})));
}

}  // namespace
}  // namespace weir
