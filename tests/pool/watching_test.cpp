#include <weir/pool/hooks.hpp>

#include "pool/fixture.hpp"

namespace weir::pool_tests {
namespace {

struct diary final : pool_hooks {
  void on_open(std::string_view pool, duration took, const error* why) noexcept override {
    (why == nullptr ? opened : failed) += 1;
    open_time = took;
    EXPECT_EQ(pool, "db");
  }
  void on_acquire(std::string_view, duration took, const std::source_location&) noexcept override {
    ++acquired;
    waited += took;
  }
  void on_return(std::string_view, duration took, const std::source_location&) noexcept override {
    ++returned;
    held += took;
  }
  void on_close(std::string_view, close_cause why) noexcept override {
    closed.push_back(name_of(why));
  }
  void on_leak(std::string_view, duration took,
               const std::source_location& site) noexcept override {
    ++leaks;
    leaked_for = took;
    leaked_in = site.file_name();
  }

  int opened = 0;
  int failed = 0;
  int acquired = 0;
  int returned = 0;
  int leaks = 0;
  duration open_time{};
  duration waited{};
  duration held{};
  duration leaked_for{};
  std::string leaked_in;
  std::vector<std::string> closed;
};

class watching_test : public pool_test {
 protected:
  diary seen;
};

TEST_F(watching_test, hooks_hear_of_every_open_loan_return_and_close) {
  backend.open_time = 5ms;
  auto& p = make({.name = "db", .max_open = 1, .hooks = &seen});
  run([&]() -> task<void> {
    auto two = callers(2, 10ms, root.get());
    for (auto& one : two) EXPECT_TRUE(co_await one);
    auto bad = co_await p.acquire(root.get());
    bad->discard();
    backend.failing = 1;
    EXPECT_FALSE(co_await p.acquire(root.get()));
  });
  EXPECT_TRUE(loop.run(p.close({}), time));
  EXPECT_EQ(seen.opened, 1);
  EXPECT_EQ(seen.failed, 1);
  EXPECT_EQ(seen.open_time, 5ms);
  EXPECT_EQ(seen.acquired, 3);
  EXPECT_EQ(seen.returned, 3);
  EXPECT_EQ(seen.waited, 5ms + 15ms);
  EXPECT_EQ(seen.held, 20ms);
  EXPECT_EQ(seen.closed, (std::vector<std::string>{"bad"}));
}

TEST_F(watching_test, histograms_tell_what_the_time_goes_to) {
  backend.open_time = 5ms;
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    auto ten = callers(10, 10ms, root.get());
    for (auto& one : ten) EXPECT_TRUE(co_await one);
  });
  const pool_times times = p.times();
  EXPECT_EQ(times.open.count, 1U);
  EXPECT_EQ(times.open.longest, 5ms);
  EXPECT_EQ(times.hold.count, 10U);
  EXPECT_EQ(times.hold.mean(), 10ms);
  EXPECT_EQ(times.wait.count, 10U);
  EXPECT_EQ(times.wait.longest, 95ms);
  EXPECT_GE(times.wait.percentile(0.5), 45ms);
  EXPECT_LE(times.wait.percentile(0.5), 95ms);
}

TEST_F(watching_test, loans_that_nobody_waited_for_are_sampled) {
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    for (int i = 0; i < 641; ++i) {
      auto lent = co_await p.acquire(root.get());
      (void)co_await sleep_for(root.get(), 1ms);
    }
  });
  EXPECT_NEAR(static_cast<double>(p.times().hold.count), 10, 2);
}

TEST_F(watching_test, a_lease_that_is_held_too_long_is_reported_once_with_its_site) {
  auto& p = make({.name = "db", .max_open = 2, .leak_after = 1s, .hooks = &seen});
  run([&]() -> task<void> {
    auto lost = co_await p.acquire(root.get());
    for (int i = 0; i < 40; ++i) {
      auto quick = co_await p.acquire(root.get());
      (void)co_await sleep_for(root.get(), 100ms);
    }
  });
  EXPECT_EQ(seen.leaks, 1);
  EXPECT_EQ(p.stats().leaks, 1U);
  EXPECT_GE(seen.leaked_for, 1s);
  EXPECT_LE(seen.leaked_for, 1250ms);
  EXPECT_NE(seen.leaked_in.find("watching_test.cpp"), std::string::npos);
}

TEST_F(watching_test, a_task_that_waits_for_what_it_holds_is_told_so_with_both_sites) {
  auto& p = make({.max_open = 1, .deadlock_after = 0s});
  run([&]() -> task<void> {
    auto held = co_await p.acquire(root.get());
    auto second = co_await p.acquire({});
    EXPECT_EQ(second.error().code(), errc::would_deadlock);
    EXPECT_NE(second.error().text("holds one since")->find("watching_test.cpp"), std::string::npos);
    EXPECT_NE(second.error().text("waits at")->find("watching_test.cpp"), std::string::npos);
    EXPECT_NE(second.error().text("waits at"), second.error().text("holds one since"));
  });
  EXPECT_EQ(p.stats().deadlocks, 1U);
}

TEST_F(watching_test, two_tasks_that_hold_one_each_and_want_another_do_not_hang) {
  auto& p = make({.max_open = 2});
  int served = 0;
  run([&]() -> task<void> {
    std::vector<task_handle<void>> both;
    for (int i = 0; i < 2; ++i) {
      both.push_back(spawn([&]() -> task<void> {
        auto one = co_await p.acquire({});
        co_await yield();
        auto two = co_await p.acquire({});
        if (two) ++served;
      }));
    }
    for (auto& one : both) (void)co_await one;
  });
  EXPECT_EQ(served, 1);
  EXPECT_EQ(p.stats().deadlocks, 1U);
}

TEST_F(watching_test, a_wait_for_what_somebody_else_will_return_is_no_deadlock) {
  auto& p = make({.max_open = 2, .deadlock_after = 0s});
  run([&]() -> task<void> {
    auto other = callers(1, 10s, root.get());
    co_await yield();
    auto mine = co_await p.acquire(root.get());
    EXPECT_TRUE(co_await p.acquire(root.get()));
    for (auto& one : other) EXPECT_TRUE(co_await one);
  });
  EXPECT_EQ(p.stats().deadlocks, 0U);
}

}  // namespace
}  // namespace weir::pool_tests
