#include "pool/fixture.hpp"

// What each test keeps, by the numbers of the list of what a pool must do:
//   1 max_idle_zero_keeps_nothing
//   2 fifty_callers_at_cap_ten_open_ten_and_a_lower_cap_leaves_five
//   3 a_cap_lowered_while_three_are_busy_closes_them_as_they_return
//   4 cap_one_sequentially_never_blocks
//   5 one_is_open_after_a_use_and_none_after_the_close
//   6 ten_idle_resources_are_closed_at_their_idle_time_and_not_before
//   7 a_resource_past_its_lifetime_is_closed_and_its_twin_is_not
//  10 an_open_that_ends_after_its_caller_gave_up_goes_idle
//  11 failed_opens_reach_every_waiter_and_leave_no_count_behind
//  12 saturated_with_cancelled_waiters_the_next_acquire_succeeds_at_once
//  20 a_broken_resource_never_reaches_another_caller
//  29 a_hundred_short_deadlines_leave_the_pool_whole
//  30 a_cancel_between_acquire_and_use_returns_the_resource
//  F1 a_hundred_ordered_waiters_are_served_in_order
//  F2 overload_ends_no_wait_later_than_first_come_first_served_does (lending_test)
//  S1 a_spike_is_served_by_what_is_open_before_more_can_be_opened (opening_test)
//  D1 a_server_that_refuses…, …hangs…, a_recovery… (opening_test)
// Bugs of others:
//  a slot lost on cancel (Go 18995)         a_cancel_at_the_moment_of_a_return_loses_no_place
//  waiters orphaned by a failed open (10886)
//  a_waiter_behind_a_failed_open_gets_an_attempt_of_its_own late opens leak (node-pg 3543)
//  an_open_that_ends_after_its_caller_gave_up_goes_idle jitter drawn at each check (pgx 1437)
//  the_jitter_of_a_lifetime_is_drawn_once a dropped waiter wakes nobody (sqlx 1211)
//  a_waiter_that_is_dropped_after_its_grant_wakes_the_next a stuck open drains all (HikariCP 754)
//  an_open_that_never_ends_does_not_keep_others_from_opening refill beyond max (puddle, deadpool)
//  min_idle_is_not_refilled_beyond_max_open close blocks on a leak (moov 508)
//  closing_within_a_budget_names_who_holds_what_is_left wall clock in the wait (SOCI) every test
//  here, on a clock that the test moves
// The others are about statements and transactions: tests/sql.

namespace weir::pool_tests {
namespace {

static_assert(std::is_nothrow_move_constructible_v<lease<conn>>);
static_assert(!std::is_copy_constructible_v<lease<conn>>);
static_assert(!std::is_move_constructible_v<pool<conn>>);

TEST_F(pool_test, the_first_acquire_opens_and_the_second_reuses_it) {
  auto& p = make({.max_open = 4});
  run([&]() -> task<void> {
    for (int i = 0; i < 3; ++i) {
      auto lent = co_await p.acquire(root.get());
      EXPECT_EQ((*lent)->get()->number, 1);
    }
  });
  EXPECT_EQ(backend.opened, 1);
  EXPECT_EQ(p.stats().idle, 1U);
}

TEST_F(pool_test, the_newest_idle_resource_is_lent_first) {
  auto& p = make({.max_open = 2});
  run([&]() -> task<void> {
    auto one = co_await p.acquire(root.get());
    auto two = co_await p.acquire(root.get());
    const int last = (**two)->number;
    one->release();
    two->release();
    auto again = co_await p.acquire(root.get());
    EXPECT_EQ((**again)->number, last);
  });
}

TEST_F(pool_test, max_idle_zero_keeps_nothing) {
  auto& p = make({.max_open = 2, .max_idle = 0});
  run([&]() -> task<void> {
    {
      auto lent = co_await p.acquire(root.get());
    }
    co_await yield();
    co_await yield();
    EXPECT_EQ(p.stats().idle, 0U);
  });
  loop.run_until_idle();
  EXPECT_EQ(backend.closed, 1);
  EXPECT_EQ(p.stats().closed_surplus, 1U);
}

TEST_F(pool_test, fifty_callers_at_cap_ten_open_ten_and_a_lower_cap_leaves_five) {
  auto& p = make({.max_open = 10});
  run([&]() -> task<void> {
    for (int round = 0; round < 2; ++round) {
      std::vector<task_handle<void>> callers;
      for (int i = 0; i < 50; ++i) {
        callers.push_back(spawn([&]() -> task<void> {
          auto lent = co_await p.acquire(root.get());
          EXPECT_TRUE(lent);
          (void)co_await sleep_for(root.get(), 1ms);
        }));
      }
      for (auto& caller : callers) (void)co_await caller;
    }
  });
  EXPECT_EQ(backend.opened, 10);
  EXPECT_EQ(backend.peak, 10);
  EXPECT_EQ(p.stats().idle, 10U);
  p.set_max_open(5);
  loop.run_until_idle();
  EXPECT_EQ(p.stats().open, 5U);
  EXPECT_EQ(p.stats().idle, 5U);
}

TEST_F(pool_test, a_cap_lowered_while_three_are_busy_closes_them_as_they_return) {
  auto& p = make({.max_open = 3});
  run([&]() -> task<void> {
    auto one = co_await p.acquire(root.get());
    auto two = co_await p.acquire(root.get());
    auto three = co_await p.acquire(root.get());
    p.set_max_open(2);
    EXPECT_EQ(p.stats().open, 3U);
    one->release();
    for (int i = 0; i < 4; ++i) co_await yield();
    EXPECT_EQ(p.stats().open, 2U);
    two->release();
    three->release();
    EXPECT_EQ(p.stats().idle, 2U);
  });
}

TEST_F(pool_test, a_hundred_ordered_waiters_are_served_in_order) {
  auto& p = make({.max_open = 1});
  std::vector<int> order;
  run([&]() -> task<void> {
    auto held = co_await p.acquire(root.get());
    std::vector<task_handle<void>> waiters;
    for (int i = 0; i < 100; ++i) {
      waiters.push_back(spawn([&, i]() -> task<void> {
        auto lent = co_await p.acquire(root.get());
        order.push_back(i);
        co_await yield();
      }));
      co_await yield();
    }
    EXPECT_EQ(p.stats().waiting, 100U);
    held->release();
    for (auto& w : waiters) (void)co_await w;
  });
  ASSERT_EQ(order.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

TEST_F(pool_test, a_newcomer_does_not_overtake_a_waiter) {
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    auto held = co_await p.acquire(root.get());
    auto waiter = spawn([&]() -> task<void> {
      auto lent = co_await p.acquire(root.get());
      co_await yield();
    });
    co_await yield();
    held->release();
    EXPECT_FALSE(p.try_acquire());  // handed on already
    (void)co_await waiter;
    EXPECT_TRUE(p.try_acquire());
  });
}

TEST_F(pool_test, saturated_with_cancelled_waiters_the_next_acquire_succeeds_at_once) {
  auto& p = make({.max_open = 2});
  run([&]() -> task<void> {
    auto one = co_await p.acquire(root.get());
    auto two = co_await p.acquire(root.get());
    context_source impatient{root.get()};
    std::vector<task_handle<bool>> waiters;
    for (int i = 0; i < 10; ++i) {
      waiters.push_back(spawn([&]() -> task<bool> {
        auto lent = co_await p.acquire(impatient.get());
        co_return lent.has_value();
      }));
    }
    co_await yield();
    EXPECT_EQ(p.stats().waiting, 10U);
    impatient.cancel();
    for (auto& w : waiters) EXPECT_FALSE(*co_await w);
    EXPECT_EQ(p.stats().waiting, 0U);
    EXPECT_EQ(p.stats().abandoned, 10U);
    one->release();
    EXPECT_TRUE(p.try_acquire());
  });
  EXPECT_EQ(backend.opened, 2);
}

TEST_F(pool_test, a_timeout_says_max_in_use_idle_waiting_and_waited) {
  auto& p = make({.name = "db", .max_open = 1});
  run([&]() -> task<void> {
    auto held = co_await p.acquire(root.get());
    context_source hurry{root.get(), {.timeout = 30ms}};
    auto refused = co_await p.acquire(hurry.get());
    EXPECT_FALSE(refused);
    EXPECT_EQ(refused.error().code(), errc::deadline_exceeded);
    EXPECT_EQ(refused.error().number("max"), 1);
    EXPECT_EQ(refused.error().number("in use"), 1);
    EXPECT_EQ(refused.error().number("waited"), std::chrono::nanoseconds{30ms}.count());
    EXPECT_NE(refused.error().to_string().find("'db'"), std::string::npos);
  });
}

TEST_F(pool_test, the_pools_own_timeout_ends_a_wait_without_a_deadline) {
  auto& p = make({.max_open = 1, .acquire_timeout = 20ms});
  run([&]() -> task<void> {
    auto held = co_await p.acquire(root.get());
    auto refused = co_await p.acquire({});
    EXPECT_EQ(refused.error().code(), errc::deadline_exceeded);
  });
}

TEST_F(pool_test, a_full_queue_refuses_at_once) {
  auto& p = make({.max_open = 1, .max_waiters = 1});
  run([&]() -> task<void> {
    auto held = co_await p.acquire(root.get());
    auto waiter = spawn([&]() -> task<void> { (void)co_await p.acquire(root.get()); });
    co_await yield();
    auto refused = co_await p.acquire(root.get());
    EXPECT_EQ(refused.error().code(), errc::throttled);
    held->release();
    (void)co_await waiter;
  });
}

TEST_F(pool_test, failed_opens_reach_every_waiter_and_leave_no_count_behind) {
  backend.failing = 1000;
  auto& p = make({.max_open = 2});
  run([&]() -> task<void> {
    std::vector<task_handle<errc>> callers;
    for (int i = 0; i < 6; ++i) {
      callers.push_back(spawn([&]() -> task<errc> {
        auto lent = co_await p.acquire(root.get());
        co_return lent ? errc::failed : lent.error().code();
      }));
    }
    for (auto& c : callers) EXPECT_EQ(*co_await c, errc::server_down);
  });
  EXPECT_EQ(p.stats().open + p.stats().opening, 0U);
  EXPECT_LE(p.stats().open_failures, 6U);  // the probe's failure is told to all who hoped for it
}

TEST_F(pool_test, a_waiter_behind_a_failed_open_gets_an_attempt_of_its_own) {
  backend.failing = 1;
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    auto first = spawn([&]() -> task<bool> { co_return (co_await p.acquire({})).has_value(); });
    auto second = spawn([&]() -> task<bool> { co_return (co_await p.acquire({})).has_value(); });
    EXPECT_FALSE(*co_await first);
    EXPECT_TRUE(*co_await second);
  });
}

TEST_F(pool_test, an_open_that_throws_is_a_failed_open) {
  backend.throwing = true;
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    auto refused = co_await p.acquire(root.get());
    EXPECT_NE(refused.error().to_string().find("no route"), std::string::npos);
  });
  backend.throwing = false;
}

TEST_F(pool_test, an_open_that_ends_after_its_caller_gave_up_goes_idle) {
  backend.open_time = 100ms;
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    context_source hurry{root.get(), {.timeout = 10ms}};
    EXPECT_FALSE(co_await p.acquire(hurry.get()));
    (void)co_await sleep_for(root.get(), 200ms);
    EXPECT_EQ(p.stats().idle, 1U);
    EXPECT_TRUE(p.try_acquire());
  });
  EXPECT_EQ(backend.opened, 1);
}

TEST_F(pool_test, ten_idle_resources_are_closed_at_their_idle_time_and_not_before) {
  auto& p = make({.max_open = 10, .max_idle_time = 1s});
  run([&]() -> task<void> {
    std::vector<lease<conn>> all;
    for (int i = 0; i < 10; ++i) {
      auto lent = co_await p.acquire(root.get());
      all.push_back(std::move(*lent));
    }
  });
  time.advance(999ms);
  loop.run_until_idle();
  EXPECT_EQ(p.stats().closed_idle_time, 0U);
  time.advance(1ms);
  loop.run_until_idle();
  EXPECT_EQ(p.stats().closed_idle_time, 10U);
  EXPECT_EQ(p.stats().open, 0U);
}

TEST_F(pool_test, a_resource_past_its_lifetime_is_closed_and_its_twin_is_not) {
  auto& p = make({.max_open = 2, .max_lifetime = 10s});
  run([&]() -> task<void> {
    auto one = co_await p.acquire(root.get());
    (void)co_await sleep_for(root.get(), 2s);
    auto two = co_await p.acquire(root.get());
    one->release();
    two->release();
  });
  // The first retires between 9 s and 10 s of age, the second two seconds later.
  time.advance(8s);
  loop.run_until_idle();
  EXPECT_EQ(p.stats().closed_lifetime, 1U);
  EXPECT_EQ(p.stats().idle, 1U);
}

TEST_F(pool_test, min_idle_is_opened_in_advance_and_refilled) {
  auto& p = make({.max_open = 4, .min_idle = 2});
  loop.run_until_idle();
  EXPECT_EQ(p.stats().idle, 2U);
  run([&]() -> task<void> {
    auto one = co_await p.acquire(root.get());
    one->discard();
    for (int i = 0; i < 6; ++i) co_await yield();
    EXPECT_EQ(p.stats().idle, 2U);
  });
}

TEST_F(pool_test, a_broken_resource_never_reaches_another_caller) {
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    {
      auto lent = co_await p.acquire(root.get());
      (**lent)->broken = true;
    }
    auto next = co_await p.acquire(root.get());
    EXPECT_EQ((**next)->number, 2);
  });
  EXPECT_EQ(p.stats().closed_bad, 1U);
}

TEST_F(pool_test, a_dirty_resource_is_reset_before_the_next_caller_gets_it) {
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    {
      auto lent = co_await p.acquire(root.get());
      (**lent)->dirty = true;
    }
    auto next = co_await p.acquire(root.get());
    EXPECT_FALSE((**next)->dirty);
    EXPECT_EQ((**next)->number, 1);
    backend.resets_cleanly = false;
    (**next)->dirty = true;
    next->release();
    auto third = co_await p.acquire(root.get());
    EXPECT_EQ((**third)->number, 2);
  });
  EXPECT_EQ(backend.resets, 2);
}

TEST_F(pool_test, a_detached_resource_leaves_its_place_to_another) {
  auto& p = make({.max_open = 1});
  conn mine;
  run([&]() -> task<void> {
    auto lent = co_await p.acquire(root.get());
    mine = lent->detach();
    auto other = co_await p.acquire(root.get());
    EXPECT_EQ((**other)->number, 2);
  });
  EXPECT_EQ(mine->number, 1);
  ++backend.closed;  // it is ours to close
}

TEST_F(pool_test, cap_one_sequentially_never_blocks) {
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    for (int i = 0; i < 100; ++i) {
      auto lent = co_await p.acquire(root.get());
      EXPECT_TRUE(lent);
    }
  });
  EXPECT_EQ(p.stats().waits, 1U);
}

TEST_F(pool_test, one_is_open_after_a_use_and_none_after_the_close) {
  auto& p = make({.max_open = 3});
  run([&]() -> task<void> { (void)co_await p.acquire(root.get()); });
  EXPECT_EQ(p.stats().open, 1U);
  EXPECT_TRUE(loop.run(p.close({}), time));
  EXPECT_EQ(p.stats().open, 0U);
}

TEST_F(pool_test, a_hundred_short_deadlines_leave_the_pool_whole) {
  auto& p = make({.max_open = 2, .hopeless = hopeless_waits::admit});
  run([&]() -> task<void> {
    for (int i = 0; i < 100; ++i) {
      context_source hurry{root.get(), {.timeout = 1ms * (i % 4)}};
      auto three = callers(3, 1ms, hurry.get());
      for (auto& one : three) (void)co_await one;
    }
  });
  EXPECT_EQ(p.stats().in_use, 0U);
  EXPECT_EQ(p.stats().idle, 2U);
  EXPECT_EQ(p.stats().timeouts, p.stats().abandoned);
}

TEST_F(pool_test, a_cancel_between_acquire_and_use_returns_the_resource) {
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    context_source caller{root.get()};
    {
      auto lent = co_await p.acquire(caller.get());
      caller.cancel();
      EXPECT_FALSE(co_await sleep_for(caller.get(), 1ms));
    }
    EXPECT_TRUE(p.try_acquire());
  });
}

TEST_F(pool_test, the_jitter_of_a_lifetime_is_drawn_once) {
  auto& p = make({.max_open = 1, .max_lifetime = 100s});
  // Drawn anew at each return, one of the thousand draws would be near its lower end.
  run([&]() -> task<void> {
    auto lent = co_await p.acquire(root.get());
    (void)co_await sleep_for(root.get(), 90s);
    int uses = 0;
    while ((**lent)->number == 1) {
      ++uses;
      lent->release();
      (void)co_await sleep_for(root.get(), 10ms);
      lent = co_await p.acquire(root.get());
    }
    EXPECT_GT(uses, 20);
  });
}

TEST_F(pool_test, using_an_empty_lease_is_misuse) {
  lease<conn> empty;
  EXPECT_DEATH((void)*empty, "lease that is empty");
}

}  // namespace
}  // namespace weir::pool_tests
