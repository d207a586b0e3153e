#include <cstddef>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weir/core/biased_mutex.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/fence.hpp>

namespace weir::core {
namespace {

constexpr std::size_t owner = 1;
constexpr std::size_t other = 2;

bool biased_when_used(biased_mutex& lock, std::size_t me) {
  const bool by_bias = lock.lock(me);
  lock.unlock(by_bias);
  return by_bias;
}

/// Without membarrier it stays plain.
bool can_be_biased() {
  prepare_fences();
  return light_fences_are_free();
}

TEST(biased_mutex, is_its_threads_after_so_many_uses_in_a_row) {
  const bool expected = can_be_biased();
  biased_mutex lock{3};
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(biased_when_used(lock, owner));
  EXPECT_EQ(biased_when_used(lock, owner), expected);
}

TEST(biased_mutex, uses_of_two_threads_in_turns_bias_nothing) {
  prepare_fences();
  biased_mutex lock{3};
  for (int i = 0; i < 10; ++i) {
    EXPECT_FALSE(biased_when_used(lock, owner));
    EXPECT_FALSE(biased_when_used(lock, other));
  }
}

TEST(biased_mutex, a_bias_that_another_thread_took_away_is_earned_again) {
  const bool expected = can_be_biased();
  biased_mutex lock{3};
  for (int i = 0; i < 3; ++i) biased_when_used(lock, owner);
  EXPECT_FALSE(biased_when_used(lock, other));
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(biased_when_used(lock, owner));
  EXPECT_EQ(biased_when_used(lock, owner), expected);
}

TEST(biased_mutex, is_never_biased_to_a_second_thread) {
  prepare_fences();
  biased_mutex lock{3};
  for (int i = 0; i < 3; ++i) biased_when_used(lock, owner);
  for (int i = 0; i < 10; ++i) EXPECT_FALSE(biased_when_used(lock, other));
}

TEST(biased_mutex, keeps_out_everybody_else_while_threads_race) {
  prepare_fences();
  constexpr int uses = 5'000;
  constexpr int others = 2;
  biased_mutex lock{10};
  long count = 0;  // guarded by the lock; a race on it would lose some, and TSan would tell
  const auto use = [&](std::size_t me) {
    const biased_guard guard{lock, me};
    ++count;
  };
  atomic<int> left{others};
  long own_uses = 0;
  std::vector<std::thread> threads;
  threads.emplace_back([&] {
    for (; left.load() != 0 || own_uses == 0; ++own_uses) use(owner);
  });
  for (std::size_t who = 0; who < others; ++who) {
    threads.emplace_back([&, who] {
      for (int i = 0; i < uses; ++i) {
        use(other + who);
        std::this_thread::yield();
      }
      left.fetch_sub(1);
    });
  }
  for (std::thread& one : threads) one.join();
  EXPECT_EQ(count, own_uses + others * uses);
}

}  // namespace
}  // namespace weir::core
