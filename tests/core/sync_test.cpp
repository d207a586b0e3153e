#include <string>
#include <thread>

#include <gtest/gtest.h>
#include <pthread.h>

#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/core/sync/thread_local.hpp>

#include "core/racers.hpp"

namespace weir::core {
namespace {

using namespace std::chrono_literals;

TEST(park, a_token_left_before_the_wait_is_taken_once) {
  park p;
  EXPECT_FALSE(p.try_wait());
  p.wake();
  EXPECT_TRUE(p.try_wait());
  EXPECT_FALSE(p.try_wait());
  p.wake();
  p.wait();
  EXPECT_FALSE(p.try_wait());
}

TEST(park, two_wakes_before_a_wait_are_one) {
  park p;
  p.wake();
  p.wake();
  p.wait();
  EXPECT_FALSE(p.try_wait());
}

TEST(park, a_wait_until_the_past_takes_a_token_or_says_that_there_was_none) {
  park p;
  for (const time_point past :
       {time_point::min(), time_point{-1ns}, time_point{}, monotonic_now()}) {
    EXPECT_FALSE(p.wait_until(past));
    p.wake();
    EXPECT_TRUE(p.wait_until(past));
  }
}

TEST(park, a_timed_wait_ends_at_its_deadline_and_not_before) {
  park p;
  const time_point deadline = monotonic_now() + 1ms;
  EXPECT_FALSE(p.wait_until(deadline));
  EXPECT_GE(monotonic_now(), deadline);
  EXPECT_FALSE(p.try_wait());
}

TEST(park, a_wake_ends_a_timed_wait_that_would_last_for_years) {
  park p;
  std::thread waker{[&] { p.wake(); }};
  EXPECT_TRUE(p.wait_until(monotonic_now() + 24h * 365 * 100));
  waker.join();
}

TEST(park, no_wake_is_lost_between_two_threads_over_many_rounds) {
  constexpr int rounds = 20'000;
  park ping;
  park pong;
  int value = 0;  // plain: the parks order the accesses
  std::thread other{[&] {
    for (int i = 0; i < rounds; ++i) {
      ping.wait();
      ++value;
      pong.wake();
    }
  }};
  for (int i = 0; i < rounds; ++i) {
    ++value;
    ping.wake();
    pong.wait();
  }
  other.join();
  EXPECT_EQ(value, 2 * rounds);
}

TEST(park, a_wake_that_races_a_timeout_is_found_by_the_next_wait) {
  int left_over = 0;
  test::racer waker;
  for (int i = 0; i < 2'000; ++i) {
    park p;
    waker.start([&] { p.wake(); });
    const bool taken = p.wait_until(time_point{});
    waker.join();
    if (taken == p.try_wait()) ++left_over;  // the token is taken exactly once
  }
  EXPECT_EQ(left_over, 0);
}

TEST(park, may_be_destroyed_as_soon_as_the_wait_returned) {
  test::racer waker;
  for (int i = 0; i < 2'000; ++i) {
    auto p = std::make_unique<park>();
    waker.start([raw = p.get()] { raw->wake(); });
    p->wait();
    p.reset();
    waker.join();
  }
}

TEST(mutex, a_contended_counter_loses_no_increment) {
  constexpr int threads = 4;
  constexpr int rounds = 20'000;
  mutex m;
  int counter = 0;
  std::vector<std::thread> contenders;
  for (int t = 0; t < threads; ++t) {
    contenders.emplace_back([&] {
      for (int i = 0; i < rounds; ++i) {
        lock_guard guard{m};
        ++counter;
      }
    });
  }
  for (auto& contender : contenders) contender.join();
  EXPECT_EQ(counter, threads * rounds);
}

bool is_free(mutex& m) {
  if (!m.try_lock()) return false;
  m.unlock();
  return true;
}

TEST(mutex, try_lock_fails_while_it_is_held_and_never_waits) {
  mutex m;
  EXPECT_TRUE(is_free(m));
  bool free = true;
  m.lock();
  std::thread{[&] { free = is_free(m); }}.join();
  m.unlock();
  EXPECT_FALSE(free);
  EXPECT_TRUE(is_free(m));
}

TEST(mutex, a_contender_outlasts_a_holder_that_is_slow) {
  mutex m;
  int turns = 0;
  m.lock();
  std::atomic<bool> contending{false};
  std::thread contender{[&] {
    contending.store(true);
    lock_guard guard{m};
    ++turns;
  }};
  while (!contending.load()) yield_thread();
  for (int i = 0; i < 1'000; ++i) yield_thread();
  EXPECT_EQ(turns, 0);
  m.unlock();
  contender.join();
  EXPECT_EQ(turns, 1);
}

TEST(mutex, is_one_byte) {
  EXPECT_EQ(sizeof(mutex), 1U);
}

TEST(thread, runs_its_entry_under_its_name_and_is_joined) {
  std::string seen;
  thread t;
  EXPECT_FALSE(t.joinable());
  ASSERT_EQ(t.start(
                "weir.test",
                [](void* out) {
                  char name[16] = {};
                  pthread_getname_np(pthread_self(), name, sizeof name);
                  *static_cast<std::string*>(out) = name;
                },
                &seen),
            0);
  EXPECT_TRUE(t.joinable());
  t.join();
  EXPECT_FALSE(t.joinable());
  EXPECT_EQ(seen, "weir.test");
}

TEST(thread, a_long_name_is_cut_at_fifteen_characters) {
  std::string seen;
  thread t;
  ASSERT_EQ(t.start(
                "weir.a_very_long_name",
                [](void* out) {
                  char name[16] = {};
                  pthread_getname_np(pthread_self(), name, sizeof name);
                  *static_cast<std::string*>(out) = name;
                },
                &seen),
            0);
  t.join();
  EXPECT_EQ(seen, "weir.a_very_lon");
}

TEST(thread, is_moved_with_its_duty_to_join) {
  int ran = 0;
  thread t;
  ASSERT_EQ(t.start("a", [](void* out) { ++*static_cast<int*>(out); }, &ran), 0);
  thread moved = std::move(t);
  EXPECT_TRUE(moved.joinable());
  thread assigned;
  assigned = std::move(moved);
  assigned.join();
  EXPECT_EQ(ran, 1);
  ASSERT_EQ(assigned.start("b", [](void* out) { ++*static_cast<int*>(out); }, &ran), 0);
  assigned.join();
  EXPECT_EQ(ran, 2);
}

TEST(thread, left_behind_ends_the_program_with_a_sentence) {
  EXPECT_DEATH(
      {
        thread t;
        t.start("left", [](void*) {}, nullptr);
      },
      "a thread was destroyed while it runs: join it first");
  thread t;
  EXPECT_DEATH(t.join(), "joined a thread that does not run");
}

TEST(thread, each_has_an_id_of_its_own_that_is_never_zero) {
  const std::uintptr_t mine = this_thread_id();
  EXPECT_NE(mine, 0U);
  EXPECT_EQ(mine, this_thread_id());
  std::uintptr_t other = mine;
  std::thread{[&] { other = this_thread_id(); }}.join();
  EXPECT_NE(other, mine);
  EXPECT_NE(other, 0U);
  EXPECT_GE(available_processors(), 1U);
}

struct slot_tag {};

TEST(thread_slot, each_thread_has_its_own_value_initialised) {
  using slot = thread_slot<int, slot_tag>;
  slot::get() = 7;
  int other = -1;
  std::thread{[&] { other = slot::get(); }}.join();
  EXPECT_EQ(other, 0);
  EXPECT_EQ(slot::get(), 7);
}

}  // namespace
}  // namespace weir::core
