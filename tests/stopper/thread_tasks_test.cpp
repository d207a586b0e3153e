#include <atomic>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weir/core/sync/thread.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/thread_executor.hpp>
#include <weir/stopper/note.hpp>
#include <weir/stopper/stopper.hpp>
#include <weir/sync/event.hpp>

namespace weir {
namespace {

using core::task_label;
using core::task_place;
using core::thread_tasks;

std::multiset<std::string> names_and_notes_in(const snapshot& seen) {
  std::multiset<std::string> names;
  for (const snapshot_entry& entry : seen.entries) {
    for (const snapshot_task& task : entry.tasks) names.insert(task.name + ":" + task.note);
  }
  return names;
}

std::size_t places_of(const thread_tasks& tasks) {
  std::size_t count = 0;
  tasks.each([&count](const task_place&) { return ++count != 0; });
  return count;
}

TEST(thread_tasks, a_place_that_was_left_is_used_next) {
  thread_tasks tasks;
  const task_label label{"task", {}, {}, nullptr, false};
  for (int i = 0; i < 10'000; ++i) {
    task_place* const one = tasks.enter(label);
    task_place* const two = tasks.enter(label);
    ASSERT_NE(one, two);
    EXPECT_TRUE(tasks.leave(*one));
    EXPECT_TRUE(tasks.leave(*two));
  }
  EXPECT_EQ(tasks.entered(), 20'000U);
  EXPECT_EQ(tasks.left(), 20'000U);
  EXPECT_LE(places_of(tasks), 8U);
}

TEST(thread_tasks, what_others_have_left_is_used_before_there_are_more) {
  thread_tasks home;
  thread_tasks elsewhere;
  const task_label label{"task", {}, {}, nullptr, false};
  for (int round = 0; round < 100; ++round) {
    std::vector<task_place*> taken;
    for (int i = 0; i < 20; ++i) taken.push_back(home.enter(label));
    EXPECT_EQ((std::set<task_place*>{taken.begin(), taken.end()}.size()), 20U);
    for (task_place* const one : taken) EXPECT_TRUE(elsewhere.leave(*one));
  }
  EXPECT_EQ(elsewhere.left(), 2'000U);
  EXPECT_EQ(home.left(), 0U);
  EXPECT_LE(places_of(home), 24U);
}

TEST(thread_tasks, a_closed_one_lets_nobody_in) {
  thread_tasks tasks;
  const task_label label{"task", {}, {}, nullptr, false};
  task_place* const one = tasks.enter(label);
  tasks.close();
  EXPECT_EQ(tasks.enter(label), nullptr);
  EXPECT_EQ(tasks.refused(), 1U);
  EXPECT_EQ(tasks.collect(), 1);
  EXPECT_FALSE(tasks.leave(*one));
  EXPECT_TRUE(tasks.leave_late());
  EXPECT_EQ(tasks.left(), 1U);
}

TEST(thread_tasks, tasks_that_end_on_another_thread_are_counted_and_named_until_then) {
  runtime rt{{.workers = 1}};
  thread_executor other{{.name = "other"}};
  stopper it{rt, {.name = "it"}};
  event gate;
  std::atomic<int> there{0};
  const auto work = [&]() -> task<void> {
    note("on the way");
    co_await resume_on(other);
    ++there;
    static_cast<void>(co_await gate.wait({}));
  };
  for (int i = 0; i < 50; ++i) it.spawn("wanders", work).value().detach();
  while (there != 50) core::yield_thread();
  EXPECT_EQ(it.running(), 50U);
  EXPECT_EQ(names_and_notes_in(it.snapshot()).count("wanders:on the way"), 50U);
  gate.set();
  ASSERT_TRUE(wait(it.quiesce({})));
  EXPECT_EQ(it.running(), 0U);
  EXPECT_TRUE(names_and_notes_in(it.snapshot()).empty());
  EXPECT_TRUE(wait(it.stop()));
}

TEST(thread_tasks, more_threads_than_there_is_room_for_start_and_end_tasks_all_the_same) {
  constexpr std::size_t many = core::call_set::most + 6;
  runtime rt{{.workers = 1}};
  stopper it{rt, {.name = "it"}};
  std::atomic<std::size_t> inside{0};
  std::atomic<bool> leave{false};
  event gate;
  const auto work = [&]() -> task<void> {
    note("waits");
    static_cast<void>(co_await gate.wait({}));
  };
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < many; ++i) {
    threads.emplace_back([&] {
      it.spawn("task", work).value().detach();
      ++inside;
      while (!leave) core::yield_thread();
    });
  }
  while (inside != many) core::yield_thread();
  EXPECT_EQ(it.running(), many);
  while (names_and_notes_in(it.snapshot()).count("task:waits") != many) core::yield_thread();
  // They leave on threads that were never asked for a place.
  for (std::size_t i = 0; i < many; ++i) {
    it.spawn_blocking("blocks",
                      [&] {
                        while (!leave) core::yield_thread();
                      })
        .value()
        .detach();
  }
  EXPECT_EQ(it.running(), 2 * many);
  gate.set();
  leave = true;
  for (std::thread& one : threads) one.join();
  ASSERT_TRUE(wait(it.quiesce({})));
  EXPECT_EQ(it.running(), 0U);
  EXPECT_TRUE(wait(it.stop()));
}

TEST(thread_tasks, a_stop_refuses_and_counts_in_one_step_whoever_spawns_and_wherever_it_ends) {
  for (int round = 0; round < 50; ++round) {
    runtime rt{{.workers = 2}};
    stopper it{rt, {.name = "it"}};
    std::atomic<int> ready{0};
    std::atomic<bool> stopped{false};
    const auto work = [&]() -> task<void> {
      EXPECT_FALSE(stopped.load());
      co_return;
    };
    std::vector<std::thread> threads;
    for (int i = 0; i < 2; ++i) {
      threads.emplace_back([&] {
        ++ready;
        while (it.spawn("task", work)) {
        }
        EXPECT_FALSE(it.spawn("after", work));
      });
    }
    while (ready != 2) core::yield_thread();
    ASSERT_TRUE(wait(it.quiesce({})));
    stopped = true;
    for (std::thread& one : threads) one.join();
    EXPECT_TRUE(wait(it.stop()));
  }
}

}  // namespace
}  // namespace weir
