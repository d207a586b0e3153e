#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weir/core/sync/thread.hpp>
#include <weir/stopper/live_tasks.hpp>

namespace weir::core {
namespace {

live_task make(const char* name) {
  return live_task{name, std::source_location::current()};
}

TEST(live_tasks, counts_in_whatever_shard_it_was_entered) {
  live_tasks live;
  live_task a = make("a");
  live_task b = make("b");
  EXPECT_TRUE(live.enter(a, 1));
  EXPECT_TRUE(live.enter(b, 2));
  EXPECT_EQ(live.count(), 2U);
  EXPECT_FALSE(live.leave(a));
  EXPECT_FALSE(live.close());
  EXPECT_TRUE(live.closed());
  EXPECT_FALSE(live.enter(a, 5));
  EXPECT_TRUE(live.leave(b));
}

TEST(live_tasks, an_empty_one_is_done_when_it_is_closed) {
  live_tasks live;
  EXPECT_TRUE(live.close());
}

TEST(live_tasks, the_oldest_come_first_whatever_their_shard) {
  live_tasks live;
  std::vector<live_task> tasks;
  tasks.reserve(40);
  for (std::uint32_t i = 0; i < 40; ++i) {
    tasks.push_back(make(i == 0 ? "first" : "later"));
    tasks.back().since = time_point{std::chrono::seconds{i}};
    EXPECT_TRUE(live.enter(tasks.back(), i * 7));
  }
  const auto oldest = live.oldest(3);
  ASSERT_EQ(oldest.size(), 3U);
  EXPECT_STREQ(oldest[0].name, "first");
  EXPECT_EQ(oldest[2].since, time_point{std::chrono::seconds{2}});
  for (live_task& one : tasks) EXPECT_FALSE(live.leave(one));
}

TEST(live_tasks, tells_exactly_one_that_it_was_the_last) {
  constexpr int threads = 3;
  for (int round = 0; round < 300; ++round) {
    live_tasks live;
    std::atomic<int> told{0};
    std::atomic<int> ready{0};
    std::vector<std::thread> all;
    for (std::uint32_t i = 0; i < threads; ++i) {
      all.emplace_back([&, i] {
        live_task mine = make("task");
        ++ready;
        while (live.enter(mine, i)) {
          if (live.leave(mine)) ++told;
          yield_thread();
        }
      });
    }
    while (ready.load() != threads) yield_thread();
    if (live.close()) ++told;
    for (auto& thread : all) thread.join();
    EXPECT_EQ(told.load(), 1);
    EXPECT_EQ(live.count(), 0U);
  }
}

}  // namespace
}  // namespace weir::core
