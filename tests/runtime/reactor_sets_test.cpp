// The reactor's two sets, without a runtime: who is told of what.

#include <array>
#include <atomic>
#include <thread>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/context/context.hpp>
#include <weir/core/waiter.hpp>

#include "runtime/reactor.hpp"

namespace weir {
namespace {

class reactor_sets : public testing::Test {
 protected:
  /// Both ends of a socket; the descriptor that is waited for is the first.
  struct line {
    line() { socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()); }
    ~line() {
      for (const int fd : ends) close(fd);
    }
    std::array<int, 2> ends{-1, -1};
  };

  /// Something that arrives for somebody who waits, whoever is told of it.
  struct arrival {
    arrival(reactor_sets& self, const line& on)
        : from(on),
          waiting{self.sets.state_of(on.ends[0]), never.state(), core::fd_direction::readable} {
      char what = 'x';
      EXPECT_EQ(write(from.ends[1], &what, 1), 1);
      core::wake_list wakes;
      core::lock_guard guard{waiting.guard()};
      me.arm();
      waiting.enqueue(me, 0, wakes);
    }
    void wait() {
      char what = 0;
      me.wait();
      EXPECT_TRUE(waiting.take());
      EXPECT_EQ(read(from.ends[0], &what, 1), 1);
    }
    const line& from;
    core::thread_waiter me;
    const context never;
    fd_operation waiting;
  };

  /// Something arrives for somebody who waits. Returns what `ask` has seen of it.
  template <typename Ask>
  core::reactor::polled event(const line& on, Ask ask) {
    arrival one{*this, on};
    core::reactor::polled seen;
    {
      core::wake_list wakes;
      seen = ask(wakes);
    }
    if (seen.descriptors == 0) {  // whoever was asked has not seen it
      core::wake_list wakes;
      for (const std::uint32_t set : {0U, 1U}) sets.poll(set, duration::zero(), wakes);
    }
    one.wait();
    return seen;
  }
  core::reactor::polled polled(const line& on, std::uint32_t set) {
    return event(on, [&](core::wake_list& wakes) { return sets.poll(set, {}, wakes); });
  }
  core::reactor::polled looked_at(const line& on, std::uint32_t set) {
    return event(on, [&](core::wake_list& wakes) { return sets.look(set, wakes); });
  }

  core::reactor sets;
  line first;
  line second;
  line third;
};

TEST_F(reactor_sets, get_descriptors_in_turn_and_keep_them) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(polled(first, 0).descriptors, 1U);
    EXPECT_EQ(polled(second, 1).descriptors, 1U);
    EXPECT_EQ(polled(third, 0).descriptors, 1U);
  }
  EXPECT_EQ(polled(first, 1).descriptors, 0U);
}

TEST_F(reactor_sets, tell_the_other_one_while_they_are_lent) {
  EXPECT_FALSE(polled(first, 1).lent);
  sets.lend(0);
  EXPECT_TRUE(polled(first, 1).lent);
  EXPECT_EQ(looked_at(first, 0).descriptors, 1U);
  sets.take_back(0);
  EXPECT_FALSE(polled(first, 1).lent);
}

TEST_F(reactor_sets, are_not_lent_to_each_other_at_once) {
  sets.lend(0);
  sets.lend(1);
  EXPECT_TRUE(sets.lent(0));
  EXPECT_FALSE(sets.lent(1));
  sets.take_back(0);
  sets.lend(1);
  EXPECT_TRUE(sets.lent(1));
}

TEST_F(reactor_sets, show_a_kick_to_who_looks_at_them) {
  core::wake_list wakes;
  sets.kick(0);
  EXPECT_FALSE(sets.poll(1, {}, wakes).kicked);
  EXPECT_TRUE(sets.look(0, wakes).kicked);
  EXPECT_FALSE(sets.poll(0, {}, wakes).kicked);
}

/// Two that are in use all the time met in one set.
TEST_F(reactor_sets, give_what_the_other_one_sees_if_they_have_twice_as_many_events) {
  EXPECT_EQ(polled(first, 0).descriptors, 1U);
  EXPECT_EQ(polled(second, 1).descriptors, 1U);
  for (int i = 0; i < 100; ++i) polled(third, 0);
  EXPECT_EQ(looked_at(first, 0).descriptors, 1U);
  EXPECT_EQ(polled(first, 1).descriptors, 1U) << "it has moved";
  EXPECT_EQ(looked_at(third, 0).descriptors, 1U);
  EXPECT_EQ(polled(third, 0).descriptors, 1U) << "one move has to show first whether it was enough";
}

TEST_F(reactor_sets, keep_what_the_other_one_sees_if_it_has_as_many_events) {
  for (int i = 0; i < 100; ++i) {
    polled(first, 0);
    polled(second, 1);
  }
  EXPECT_EQ(looked_at(first, 0).descriptors, 1U);
  EXPECT_EQ(polled(first, 0).descriptors, 1U);
}

/// They waited for each other in a busy worker while another one slept.
TEST_F(reactor_sets, give_one_of_two_that_come_at_once_to_who_sleeps_in_the_other) {
  EXPECT_EQ(polled(first, 0).descriptors, 1U);
  EXPECT_EQ(polled(second, 1).descriptors, 1U);
  for (int i = 0; i < 100; ++i) polled(third, 0);
  std::atomic<bool> told{false};
  std::thread sleeper{[&] {
    core::wake_list wakes;
    EXPECT_EQ(sets.poll(1, duration::max(), wakes).descriptors, 1U);
    told = true;
  }};
  while (!told) {
    arrival one{*this, first};
    arrival other{*this, third};
    {
      core::wake_list wakes;
      sets.poll(0, {}, wakes);
    }
    one.wait();
    other.wait();
  }
  sleeper.join();
}

}  // namespace
}  // namespace weir
