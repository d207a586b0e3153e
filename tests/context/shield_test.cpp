#include <gtest/gtest.h>

#include <weir/context/shield.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr context_key<int> number;

TEST(shield, keeps_the_end_of_the_outer_context_away) {
  manual_clock time;
  context_source outer{time};
  outer.cancel();
  const shield section{outer.get(), 2s};
  EXPECT_EQ(section.get().level(), context_level::running);
  EXPECT_TRUE(section.get().check());
  outer.drain();
  EXPECT_FALSE(section.get().draining());
}

TEST(shield, ends_with_its_own_limit) {
  manual_clock time;
  context_source outer{time};
  const shield section{outer.get(), 2s};
  time.advance(2s - 1ns);
  EXPECT_TRUE(section.get().check());
  time.advance(1ns);
  EXPECT_EQ(section.get().check().error().code(), errc::deadline_exceeded);
}

TEST(shield, has_no_deadline_but_its_own) {
  manual_clock time;
  context_source outer{time, {.timeout = 1ms}};
  const shield section{outer.get(), 2s};
  EXPECT_EQ(section.get().remaining(), 2s);
}

TEST(shield, shows_the_values_outside_it_and_those_within_first) {
  manual_clock time;
  context_source outer{time};
  const context with_one = outer.get().with_value(number, 1);
  const shield section{with_one, 2s};
  EXPECT_EQ(*section.get().value(number), 1);
  EXPECT_EQ(*section.get().with_value(number, 2).value(number), 2);
  const shield within{section.get(), 1s};
  EXPECT_EQ(*within.get().value(number), 1);
}

TEST(shield, of_a_context_that_never_ends_has_only_its_limit) {
  const shield section{context{}, 1h};
  EXPECT_TRUE(section.get().check());
  EXPECT_EQ(section.get().value(number), nullptr);
}

TEST(shield, cancels_what_waits_in_it_when_it_ends) {
  context left;
  {
    const shield section{context{}, 1h};
    left = section.get();
  }
  EXPECT_TRUE(left.cancelled());
}

}  // namespace
}  // namespace weir
