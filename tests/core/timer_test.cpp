#include <map>
#include <random>

#include <gtest/gtest.h>

#include <weir/core/timer.hpp>

namespace weir::core {
namespace {

struct timer : timer_node {
  explicit timer(std::vector<int>& log, int id = 0)
      : timer_node([](timer_node& node, wake_list&) noexcept {
          auto& me = static_cast<timer&>(node);
          me.log->push_back(me.id);
        }),
        log(&log),
        id(id) {}
  std::vector<int>* log;
  int id;
};

time_point at(std::int64_t ticks) {
  return time_point{duration{ticks}};
}

using ints = std::vector<int>;

TEST(timer_heap, an_empty_heap_has_no_next_and_expires_nothing) {
  timer_heap heap;
  wake_list wakes;
  EXPECT_TRUE(heap.empty());
  EXPECT_EQ(heap.next(), time_point::max());
  EXPECT_EQ(heap.expire(time_point::max(), wakes), 0U);
}

TEST(timer_heap, expires_what_is_due_in_order_of_time_and_leaves_the_rest) {
  ints log;
  timer a{log, 1};
  timer b{log, 2};
  timer c{log, 3};
  timer_heap heap;
  wake_list wakes;
  EXPECT_TRUE(heap.arm(b, at(20)));
  EXPECT_FALSE(heap.arm(c, at(30)));
  EXPECT_TRUE(heap.arm(a, at(10)));
  EXPECT_EQ(heap.next(), at(10));
  EXPECT_EQ(heap.expire(at(9), wakes), 0U);
  EXPECT_EQ(heap.expire(at(20), wakes), 2U);
  EXPECT_EQ(log, (ints{1, 2}));
  EXPECT_FALSE(a.armed());
  EXPECT_TRUE(c.armed());
  EXPECT_EQ(heap.next(), at(30));
  EXPECT_TRUE(heap.disarm(c));
  EXPECT_TRUE(heap.empty());
}

TEST(timer_heap, equal_times_expire_in_the_order_of_arming) {
  ints log;
  std::vector<timer> timers;
  for (int i = 0; i < 100; ++i) timers.emplace_back(log, i);
  timer_heap heap;
  wake_list wakes;
  for (timer& t : timers) heap.arm(t, at(5));
  heap.disarm(timers[50]);
  heap.arm(timers[50], at(5));  // goes to the end
  heap.expire(at(5), wakes);
  ints expected;
  for (int i = 0; i < 100; ++i) {
    if (i != 50) expected.push_back(i);
  }
  expected.push_back(50);
  EXPECT_EQ(log, expected);
}

TEST(timer_heap, disarming_what_is_not_armed_says_so) {
  ints log;
  timer a{log, 1};
  timer_heap heap;
  wake_list wakes;
  EXPECT_FALSE(heap.disarm(a));
  heap.arm(a, at(1));
  heap.expire(at(1), wakes);
  EXPECT_FALSE(heap.disarm(a));
  heap.arm(a, at(2));
  EXPECT_TRUE(heap.disarm(a));
  EXPECT_FALSE(heap.disarm(a));
}

TEST(timer_heap, a_timer_armed_twice_ends_the_program_with_a_sentence) {
  ints log;
  timer a{log, 1};
  timer_heap heap;
  heap.arm(a, at(1));
  EXPECT_DEATH(heap.arm(a, at(2)), "a timer was armed twice");
}

// The heap against the simplest thing that is right: a map from (time, order of arming).
void behaves_like_a_map(unsigned seed) {
  std::mt19937 random{seed};
  ints log;
  std::vector<timer> timers;
  for (int i = 0; i < 200; ++i) timers.emplace_back(log, i);
  std::multimap<time_point, int> model;  // equal keys keep the order of insertion
  timer_heap heap;
  wake_list wakes;
  std::int64_t now = 0;
  for (int step = 0; step < 5'000; ++step) {
    const auto which = random() % timers.size();
    timer& t = timers[which];
    const auto in_model = std::find_if(model.begin(), model.end(), [&](const auto& entry) {
      return entry.second == static_cast<int>(which);
    });
    ASSERT_EQ(t.armed(), in_model != model.end());
    if (random() % 20 == 0) {
      now += random() % 40;
      log.clear();
      ints expected;
      while (!model.empty() && model.begin()->first <= at(now)) {
        expected.push_back(model.begin()->second);
        model.erase(model.begin());
      }
      ASSERT_EQ(heap.expire(at(now), wakes), expected.size());
      ASSERT_EQ(log, expected);
    } else if (t.armed()) {
      ASSERT_EQ(heap.disarm(t), true);
      model.erase(in_model);
    } else {
      const time_point when = at(now + random() % 100);
      const bool first = model.empty() || when < model.begin()->first;
      ASSERT_EQ(heap.arm(t, when), first);
      ASSERT_EQ(t.when(), when);
      model.emplace(when, static_cast<int>(which));
    }
    ASSERT_EQ(heap.empty(), model.empty());
    ASSERT_EQ(heap.next(), model.empty() ? time_point::max() : model.begin()->first);
  }
  log.clear();
  heap.expire(time_point::max(), wakes);
  ASSERT_EQ(log.size(), model.size());
}

TEST(timer_heap, any_sequence_of_arm_disarm_and_expire_behaves_like_a_sorted_map) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    SCOPED_TRACE(seed);
    behaves_like_a_map(seed);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace weir::core
