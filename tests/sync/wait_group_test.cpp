#include <atomic>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weir/context/wait.hpp>
#include <weir/sync/wait_group.hpp>

#include "sync/crew.hpp"

namespace weir {
namespace {

using test::crew;

static_assert(operation<wait_group_operation>);
static_assert(!std::is_copy_constructible_v<wait_group>);
static_assert(!std::is_move_constructible_v<wait_group>);

TEST(wait_group, an_empty_group_is_not_waited_for) {
  wait_group none;
  EXPECT_TRUE(wait(none.wait({})));
}

TEST(wait_group, the_last_done_lets_everybody_go_on) {
  crew tasks;
  wait_group all{1};
  all.add(2);
  int woken = 0;
  for (int i = 0; i < 3; ++i) {
    (void)tasks.start([&]() -> task<> {
      EXPECT_TRUE(co_await all.wait({}));
      ++woken;
    });
  }
  tasks.settle();
  all.done();
  all.done();
  tasks.settle();
  EXPECT_EQ(woken, 0);
  all.done();
  tasks.settle();
  EXPECT_EQ(woken, 3);
}

TEST(wait_group, it_may_be_used_again) {
  wait_group all;
  for (int round = 0; round < 3; ++round) {
    all.add();
    all.done();
    EXPECT_TRUE(wait(all.wait({})));
  }
}

TEST(wait_group, what_came_before_done_is_visible_after_wait) {
  for (int i = 0; i < 200; ++i) {
    wait_group all{3};
    int values[3] = {};
    std::vector<std::thread> threads;
    for (int& value : values) {
      threads.emplace_back([&] {
        value = 1;
        all.done();
      });
    }
    EXPECT_TRUE(wait(all.wait({})));
    EXPECT_EQ(values[0] + values[1] + values[2], 3);
    for (auto& thread : threads) thread.join();
  }
}

TEST(wait_group, whoever_has_waited_for_it_may_destroy_it_at_once) {
  test::racer one;
  test::racer two;
  for (int i = 0; i < 500; ++i) {
    auto all = std::make_unique<wait_group>(2);
    one.start([&group = *all] { group.done(); });
    two.start([&group = *all] { group.done(); });
    EXPECT_TRUE(wait(all->wait({})));
    all.reset();
    one.join();
    two.join();
  }
}

TEST(wait_group, adding_while_others_are_done_never_reaches_zero_early) {
  wait_group all{1};
  std::atomic<int> left{3'000};
  test::together(3, [&](int) {
    for (int i = 0; i < 1'000; ++i) {
      all.add();
      --left;
      all.done();
    }
  });
  all.done();
  EXPECT_TRUE(wait(all.wait({})));
  EXPECT_EQ(left.load(), 0);
}

TEST(wait_group, a_cancelled_wait_leaves_the_count_alone) {
  crew tasks;
  context_source source{tasks.time};
  wait_group all{1};
  std::optional<result<void>> outcome;
  (void)tasks.start([&]() -> task<> { outcome = co_await all.wait(source.get()); });
  tasks.settle();
  source.cancel();
  tasks.settle();
  ASSERT_TRUE(outcome);
  EXPECT_EQ(outcome->error().code(), errc::cancelled);
  all.done();
  EXPECT_TRUE(wait(all.wait({})));
}

TEST(wait_group, a_deadline_ends_the_wait) {
  manual_clock time;
  context_source source{time, {.timeout = std::chrono::seconds{1}}};
  wait_group all{1};
  std::thread waiter{
      [&] { EXPECT_EQ(wait(all.wait(source.get())).error().code(), errc::deadline_exceeded); }};
  test::until([&] { return time.advance_to_next(); });
  waiter.join();
  all.done();
}

TEST(wait_group, done_and_cancel_at_once_end_the_wait_once) {
  test::racers three{3};
  for (int i = 0; i < 500; ++i) {
    wait_group all{1};
    context_source source;
    three.together([&](int who) {
      if (who == 0) all.done();
      if (who == 1) source.cancel();
      if (who == 2) {
        const auto outcome = wait(all.wait(source.get()));
        EXPECT_TRUE(outcome || outcome.error().code() == errc::cancelled);
      }
    });
  }
}

TEST(wait_group_death, one_done_too_many_is_misuse) {
  EXPECT_DEATH(
      {
        wait_group all{1};
        all.done();
        all.done();
      },
      "more often than add");
}

TEST(wait_group_death, a_negative_count_is_misuse) {
  EXPECT_DEATH(wait_group{-1}, "negative count");
  EXPECT_DEATH(wait_group{}.add(-1), "call done");
}

TEST(wait_group_death, destroying_it_before_all_are_done_is_misuse) {
  EXPECT_DEATH(wait_group{1}, "before its count was zero");
}

TEST(wait_group_death, destroying_it_under_a_waiter_is_misuse) {
  EXPECT_DEATH(
      {
        std::optional<wait_group> all(std::in_place, 1);
        wait_group_operation op = all->wait({});
        test::queued waiting{op};
        all.reset();
      },
      "a wait_group was destroyed while somebody waits");
}

}  // namespace
}  // namespace weir
