#include <functional>

#include <gtest/gtest.h>

#include <weir/core/clock.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;

struct alarm : core::timer_node, core::wakeable {
  explicit alarm(std::function<void()> ring)
      : core::timer_node([](core::timer_node& node, core::wake_list& wakes) noexcept {
          wakes.push(static_cast<alarm&>(node));
        }),
        core::wakeable([](core::wakeable& self) noexcept { static_cast<alarm&>(self).ring(); }),
        ring(std::move(ring)) {}
  std::function<void()> ring;
};

void arm(manual_clock& time, alarm& what, time_point when) {
  core::wake_list wakes;
  core::timer_service& timers = *time.timers();
  core::lock_guard guard{timers.guard()};
  timers.arm(what, when, wakes);
}

bool disarm(manual_clock& time, alarm& what) {
  core::timer_service& timers = *time.timers();
  core::lock_guard guard{timers.guard()};
  return timers.disarm(what);
}

TEST(saturating_add, adds_where_the_sum_fits) {
  const time_point start{1h};
  EXPECT_EQ(saturating_add(start, 5s), start + 5s);
  EXPECT_EQ(saturating_add(start, -5s), start - 5s);
  EXPECT_EQ(saturating_add(start, 0s), start);
}

TEST(saturating_add, stops_at_both_ends_of_time) {
  const time_point start{1h};
  EXPECT_EQ(saturating_add(start, duration::max()), time_point::max());
  EXPECT_EQ(saturating_add(time_point::max(), 1ns), time_point::max());
  EXPECT_EQ(saturating_add(time_point::max(), duration::max()), time_point::max());
  EXPECT_EQ(saturating_add(time_point::max() - 5ns, 5ns), time_point::max());
  EXPECT_EQ(saturating_add(time_point{-1h}, duration::min()), time_point::min());
  EXPECT_EQ(saturating_add(time_point::min(), -1ns), time_point::min());
  EXPECT_EQ(saturating_add(time_point::min(), duration::min()), time_point::min());
  EXPECT_EQ(saturating_add(time_point{0ns}, duration::min()), time_point::min());
}

TEST(steady_clock, never_goes_back_and_has_no_timers_of_its_own) {
  clock& time = steady_clock();
  const time_point first = time.now();
  EXPECT_GE(time.now(), first);
  EXPECT_EQ(time.timers(), nullptr);
  EXPECT_EQ(&time, &steady_clock());
}

TEST(steady_clock, read_coarsely_is_never_ahead) {
  clock& time = steady_clock();
  const time_point lagging = time.coarse_now();
  EXPECT_LE(lagging, time.now());
  EXPECT_GT(lagging, time_point{});
}

TEST(manual_clock, read_coarsely_is_exact) {
  manual_clock time;
  time.advance(3ns);
  EXPECT_EQ(time.coarse_now(), time.now());
}

TEST(manual_clock, moves_only_when_told) {
  manual_clock time;
  const time_point start = time.now();
  EXPECT_EQ(time.now(), start);
  EXPECT_EQ(time.advance(50ms), 0U);
  EXPECT_EQ(time.now(), start + 50ms);
  EXPECT_EQ(time.advance(0ms), 0U);
  EXPECT_EQ(time.now(), start + 50ms);
  EXPECT_EQ(time.next_timer(), time_point::max());
  EXPECT_FALSE(time.advance_to_next());
}

TEST(manual_clock, expires_in_order_and_reads_each_timers_own_time_meanwhile) {
  manual_clock time;
  const time_point start = time.now();
  std::vector<duration> rings;
  const auto note = [&] { rings.push_back(time.now() - start); };
  alarm a{note};
  alarm b{note};
  alarm c{note};
  alarm late{note};
  arm(time, c, start + 30ms);
  arm(time, late, start + 101ms);
  arm(time, a, start + 10ms);
  arm(time, b, start + 20ms);
  EXPECT_EQ(time.next_timer(), start + 10ms);
  EXPECT_EQ(time.advance(100ms), 3U);
  EXPECT_EQ(rings, (std::vector<duration>{10ms, 20ms, 30ms}));
  EXPECT_EQ(time.now(), start + 100ms);
  EXPECT_TRUE(disarm(time, late));
}

TEST(manual_clock, what_a_timer_arms_on_the_way_expires_in_its_turn) {
  manual_clock time;
  const time_point start = time.now();
  std::vector<int> order;
  alarm second{[&] { order.push_back(2); }};
  alarm third{[&] { order.push_back(3); }};
  alarm first{[&] {
    order.push_back(1);
    arm(time, second, start + 15ms);
  }};
  arm(time, third, start + 20ms);
  arm(time, first, start + 10ms);
  EXPECT_EQ(time.advance(20ms), 3U);
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(manual_clock, a_timer_that_is_overdue_when_armed_expires_at_once) {
  manual_clock time;
  time.advance(1s);
  int rings = 0;
  alarm past{[&] { ++rings; }};
  alarm present{[&] { ++rings; }};
  arm(time, past, time.now() - 1ms);
  EXPECT_EQ(rings, 1);
  arm(time, present, time.now());
  EXPECT_EQ(rings, 2);
  EXPECT_EQ(time.next_timer(), time_point::max());
}

TEST(manual_clock, advances_to_the_next_timer) {
  manual_clock time;
  const time_point start = time.now();
  int rings = 0;
  alarm a{[&] { ++rings; }};
  alarm b{[&] { ++rings; }};
  arm(time, a, start + 24h);
  arm(time, b, start + 48h);
  EXPECT_TRUE(time.advance_to_next());
  EXPECT_EQ(time.now(), start + 24h);
  EXPECT_EQ(rings, 1);
  EXPECT_TRUE(time.advance_to_next());
  EXPECT_EQ(rings, 2);
  EXPECT_FALSE(time.advance_to_next());
  EXPECT_EQ(time.now(), start + 48h);
}

TEST(manual_clock, a_disarmed_timer_stays_silent) {
  manual_clock time;
  int rings = 0;
  alarm a{[&] { ++rings; }};
  arm(time, a, time.now() + 1s);
  EXPECT_TRUE(disarm(time, a));
  EXPECT_FALSE(disarm(time, a));
  EXPECT_EQ(time.advance(2s), 0U);
  EXPECT_EQ(rings, 0);
}

TEST(manual_clock, advancing_for_ever_ends_at_the_end_of_time) {
  manual_clock time;
  int rings = 0;
  alarm a{[&] { ++rings; }};
  arm(time, a, time.now() + 24h);
  EXPECT_EQ(time.advance(duration::max()), 1U);
  EXPECT_EQ(time.now(), time_point::max());
  EXPECT_EQ(rings, 1);
  EXPECT_EQ(time.advance(1s), 0U);
}

TEST(manual_clock, going_back_ends_the_program_with_a_sentence) {
  manual_clock time;
  EXPECT_DEATH(time.advance(-1ns), "a monotonic clock was moved backwards");
}

TEST(manual_clock, ending_under_an_armed_timer_ends_the_program_with_a_sentence) {
  EXPECT_DEATH(
      {
        alarm a{[] {}};
        manual_clock time;
        arm(time, a, time.now() + 1s);
      },
      "a manual clock was destroyed while something waits on it");
}

}  // namespace
}  // namespace weir
