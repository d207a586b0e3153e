#include <atomic>
#include <functional>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weir/core/sync/thread.hpp>
#include <weir/stopper/stopper.hpp>

namespace weir {
namespace {

std::multiset<std::string> names_in(const snapshot& seen) {
  std::multiset<std::string> names;
  for (const snapshot_entry& entry : seen.entries) {
    for (const snapshot_task& task : entry.tasks) names.insert(task.name);
  }
  return names;
}

TEST(thread_calls, a_call_is_named_with_its_site_while_it_runs) {
  runtime rt;
  stopper it{rt, {.name = "it"}};
  std::uint_least32_t line = 0;
  const auto look = [&] {
    const snapshot seen = it.snapshot();
    ASSERT_EQ(seen.entries.size(), 1U);
    ASSERT_EQ(seen.entries[0].tasks.size(), 1U);
    EXPECT_EQ(seen.entries[0].tasks[0].name, std::string{"outer"});
    EXPECT_EQ(seen.entries[0].tasks[0].site.line(), line);
    EXPECT_EQ(it.running(), 1U);
  };
  line = std::source_location::current().line() + 1;
  ASSERT_TRUE(it.run("outer", look));
  EXPECT_EQ(it.running(), 0U);
  EXPECT_TRUE(names_in(it.snapshot()).empty());
}

TEST(thread_calls, calls_within_calls_are_all_counted_and_named_however_deep) {
  runtime rt;
  stopper it{rt, {.name = "it"}};
  constexpr std::size_t deep = 3 * core::thread_calls::depth;
  const std::function<void(std::size_t)> descend = [&](std::size_t left) {
    if (left == 0) {
      EXPECT_EQ(it.running(), deep);
      EXPECT_EQ(names_in(it.snapshot()).count("call"), deep);
      return;
    }
    EXPECT_TRUE(it.run("call", [&] { descend(left - 1); }));
  };
  descend(deep);
  EXPECT_EQ(it.running(), 0U);
}

TEST(thread_calls, of_many_stoppers_each_counts_its_own) {
  runtime rt;
  std::vector<std::unique_ptr<stopper>> all;
  for (int i = 0; i < 9; ++i) {
    all.push_back(std::make_unique<stopper>(rt, stopper_options{.name = "one"}));
  }
  const std::function<void(std::size_t)> descend = [&](std::size_t at) {
    if (at == all.size()) {
      for (const auto& one : all) EXPECT_EQ(one->running(), 1U);
      return;
    }
    EXPECT_TRUE(all[at]->run("call", [&] { descend(at + 1); }));
  };
  descend(0);
  for (const auto& one : all) EXPECT_EQ(one->running(), 0U);
}

TEST(thread_calls, more_threads_than_there_is_room_for_are_counted_all_the_same) {
  runtime rt;
  stopper it{rt, {.name = "it"}};
  constexpr std::size_t many = core::call_set::most + 6;
  std::atomic<std::size_t> inside{0};
  std::atomic<bool> leave{false};
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < many; ++i) {
    threads.emplace_back([&] {
      EXPECT_TRUE(it.run("call", [&] {
        ++inside;
        while (!leave) core::yield_thread();
      }));
    });
  }
  while (inside != many) core::yield_thread();
  EXPECT_EQ(it.running(), many);
  EXPECT_EQ(names_in(it.snapshot()).count("call"), many);
  leave = true;
  for (std::thread& one : threads) one.join();
  EXPECT_EQ(it.running(), 0U);
}

TEST(thread_calls, a_stop_refuses_and_counts_in_one_step_whoever_calls) {
  for (int round = 0; round < 100; ++round) {
    runtime rt{{.workers = 1}};
    stopper it{rt, {.name = "it"}};
    std::atomic<int> ready{0};
    std::atomic<bool> stopped{false};
    std::vector<std::thread> threads;
    for (int i = 0; i < 3; ++i) {
      threads.emplace_back([&] {
        ++ready;
        while (it.run("call", [&] { EXPECT_FALSE(stopped.load()); })) {
        }
        EXPECT_FALSE(it.run("after", [] { ADD_FAILURE(); }));
      });
    }
    while (ready != 3) core::yield_thread();
    ASSERT_TRUE(wait(it.quiesce({})));
    stopped = true;
    for (std::thread& one : threads) one.join();
    EXPECT_TRUE(wait(it.stop()));
  }
}

}  // namespace
}  // namespace weir
