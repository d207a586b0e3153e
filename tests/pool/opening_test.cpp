#include "pool/fixture.hpp"

namespace weir::pool_tests {
namespace {

using opening_test = pool_test;

duration since(const manual_clock& time, time_point start) {
  return time.now() - start;
}

TEST_F(opening_test, a_spike_is_served_by_what_is_open_before_more_can_be_opened) {
  backend.open_time = 150ms;
  auto& p = make({.max_open = 50, .min_idle = 5, .max_opening = 50});
  run([&]() -> task<void> { (void)co_await sleep_for(root.get(), 1s); });
  ASSERT_EQ(p.stats().idle, 5U);
  const time_point start = time.now();
  run([&]() -> task<void> {
    auto all = callers(50, 2ms, root.get());
    for (auto& one : all) EXPECT_TRUE(co_await one);
  });
  EXPECT_LE(since(time, start), 40ms);
  EXPECT_LE(p.stats().opened + p.stats().opening, 6U);
}

TEST_F(opening_test, a_second_spike_opens_nothing_because_the_holding_time_is_known) {
  backend.open_time = 150ms;
  auto& p = make({.max_open = 50, .min_idle = 5});
  run([&]() -> task<void> {
    (void)co_await sleep_for(root.get(), 1s);
    for (int i = 0; i < 2; ++i) {
      const auto before = backend.attempts;
      auto all = callers(50, 2ms, root.get());
      for (auto& one : all) EXPECT_TRUE(co_await one);
      if (i == 1) EXPECT_EQ(backend.attempts, before);
      (void)co_await sleep_for(root.get(), 1s);
    }
  });
  EXPECT_LE(p.stats().opened, 6U);
}

TEST_F(opening_test, who_has_waited_as_long_as_an_open_takes_gets_one) {
  backend.open_time = 100ms;
  auto& p = make({.max_open = 10, .min_idle = 2});
  run([&]() -> task<void> {
    (void)co_await sleep_for(root.get(), 1s);
    auto quick = callers(10, 1ms, root.get());  // so that waits are expected to be short
    for (auto& one : quick) EXPECT_TRUE(co_await one);
    auto slow = callers(4, 1h, root.get());
    (void)co_await sleep_for(root.get(), 350ms);
    EXPECT_EQ(p.stats().in_use, 4U);
    (void)co_await sleep_for(root.get(), 2h);
    for (auto& one : slow) EXPECT_TRUE(co_await one);
  });
}

TEST_F(opening_test, opens_at_once_are_limited) {
  backend.open_time = 100ms;
  auto& p = make({.max_open = 20, .max_opening = 3});
  run([&]() -> task<void> {
    auto all = callers(20, 10s, root.get());
    for (auto& one : all) EXPECT_TRUE(co_await one);
  });
  EXPECT_EQ(backend.most_opening, 3);
  EXPECT_EQ(backend.peak, 20);
  EXPECT_EQ(p.stats().opened, 20U);
}

TEST_F(opening_test, a_server_that_refuses_is_told_to_all_within_their_budgets_by_one_prober) {
  backend.failing = 1'000'000;
  auto& p = make({.max_open = 8});
  run([&]() -> task<void> {
    int probes = 0;
    for (int round = 0; round < 20; ++round) {
      context_source budget{root.get(), {.timeout = 300ms}};
      const time_point start = time.now();
      const int before = backend.attempts;
      auto all = callers(20, 1ms, budget.get());
      for (auto& one : all) {
        auto ended = co_await one;
        EXPECT_EQ(ended.error().code(), errc::server_down);
      }
      EXPECT_LE(since(time, start), 350ms);
      if (round > 0) probes += backend.attempts - before;
    }
    EXPECT_LE(probes, 20);
  });
  EXPECT_LE(backend.most_opening, 4);
  EXPECT_TRUE(p.stats().down);
  backend.failing = 0;
}

TEST_F(opening_test, a_server_that_hangs_is_told_as_down_and_probed_once_at_a_time) {
  backend.open_time = 24h;  // ends by its context only
  auto& p = make({.max_open = 8, .open_timeout = 1s});
  run([&]() -> task<void> {
    for (int round = 0; round < 20; ++round) {
      context_source budget{root.get(), {.timeout = 300ms}};
      const time_point start = time.now();
      if (round == 8) backend.most_opening = 0;
      auto all = callers(20, 1ms, budget.get());
      for (auto& one : all) {
        auto ended = co_await one;
        EXPECT_EQ(ended.error().code(), errc::server_down);
      }
      EXPECT_LE(since(time, start), 350ms);
    }
  });
  EXPECT_LE(backend.most_opening, 1);
  EXPECT_GE(p.stats().open_failures, 2U);
  backend.open_time = 0ms;
}

TEST_F(opening_test, a_deadline_shorter_than_an_open_usually_takes_says_nothing_about_the_server) {
  backend.open_time = 150ms;
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    context_source hurry{root.get(), {.timeout = 100ms}};
    auto late = co_await p.acquire(hurry.get());
    EXPECT_EQ(late.error().code(), errc::deadline_exceeded);
  });
}

TEST_F(opening_test, a_recovery_starts_slowly_and_never_exceeds_the_limit) {
  backend.failing = 5;
  auto& p = make({.max_open = 8});
  run([&]() -> task<void> {
    int served = 0;
    for (int round = 0; round < 40 && served < 20; ++round) {
      context_source budget{root.get(), {.timeout = 500ms}};
      auto all = callers(20, 5ms, budget.get());
      served = 0;
      for (auto& one : all) served += (co_await one).has_value() ? 1 : 0;
      backend.most_opening = 0;
    }
    EXPECT_EQ(served, 20);
  });
  EXPECT_FALSE(p.stats().down);
  EXPECT_LE(backend.peak, 8);
}

TEST_F(opening_test, after_a_recovery_opens_double_with_each_success) {
  backend.failing = 2;
  backend.open_time = 100ms;
  auto& p = make({.max_open = 8, .max_opening = 8});
  run([&]() -> task<void> {
    EXPECT_FALSE(co_await p.acquire(root.get()));
    EXPECT_FALSE(co_await p.acquire(root.get()));
    backend.most_opening = 0;
    auto all = callers(8, 1h, root.get());
    (void)co_await sleep_for(root.get(), 190ms);  // backoff and the probe
    EXPECT_EQ(p.stats().open, 1U);
    EXPECT_LE(p.stats().opening, 2U);
    for (auto& one : all) EXPECT_TRUE(co_await one);
    EXPECT_EQ(p.stats().opened, 8U);
  });
}

TEST_F(opening_test, an_open_that_never_ends_does_not_keep_others_from_opening) {
  backend.stuck = 1;
  auto& p = make({.max_open = 3, .max_opening = 1, .open_timeout = 1s});
  run([&]() -> task<void> {
    context_source budget{root.get(), {.timeout = 2s}};
    auto first = co_await p.acquire(budget.get());
    EXPECT_EQ(first.error().code(), errc::server_down);
    auto second = co_await p.acquire(root.get());
    auto third = co_await p.acquire(root.get());
    EXPECT_TRUE(second && third);
    EXPECT_EQ(p.stats().opening, 1U);  // it still counts: the server may have it
    context_source hurry{root.get(), {.timeout = 1s}};
    EXPECT_FALSE(co_await p.acquire(hurry.get()));
  });
  EXPECT_LE(backend.peak, 3);
}

TEST_F(opening_test, min_idle_is_not_refilled_beyond_max_open) {
  auto& p = make({.max_open = 3, .min_idle = 3});
  run([&]() -> task<void> {
    for (int i = 0; i < 50; ++i) {
      auto one = co_await p.acquire(root.get());
      auto two = co_await p.acquire(root.get());
      (i % 2 == 0 ? *one : *two).discard();
      co_await yield();
    }
  });
  EXPECT_EQ(backend.peak, 3);
}

TEST_F(opening_test, with_resources_open_a_deadline_during_an_outage_carries_the_last_error) {
  auto& p = make({.max_open = 2});
  run([&]() -> task<void> {
    auto held = co_await p.acquire(root.get());
    backend.failing = 1000;
    EXPECT_EQ((co_await p.acquire(root.get())).error().code(), errc::server_down);
    context_source hurry{root.get(), {.timeout = 1us}};
    EXPECT_FALSE(co_await p.acquire(root.get()));
    auto late = co_await p.acquire(hurry.get());
    EXPECT_EQ(late.error().code(), errc::deadline_exceeded);
    EXPECT_EQ(late.error().cause()->code(), errc::server_down);
  });
  backend.failing = 0;
}

}  // namespace
}  // namespace weir::pool_tests
