#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weir/context/select.hpp>
#include <weir/context/wait.hpp>
#include <weir/sync/event.hpp>

#include "sync/crew.hpp"

namespace weir {
namespace {

using test::crew;

static_assert(operation<event_operation>);
static_assert(!std::is_copy_constructible_v<event> && !std::is_move_constructible_v<event>);
static_assert(std::is_nothrow_default_constructible_v<event>);

TEST(event, a_wait_for_a_set_event_is_ready_at_once) {
  event ready;
  EXPECT_FALSE(ready.is_set());
  ready.set();
  EXPECT_TRUE(ready.is_set());
  EXPECT_TRUE(wait(ready.wait({})));
}

TEST(event, setting_it_twice_changes_nothing) {
  event ready;
  ready.set();
  ready.set();
  EXPECT_TRUE(wait(ready.wait({})));
}

TEST(event, a_thread_that_waits_goes_on_when_it_is_set_and_sees_what_came_before) {
  test::racer waiter;
  for (int i = 0; i < 200; ++i) {
    event ready;
    int value = 0;
    waiter.start([&] {
      EXPECT_TRUE(wait(ready.wait({})));
      EXPECT_EQ(value, 1);
    });
    value = 1;
    ready.set();
    waiter.join();
  }
}

TEST(event, all_tasks_that_wait_go_on_in_order) {
  crew tasks;
  event ready;
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    (void)tasks.start([&, i]() -> task<> {
      EXPECT_TRUE(co_await ready.wait({}));
      order.push_back(i);
    });
  }
  tasks.settle();
  EXPECT_TRUE(order.empty());
  ready.set();
  tasks.settle();
  EXPECT_EQ(order, (std::vector{0, 1, 2}));
}

TEST(event, a_cancelled_wait_says_why_and_leaves_nothing_behind) {
  crew tasks;
  context_source source{tasks.time};
  event ready;
  std::optional<result<void>> outcome;
  (void)tasks.start([&]() -> task<> { outcome = co_await ready.wait(source.get()); });
  tasks.settle();
  EXPECT_FALSE(outcome);
  source.cancel(error{errc::unavailable, "closing"});
  tasks.settle();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().code(), errc::unavailable);
  ready.set();
}

TEST(event, a_deadline_ends_the_wait_of_a_task) {
  crew tasks;
  context_source source{tasks.time, {.timeout = std::chrono::seconds{5}}};
  event ready;
  std::optional<result<void>> outcome;
  (void)tasks.start([&]() -> task<> { outcome = co_await ready.wait(source.get()); });
  tasks.settle();
  tasks.time.advance(std::chrono::milliseconds{4999});
  tasks.settle();
  EXPECT_FALSE(outcome);
  tasks.time.advance(std::chrono::milliseconds{1});
  tasks.settle();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().code(), errc::deadline_exceeded);
}

TEST(event, a_deadline_ends_the_wait_of_a_thread) {
  manual_clock time;
  context_source source{time, {.timeout = std::chrono::hours{5}}};
  event ready;
  std::thread waiter{[&] {
    const auto outcome = wait(ready.wait(source.get()));
    EXPECT_EQ(outcome.error().code(), errc::deadline_exceeded);
  }};
  test::until([&] { return time.advance_to_next(); });
  waiter.join();
}

TEST(event, a_cancelled_context_beats_a_set_event) {
  context_source source;
  event ready;
  ready.set();
  source.cancel();
  EXPECT_EQ(wait(ready.wait(source.get())).error().code(), errc::cancelled);
}

TEST(event, set_and_cancel_at_once_end_the_wait_once) {
  test::racers all{3};
  for (int i = 0; i < 500; ++i) {
    event ready;
    context_source source;
    all.together([&](int who) {
      if (who == 0) ready.set();
      if (who == 1) source.cancel();
      if (who == 2) {
        const auto outcome = wait(ready.wait(source.get()));
        EXPECT_TRUE(outcome || outcome.error().code() == errc::cancelled);
      }
    });
  }
}

TEST(event, whoever_has_waited_for_it_may_destroy_it_at_once) {
  test::racer setter;
  for (int i = 0; i < 500; ++i) {
    auto ready = std::make_unique<event>();
    setter.start([&one = *ready] { one.set(); });
    EXPECT_TRUE(wait(ready->wait({})));
    ready.reset();
    setter.join();
  }
}

TEST(event, whoever_has_seen_it_set_may_destroy_it_at_once) {
  test::racer setter;
  for (int i = 0; i < 500; ++i) {
    auto ready = std::make_unique<event>();
    setter.start([&one = *ready] { one.set(); });
    test::until([&] { return ready->is_set(); });
    ready.reset();
    setter.join();
  }
}

TEST(event, as_a_loser_of_a_select_it_forgets_the_waiter) {
  event first;
  event second;
  second.set();
  EXPECT_EQ(wait(select(first.wait({}), second.wait({}))).index(), 1U);
  first.set();
}

TEST(event_death, destroying_it_under_a_waiter_is_misuse) {
  EXPECT_DEATH(
      {
        std::optional<event> ready{std::in_place};
        event_operation op = ready->wait({});
        test::queued waiting{op};
        ready.reset();
      },
      "an event was destroyed while somebody waits");
}

}  // namespace
}  // namespace weir
