#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/sync/semaphore.hpp>

#include "sync/crew.hpp"

namespace weir {
namespace {

using test::crew;

static_assert(operation<acquire_operation>);
static_assert(!std::is_copy_constructible_v<semaphore> && !std::is_move_constructible_v<semaphore>);
static_assert(!std::is_copy_constructible_v<units> && std::is_nothrow_move_constructible_v<units>);
static_assert(std::is_nothrow_move_assignable_v<units> && std::is_nothrow_destructible_v<units>);

// Starts a task that acquires `count`, notes its number when it has them, and gives them back when
// `keep` is set.
void start_acquirer(crew& tasks, semaphore& from, std::int64_t count, std::vector<int>& order,
                    int number, const context& ctx = {}) {
  (void)tasks.start([&from, &order, count, number, ctx]() -> task<> {
    auto held = co_await from.acquire(ctx, count);
    order.push_back(held ? number : -number);
  });
}

TEST(semaphore, units_that_are_there_are_granted_at_once_and_come_home) {
  semaphore quota{3};
  {
    auto two = wait(quota.acquire({}, 2));
    ASSERT_TRUE(two);
    EXPECT_EQ(two->count(), 2);
    EXPECT_EQ(quota.available(), 1);
    EXPECT_FALSE(quota.try_acquire(2));
    auto one = quota.try_acquire();
    ASSERT_TRUE(one);
    EXPECT_EQ(quota.available(), 0);
  }
  EXPECT_EQ(quota.available(), 3);
}

TEST(semaphore, units_move_and_come_home_once) {
  semaphore quota{5};
  units first = *quota.try_acquire(2);
  units second = std::move(first);
  EXPECT_EQ(first.count(), 0);
  EXPECT_EQ(second.count(), 2);
  first.release();
  EXPECT_EQ(quota.available(), 3);
  second = *quota.try_acquire(1);
  EXPECT_EQ(quota.available(), 4);
  second.release();
  second.release();
  EXPECT_EQ(quota.available(), 5);
}

TEST(semaphore, no_units_at_all_are_a_legal_request_that_waits_its_turn) {
  crew tasks;
  semaphore quota{1};
  auto held = quota.try_acquire(1);
  EXPECT_TRUE(quota.try_acquire(0));
  std::vector<int> order;
  start_acquirer(tasks, quota, 1, order, 1);
  start_acquirer(tasks, quota, 0, order, 2);
  tasks.settle();
  EXPECT_TRUE(order.empty());
  held.reset();
  tasks.settle();
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(semaphore, waiters_are_served_in_the_order_of_their_coming) {
  crew tasks;
  semaphore quota{2};
  auto held = quota.try_acquire(2);
  std::vector<int> order;
  for (int i = 1; i <= 5; ++i) start_acquirer(tasks, quota, i % 2 + 1, order, i);
  tasks.settle();
  EXPECT_EQ(quota.waiting(), 5);
  held.reset();
  tasks.settle();
  EXPECT_EQ(order, (std::vector{1, 2, 3, 4, 5}));
  EXPECT_EQ(quota.waiting(), 0);
  EXPECT_EQ(quota.available(), 2);
}

TEST(semaphore, a_small_request_does_not_overtake_a_big_one) {
  crew tasks;
  semaphore quota{10};
  auto held = quota.try_acquire(5);
  std::vector<int> order;
  start_acquirer(tasks, quota, 10, order, 1);
  start_acquirer(tasks, quota, 1, order, 2);
  tasks.settle();
  EXPECT_TRUE(order.empty());
  EXPECT_EQ(quota.available(), 5);
  EXPECT_FALSE(quota.try_acquire(1));
  held.reset();
  tasks.settle();
  EXPECT_EQ(order, (std::vector{1, 2}));
}

TEST(semaphore, a_big_request_that_leaves_lets_the_small_one_behind_it_go) {
  crew tasks;
  context_source source{tasks.time};
  semaphore quota{10};
  auto held = quota.try_acquire(5);
  std::vector<int> order;
  start_acquirer(tasks, quota, 10, order, 1, source.get());
  start_acquirer(tasks, quota, 5, order, 2);
  tasks.settle();
  EXPECT_TRUE(order.empty());
  source.cancel();
  tasks.settle();
  EXPECT_EQ(order, (std::vector{-1, 2}));
}

TEST(semaphore, a_claimed_waiter_that_has_yet_to_leave_is_passed_over) {
  semaphore quota{1};
  auto held = quota.try_acquire();
  acquire_operation gone = quota.acquire({});
  acquire_operation next = quota.acquire({});
  test::queued gone_waits{gone};
  test::queued next_waits{next};
  ASSERT_TRUE(gone_waits.claim());
  held.reset();
  EXPECT_FALSE(next_waits.claim());
  EXPECT_EQ(quota.available(), 0);
  auto taken = next.take();
  EXPECT_TRUE(taken);
}

TEST(semaphore, a_cancelled_waiter_leaves_no_trace) {
  crew tasks;
  context_source source{tasks.time};
  semaphore quota{1};
  auto held = quota.try_acquire();
  std::vector<int> order;
  start_acquirer(tasks, quota, 1, order, 1, source.get());
  tasks.settle();
  EXPECT_EQ(quota.waiting(), 1);
  source.cancel();
  tasks.settle();
  EXPECT_EQ(order, std::vector{-1});
  EXPECT_EQ(quota.waiting(), 0);
  held.reset();
  EXPECT_EQ(quota.available(), 1);
}

TEST(semaphore, a_deadline_ends_the_wait_of_a_task) {
  crew tasks;
  context_source source{tasks.time, {.timeout = std::chrono::milliseconds{20}}};
  semaphore quota{0};
  quota.resize(1);
  auto held = quota.try_acquire();
  std::optional<errc> why;
  (void)tasks.start(
      [&]() -> task<> { why = (co_await quota.acquire(source.get())).error().code(); });
  tasks.settle();
  tasks.time.advance(std::chrono::milliseconds{20});
  tasks.settle();
  EXPECT_EQ(why, errc::deadline_exceeded);
}

TEST(semaphore, a_deadline_ends_the_wait_of_a_thread) {
  manual_clock time;
  context_source source{time, {.timeout = std::chrono::hours{1}}};
  semaphore quota{1};
  auto held = quota.try_acquire();
  std::thread waiter{[&] {
    EXPECT_EQ(wait(quota.acquire(source.get())).error().code(), errc::deadline_exceeded);
  }};
  test::until([&] { return quota.waiting() == 1; });
  time.advance(std::chrono::hours{1});
  waiter.join();
  EXPECT_EQ(quota.waiting(), 0);
}

TEST(semaphore, wanting_more_than_there_can_be_is_an_error_with_the_numbers) {
  semaphore quota{8};
  const auto too_many = wait(quota.acquire({}, 9));
  ASSERT_FALSE(too_many);
  EXPECT_EQ(too_many.error().code(), errc::invalid_argument);
  EXPECT_EQ(too_many.error().number("wanted"), 9);
  EXPECT_EQ(too_many.error().number("total"), 8);
  EXPECT_EQ(wait(quota.acquire({}, -1)).error().code(), errc::invalid_argument);
  EXPECT_FALSE(quota.try_acquire(9));
  EXPECT_FALSE(quota.try_acquire(-1));
}

TEST(semaphore, closing_fails_those_who_wait_and_those_who_come) {
  crew tasks;
  semaphore quota{2};
  auto held = quota.try_acquire(1);
  std::vector<int> order;
  start_acquirer(tasks, quota, 2, order, 1);
  start_acquirer(tasks, quota, 1, order, 2);
  tasks.settle();
  quota.close();
  quota.close();
  tasks.settle();
  EXPECT_EQ(order, (std::vector{-1, -2}));
  EXPECT_EQ(wait(quota.acquire({})).error().code(), errc::closed);
  EXPECT_FALSE(quota.try_acquire());
  held.reset();
  EXPECT_EQ(quota.available(), 2);
}

TEST(semaphore, growing_lets_waiters_go_on) {
  crew tasks;
  semaphore quota{2};
  auto held = quota.try_acquire(2);
  std::vector<int> order;
  start_acquirer(tasks, quota, 1, order, 1);
  start_acquirer(tasks, quota, 2, order, 2);
  tasks.settle();
  quota.resize(3);
  tasks.settle();
  EXPECT_EQ(order, std::vector{1});
  quota.resize(4);
  tasks.settle();
  EXPECT_EQ(order, (std::vector{1, 2}));
  EXPECT_EQ(quota.total(), 4);
  EXPECT_EQ(quota.available(), 2);
}

TEST(semaphore, shrinking_below_what_is_out_grants_nothing_until_enough_has_come_home) {
  crew tasks;
  semaphore quota{4};
  units first = *quota.try_acquire(2);
  units second = *quota.try_acquire(2);
  quota.resize(2);
  EXPECT_EQ(quota.available(), 0);
  std::vector<int> order;
  start_acquirer(tasks, quota, 1, order, 1);
  first.release();
  tasks.settle();
  EXPECT_TRUE(order.empty());
  second.release();
  tasks.settle();
  EXPECT_EQ(order, std::vector{1});
  EXPECT_EQ(quota.available(), 2);
}

TEST(semaphore, shrinking_fails_waiters_that_now_want_too_much_wherever_they_stand) {
  crew tasks;
  semaphore quota{4};
  auto held = quota.try_acquire(3);
  std::vector<int> order;
  start_acquirer(tasks, quota, 2, order, 1);
  start_acquirer(tasks, quota, 4, order, 2);
  std::optional<error> why;
  (void)tasks.start([&]() -> task<> { why = (co_await quota.acquire({}, 3)).error(); });
  start_acquirer(tasks, quota, 1, order, 4);
  tasks.settle();
  quota.resize(2);
  tasks.settle();
  EXPECT_EQ(order, std::vector{-2});
  ASSERT_TRUE(why);
  EXPECT_EQ(why->code(), errc::invalid_argument);
  EXPECT_EQ(why->number("total"), 2);
  held.reset();
  tasks.settle();
  EXPECT_EQ(order, (std::vector{-2, 1, 4}));
}

TEST(semaphore, a_loser_of_a_select_has_taken_nothing) {
  crew tasks;
  semaphore quota{1};
  auto held = quota.try_acquire();
  std::size_t chosen = 99;
  (void)tasks.start([&]() -> task<> {
    auto first = co_await select(quota.acquire({}), after(std::chrono::milliseconds{50}));
    chosen = first.index();
  });
  tasks.settle();
  tasks.time.advance(std::chrono::milliseconds{50});
  tasks.settle();
  EXPECT_EQ(chosen, 1U);
  EXPECT_EQ(quota.waiting(), 0);
  held.reset();
  EXPECT_EQ(quota.available(), 1);
}

TEST(semaphore, units_may_be_released_by_another_thread) {
  semaphore quota{1};
  units held = *quota.try_acquire();
  std::thread other{[mine = std::move(held)]() mutable { mine.release(); }};
  EXPECT_TRUE(wait(quota.acquire({})));
  other.join();
}

TEST(semaphore, threads_never_hold_more_than_the_total) {
  semaphore quota{3};
  std::atomic<std::int64_t> out{0};
  test::together(4, [&](int who) {
    const std::int64_t count = who % 3 + 1;
    for (int i = 0; i < 2'000; ++i) {
      auto held = wait(quota.acquire({}, count));
      EXPECT_LE(out.fetch_add(count) + count, 3);
      out -= count;
    }
  });
  EXPECT_EQ(quota.available(), 3);
  EXPECT_EQ(quota.waiting(), 0);
}

TEST(semaphore, a_grant_that_races_a_cancellation_is_not_lost) {
  test::racers all{4};
  for (int i = 0; i < 500; ++i) {
    semaphore quota{1};
    context_source source;
    units held = *quota.try_acquire();
    std::atomic<int> granted{0};
    all.together([&](int who) {
      if (who == 0) held.release();
      if (who == 1) source.cancel();
      if (who == 2 && wait(quota.acquire(source.get()))) ++granted;
      if (who == 3) {
        EXPECT_TRUE(wait(quota.acquire({})));
      }
    });
    EXPECT_EQ(quota.available(), 1);
    EXPECT_EQ(quota.waiting(), 0);
  }
}

TEST(semaphore, resizing_and_closing_race_with_waiters) {
  test::racers all{4};
  for (int i = 0; i < 200; ++i) {
    semaphore quota{4};
    all.together([&](int who) {
      if (who == 0) {
        for (const int total : {1, 4, 2, 3}) quota.resize(total);
        quota.close();
        return;
      }
      for (int n = 0; n < 20; ++n) (void)wait(quota.acquire({}, who));
    });
    EXPECT_EQ(quota.available(), 3);
    EXPECT_EQ(quota.waiting(), 0);
  }
}

TEST(semaphore_death, destroying_it_before_its_units_are_home_is_misuse) {
  EXPECT_DEATH(
      {
        std::optional<semaphore> quota(std::in_place, 1);
        auto held = quota->try_acquire();
        quota.reset();
      },
      "before all of its units had come home");
}

TEST(semaphore_death, destroying_it_under_a_waiter_is_misuse) {
  EXPECT_DEATH(
      {
        std::optional<semaphore> quota(std::in_place, 1);
        acquire_operation op = quota->acquire({});
        test::queued waiting{op};
        quota.reset();
      },
      "a semaphore was destroyed while somebody waits");
}

TEST(semaphore_death, a_negative_total_is_misuse) {
  EXPECT_DEATH(semaphore{-1}, "negative total");
  EXPECT_DEATH(semaphore{1}.resize(-1), "negative total");
}

}  // namespace
}  // namespace weir
