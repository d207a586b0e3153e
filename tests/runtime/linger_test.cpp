#include <functional>

#include <gtest/gtest.h>

#include <weir/runtime/linger.hpp>

namespace weir::core {
namespace {

using namespace std::chrono_literals;

struct finder {
  int asked = 0;
  int found_at = 1;
  bool operator()() { return ++asked == found_at; }
};

/// Passes the time that a sleep takes.
void pass(duration length) {
  const time_point end = monotonic_now() + length;
  while (monotonic_now() < end) cpu_relax();
}

TEST(linger, sleeps_at_once_until_a_sleep_was_short) {
  linger self{1h};
  finder find;
  EXPECT_FALSE(self.look(std::ref(find)));
  EXPECT_EQ(find.asked, 0);
  self.slept();
  find.found_at = 3;
  EXPECT_TRUE(self.look(std::ref(find)));
  EXPECT_EQ(find.asked, 3);
}

TEST(linger, stops_looking_after_one_long_sleep) {
  linger self{10ns};
  finder find{.found_at = 0};
  self.look(std::ref(find));
  self.slept();
  self.look(std::ref(find));
  pass(1us);
  self.slept();
  find.asked = 0;
  EXPECT_FALSE(self.look(std::ref(find)));
  EXPECT_EQ(find.asked, 0);
}

/// What comes from another process may need this very processor.
TEST(linger, does_not_look_after_what_no_thread_of_the_program_has_ended) {
  linger self{1h};
  finder find;
  self.look(std::ref(find));
  self.slept(false);
  EXPECT_FALSE(self.look(std::ref(find)));
  EXPECT_EQ(find.asked, 0);
}

TEST(linger, looks_once_when_a_timer_is_due) {
  linger self{1h};
  finder find{.found_at = 0};
  self.look(std::ref(find));
  self.slept();
  EXPECT_FALSE(self.look(std::ref(find), time_point{}));
  EXPECT_EQ(find.asked, 1);
}

TEST(linger, of_zero_never_looks) {
  linger self{0ns};
  finder find;
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(self.look(std::ref(find)));
    self.slept();
  }
  EXPECT_EQ(find.asked, 0);
}

}  // namespace
}  // namespace weir::core
