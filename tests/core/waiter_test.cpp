#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include <weir/core/waiter.hpp>

#include "core/racers.hpp"

namespace weir::core {
namespace {

struct counted : waiter {
  counted()
      : waiter([](wakeable& self) noexcept { static_cast<counted&>(self).woken.fetch_add(1); }) {}
  std::atomic<int> woken{0};
};

TEST(waiter, an_idle_waiter_is_never_claimed) {
  counted who;
  EXPECT_FALSE(who.armed());
  EXPECT_FALSE(who.claim(0));
  who.arm();
  who.disarm();
  EXPECT_FALSE(who.claim(0));
}

TEST(waiter, remembers_which_case_claimed_it_and_refuses_the_next) {
  counted who;
  who.arm();
  EXPECT_TRUE(who.armed());
  EXPECT_TRUE(who.claim(7));
  EXPECT_FALSE(who.armed());
  EXPECT_EQ(who.claimed_index(), 7U);
  EXPECT_FALSE(who.claim(8));
  EXPECT_EQ(who.claimed_index(), 7U);
  who.disarm();
  who.arm();
  EXPECT_TRUE(who.claim((1U << 28) | 15U));
  EXPECT_EQ(who.claimed_index(), (1U << 28) | 15U);
}

TEST(waiter, exactly_one_of_many_concurrent_claims_wins) {
  constexpr int threads = 4;
  constexpr int rounds = 2'000;
  counted who;
  std::atomic<int> round{-1};
  std::atomic<int> finished{0};
  std::atomic<int> winners{0};
  std::atomic<std::uint32_t> winner{0};
  std::vector<std::thread> claimers;
  for (std::uint32_t t = 0; t < threads; ++t) {
    claimers.emplace_back([&, t] {
      for (int r = 0; r < rounds; ++r) {
        while (round.load() < r) std::this_thread::yield();
        if (who.claim(t + 1)) {
          winners.fetch_add(1);
          winner.store(t + 1);
        }
        finished.fetch_add(1);
      }
    });
  }
  int wrong = 0;
  for (int r = 0; r < rounds; ++r) {
    winners.store(0);
    who.arm();
    round.store(r);
    while (finished.load() < threads * (r + 1)) std::this_thread::yield();
    if (winners.load() != 1 || winner.load() != who.claimed_index()) ++wrong;
    who.disarm();
  }
  for (auto& claimer : claimers) claimer.join();
  EXPECT_EQ(wrong, 0);
}

TEST(wait_node, a_grant_wins_the_waiter_once_and_wakes_it_at_the_end_of_the_list) {
  counted who;
  wait_node first;
  wait_node second;
  first.set(who, 3);
  second.set(who, 4);
  who.arm();
  {
    wake_list wakes;
    EXPECT_TRUE(first.grant(wakes));
    EXPECT_FALSE(second.grant(wakes));
    EXPECT_EQ(who.woken.load(), 0);
  }
  EXPECT_EQ(who.woken.load(), 1);
  EXPECT_EQ(who.claimed_index(), 3U);
}

TEST(thread_waiter, a_wake_that_comes_before_the_wait_is_not_lost) {
  thread_waiter who;
  who.wake();
  who.wait();
  EXPECT_FALSE(who.wait_until(time_point{}));
}

TEST(thread_waiter, a_timeout_and_a_grant_race_for_one_claim) {
  int timeouts = 0;
  int grants = 0;
  test::racer granter;
  for (int i = 0; i < 2'000; ++i) {
    thread_waiter me;
    me.arm();
    granter.start([&] {
      wake_list wakes;
      wait_node node;
      node.set(me, 2);
      node.grant(wakes);
    });
    if (!me.wait_until(time_point{})) {
      if (me.claim(1)) {
        ++timeouts;
      } else {
        me.wait();
      }
    }
    grants += me.claimed_index() == 2 ? 1 : 0;
    granter.join();
  }
  EXPECT_EQ(timeouts + grants, 2'000);
}

}  // namespace
}  // namespace weir::core
