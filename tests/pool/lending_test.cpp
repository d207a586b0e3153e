#include "pool/fixture.hpp"

namespace weir::pool_tests {
namespace {

using lending_test = pool_test;

TEST_F(lending_test, overload_ends_no_wait_later_than_first_come_first_served_does) {
  auto& p = make({.max_open = 1});
  duration longest{};
  run([&]() -> task<void> {
    std::vector<task_handle<void>> all;
    for (int i = 0; i < 500; ++i) {
      all.push_back(spawn([&]() -> task<void> {
        const time_point start = time.now();
        auto lent = co_await p.acquire(root.get());
        longest = std::max(longest, time.now() - start);
        (void)co_await sleep_for(root.get(), 5ms);
      }));
      (void)co_await sleep_for(root.get(), 4ms);
    }
    for (auto& one : all) (void)co_await one;
  });
  // The last of 500 begins after 499 services, and came after 499 intervals.
  EXPECT_LE(longest, 499 * 1ms * 11 / 10);
}

TEST_F(lending_test, a_wait_that_would_exceed_its_deadline_is_refused_at_once_with_the_figures) {
  auto& p = make({.name = "db", .max_open = 1});
  run([&]() -> task<void> {
    auto queue = callers(20, 10ms, root.get());
    (void)co_await sleep_for(root.get(), 55ms);
    context_source hurry{root.get(), {.timeout = 50ms}};
    const time_point start = time.now();
    auto refused = co_await p.acquire(hurry.get());
    EXPECT_EQ(time.now(), start);
    EXPECT_EQ(refused.error().code(), errc::throttled);
    EXPECT_NEAR(static_cast<double>(*refused.error().number("predicted wait")), 150e6, 15e6);
    EXPECT_EQ(refused.error().number("in use"), 1);
    context_source patient{root.get(), {.timeout = 200ms}};
    EXPECT_TRUE(co_await p.acquire(patient.get()));
    for (auto& one : queue) EXPECT_TRUE(co_await one);
  });
  EXPECT_EQ(p.stats().hopeless, 1U);
}

TEST_F(lending_test, a_slow_past_refuses_nobody_for_ever) {
  make({.max_open = 1});
  run([&]() -> task<void> {
    auto slow = callers(3, 10s, root.get());
    for (auto& one : slow) EXPECT_TRUE(co_await one);
    int served = 0;
    for (int i = 0; i < 100; ++i) {
      context_source hurry{root.get(), {.timeout = 50ms}};
      auto quick = callers(4, 1ms, hurry.get());
      for (auto& one : quick) served += (co_await one).has_value() ? 1 : 0;
    }
    EXPECT_GT(served, 250);
  });
}

TEST_F(lending_test, high_priority_is_served_first_and_in_order) {
  auto& p = make({.max_open = 1});
  std::vector<std::string> order;
  run([&]() -> task<void> {
    auto held = co_await p.acquire(root.get());
    std::vector<task_handle<void>> all;
    const auto add = [&](std::string name, pool_priority priority) {
      all.push_back(spawn([&, name, priority]() -> task<void> {
        auto lent = co_await p.acquire(root.get(), {.priority = priority});
        order.push_back(name);
      }));
    };
    add("low", pool_priority::low);
    add("normal 1", pool_priority::normal);
    add("high 1", pool_priority::high);
    add("normal 2", pool_priority::normal);
    add("high 2", pool_priority::high);
    co_await yield();
    held->release();
    for (auto& one : all) (void)co_await one;
  });
  EXPECT_EQ(order, (std::vector<std::string>{"high 1", "high 2", "normal 1", "normal 2", "low"}));
}

TEST_F(lending_test, reserved_resources_are_for_high_priority_alone) {
  auto& p = make({.max_open = 4, .reserved_high = 1, .reserved_normal = 1});
  run([&]() -> task<void> {
    auto low = callers(4, 1s, root.get(), {.priority = pool_priority::low});
    co_await yield();
    co_await yield();
    EXPECT_EQ(p.stats().in_use, 2U);
    auto normal = callers(2, 1s, root.get());
    for (int i = 0; i < 4; ++i) co_await yield();
    EXPECT_EQ(p.stats().in_use, 3U);
    EXPECT_EQ(p.stats().open + p.stats().opening, 3U);  // none is opened that nobody may have
    EXPECT_FALSE(p.try_acquire());
    const time_point start = time.now();
    auto high = co_await p.acquire(root.get(), {.priority = pool_priority::high});
    EXPECT_EQ(time.now(), start);
    for (auto& one : low) EXPECT_TRUE(co_await one);
    for (auto& one : normal) EXPECT_TRUE(co_await one);
  });
}

TEST_F(lending_test, a_flush_retires_what_is_open_and_the_pool_goes_on) {
  auto& p = make({.max_open = 2});
  run([&]() -> task<void> {
    auto one = co_await p.acquire(root.get());
    auto two = co_await p.acquire(root.get());
    two->release();
    p.flush();
    EXPECT_EQ(p.stats().idle, 0U);
    EXPECT_EQ((**one)->number, 1);  // still its holder's
    one->release();
    auto fresh = co_await p.acquire(root.get());
    EXPECT_EQ((**fresh)->number, 3);
    fresh->release();
    EXPECT_EQ(p.stats().idle, 1U);
  });
  EXPECT_EQ(p.stats().closed_flushed, 2U);
}

TEST_F(lending_test, a_flush_while_all_are_lent_opens_nothing_beyond_the_limit) {
  auto& p = make({.max_open = 2});
  run([&]() -> task<void> {
    for (int round = 0; round < 10; ++round) {
      auto holders = callers(2, 10ms, root.get());
      co_await yield();
      p.flush();  // new credentials, while everything is lent
      auto others = callers(4, 1ms, root.get());
      for (auto& one : holders) EXPECT_TRUE(co_await one);
      for (auto& one : others) EXPECT_TRUE(co_await one);
    }
  });
  EXPECT_EQ(backend.peak, 2);
}

TEST_F(lending_test, what_was_on_its_way_at_a_flush_is_retired_and_its_waiter_gets_a_new_one) {
  backend.open_time = 100ms;
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    auto waiter = spawn([&]() -> task<int> {
      auto lent = co_await p.acquire(root.get());
      co_return (**lent)->number;
    });
    (void)co_await sleep_for(root.get(), 50ms);
    p.flush();
    EXPECT_EQ(*co_await waiter, 2);
  });
  EXPECT_EQ(p.stats().closed_flushed, 1U);
}

TEST_F(lending_test, a_paused_pool_lends_nothing_and_goes_on_in_order) {
  auto& p = make({.max_open = 2});
  std::vector<int> order;
  run([&]() -> task<void> {
    auto held = co_await p.acquire(root.get());
    p.pause();
    held->release();
    EXPECT_FALSE(p.try_acquire());
    std::vector<task_handle<void>> all;
    for (int i = 0; i < 5; ++i) {
      all.push_back(spawn([&, i]() -> task<void> {
        auto lent = co_await p.acquire(root.get());
        order.push_back(i);
        co_await yield();
      }));
    }
    (void)co_await sleep_for(root.get(), 1s);
    EXPECT_EQ(p.stats().waiting, 5U);
    EXPECT_EQ(p.stats().in_use, 0U);
    EXPECT_EQ(p.stats().opened, 1U);
    p.resume();
    for (auto& one : all) (void)co_await one;
  });
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(lending_test, what_was_idle_for_long_is_validated_before_it_is_lent) {
  auto& p = make({.max_open = 2, .validate_after = 500ms});
  run([&]() -> task<void> {
    (void)co_await p.acquire(root.get());
    (void)co_await sleep_for(root.get(), 499ms);
    (void)co_await p.acquire(root.get());
    EXPECT_EQ(backend.validated, 0);
    (void)co_await sleep_for(root.get(), 500ms);
    EXPECT_FALSE(p.try_acquire());
    auto alive = co_await p.acquire(root.get());
    EXPECT_EQ(backend.validated, 1);
    EXPECT_EQ((**alive)->number, 1);
    alive->release();
    (void)co_await sleep_for(root.get(), 1s);
    backend.alive = false;
    auto fresh = co_await p.acquire(root.get());
    EXPECT_EQ((**fresh)->number, 2);
  });
  EXPECT_EQ(p.stats().closed_bad, 1U);
  EXPECT_EQ(backend.validated, 2);
}

}  // namespace
}  // namespace weir::pool_tests
