#include <array>
#include <atomic>
#include <optional>
#include <thread>
#include <tuple>

#include <context/token_box.hpp>
#include <gtest/gtest.h>

#include <weir/context/context.hpp>
#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>

#include "core/racers.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using weir_test::token_box;

TEST(select, takes_the_only_case_that_is_ready_and_nothing_from_the_others) {
  token_box first;
  token_box second;
  second.put(7);
  auto got = wait(select(first.take(), second.take()));
  ASSERT_EQ(got.index(), 1U);
  EXPECT_EQ(std::get<1>(got), 7);
  EXPECT_EQ(first.takers(), 0U);
}

TEST(select, of_several_ready_cases_commits_exactly_one_and_starves_none) {
  token_box first;
  token_box second;
  int from_first = 0;
  for (int i = 0; i < 200; ++i) {
    first.put(1);
    second.put(2);
    const auto got = wait(select(first.take(), second.take()));
    ASSERT_EQ(first.tokens() + second.tokens(), 1U);
    from_first += got.index() == 0 ? 1 : 0;
    std::ignore = wait(select(first.take(), second.take()));
  }
  EXPECT_GT(from_first, 0);
  EXPECT_LT(from_first, 200);
}

TEST(select, a_grant_ends_it_and_the_losers_leave_their_queues) {
  token_box first;
  token_box second;
  std::thread giver{[&] {
    second.await_takers();
    second.put(7);
  }};
  const auto got = wait(select(first.take(), second.take()));
  giver.join();
  ASSERT_EQ(got.index(), 1U);
  EXPECT_EQ(first.takers(), 0U);
  EXPECT_EQ(first.withdrawals, 1);
  first.put(1);
  EXPECT_EQ(first.tokens(), 1U);
}

TEST(select, one_box_in_two_cases_meets_itself_neither_in_locking_nor_in_queueing) {
  token_box box;
  std::thread giver{[&] {
    box.await_takers(2);
    box.put(7);
  }};
  const auto got = wait(select(box.take(), box.take()));
  giver.join();
  EXPECT_EQ(got.index(), 0U);
  EXPECT_EQ(box.takers(), 0U);
  EXPECT_EQ(box.tokens(), 0U);
}

TEST(select, cancelled_beats_ready_and_tells_it_in_the_case_of_the_context) {
  token_box first;
  token_box second;
  first.put(1);
  context_source source;
  source.cancel(error{errc::cancelled, "enough"});
  const auto got = wait(select(first.take(), second.take(source.get())));
  ASSERT_EQ(got.index(), 1U);
  EXPECT_EQ(std::get<1>(got).error().message(), "enough");
  EXPECT_EQ(first.tokens(), 1U);
}

TEST(select, the_context_of_any_case_ends_it) {
  for (int ending = 0; ending < 2; ++ending) {
    token_box first;
    token_box second;
    context_source one;
    context_source two;
    std::thread canceller{[&] {
      first.await_takers();
      (ending == 0 ? one : two).cancel();
    }};
    const auto got = wait(select(first.take(one.get()), second.take(two.get())));
    canceller.join();
    EXPECT_EQ(got.index(), static_cast<std::size_t>(ending));
    EXPECT_EQ(first.takers() + second.takers(), 0U);
  }
}

TEST(select, one_context_of_all_cases_is_told_in_the_first) {
  token_box first;
  token_box second;
  context_source source;
  std::thread canceller{[&] {
    first.await_takers();
    source.cancel();
  }};
  const auto got = wait(select(first.take(source.get()), second.take(source.get())));
  canceller.join();
  EXPECT_EQ(got.index(), 0U);
}

TEST(select, a_cancellation_before_arming_or_before_queueing_is_not_missed) {
  for (int step = 1; step <= 3; ++step) {
    token_box first;
    token_box second;
    context_source source;
    int tries = 0;
    const auto at = [&](int when) {
      if (when == step) source.cancel();
    };
    second.before_try = [&] { at(++tries); };
    second.before_queue = [&] { at(3); };
    const auto got = wait(select(first.take(source.get()), second.take()));
    ASSERT_EQ(got.index(), 0U);
    EXPECT_EQ(std::get<0>(got).error().code(), errc::cancelled);
    EXPECT_EQ(first.takers() + second.takers(), 0U);
  }
}

TEST(select, a_timeout_is_a_case_of_its_own_on_real_time) {
  token_box box;
  EXPECT_EQ(wait(select(box.take(), weir::after(1us))).index(), 1U);
  EXPECT_EQ(wait(select(weir::after(24h), box.take(), weir::after(1us))).index(), 2U);
  EXPECT_EQ(box.takers(), 0U);
}

TEST(select, ready_beats_the_clock) {
  token_box box;
  box.put(7);
  context_source source{context{}, {.timeout = 0s}};
  EXPECT_EQ(std::get<0>(wait(select(box.take(source.get()), weir::sleep_for(context{}, 1h)))), 7);
}

TEST(select, a_timeout_on_a_manual_clock_is_disarmed_when_another_case_wins) {
  manual_clock time;
  const context_source source{time};
  token_box box;
  std::thread giver{[&] {
    box.await_takers();
    box.put(7);
  }};
  const auto got = wait(select(box.take(), weir::sleep_for(source.get(), 1h)));
  giver.join();
  EXPECT_EQ(got.index(), 0U);
  EXPECT_EQ(time.next_timer(), time_point::max());
}

TEST(select, the_earliest_of_several_deadlines_ends_it) {
  token_box box;
  const context_source far{context{}, {.timeout = 24h}};
  const context_source near{context{}, {.timeout = 1us}};
  const auto got = wait(select(box.take(far.get()), box.take(near.get()), weir::after(24h)));
  ASSERT_EQ(got.index(), 1U);
  EXPECT_EQ(std::get<1>(got).error().code(), errc::deadline_exceeded);
  EXPECT_FALSE(far.get().cancelled());
}

TEST(select, draining_is_a_case_that_a_loop_looks_at_besides_its_work) {
  context_source source;
  token_box work;
  std::thread drainer{[&] {
    work.await_takers();
    source.drain();
  }};
  const auto got = wait(select(work.take(source.get()), until_draining(source.get())));
  drainer.join();
  EXPECT_EQ(got.index(), 1U);
  EXPECT_EQ(work.takers(), 0U);
}

TEST(select, a_deadline_of_a_context_that_is_only_watched_is_seen) {
  token_box box;
  const context_source real{context{}, {.timeout = 1us}};
  EXPECT_EQ(wait(select(box.take(), until_cancelled(real.get()))).index(), 1U);
  manual_clock time;
  const context_source source{time, {.timeout = 1h}};
  std::thread mover{[&] {
    box.await_takers();
    time.advance(1h);
  }};
  EXPECT_EQ(wait(select(box.take(), until_draining(source.get()))).index(), 1U);
  mover.join();
}

// Each of these deadlocks if a select locks contexts, or a clock, in another order than a
// cancellation does on its way down the tree.

void watch_while_it_is_cancelled(const context& first, const context& second,
                                 context_source& root) {
  std::atomic<int> ready{0};
  const auto together = [&] {
    ready.fetch_add(1);
    while (ready.load() < 2) core::yield_thread();
  };
  std::thread watcher{[&] {
    together();
    std::ignore = wait(select(until_cancelled(first), until_cancelled(second)));
  }};
  together();
  root.cancel();
  watcher.join();
}

TEST(select, watches_a_parent_and_its_child_in_any_order_while_they_are_cancelled) {
  for (int round = 0; round < 2'000; ++round) {
    // In one array, so that the child has the lower address in one half of the rounds.
    std::array<std::optional<context_scope>, 2> place;
    context_source root;
    const auto parent = static_cast<std::size_t>(round % 2);
    const auto child = 1 - parent;
    place[parent].emplace(root.get());
    place[child].emplace(place[parent]->get());
    watch_while_it_is_cancelled(place[0]->get(), place[1]->get(), root);
    place[child].reset();
  }
}

TEST(select, watches_a_context_beside_a_clock_that_has_its_deadline_while_it_is_cancelled) {
  test::racer watcher;
  for (int round = 0; round < 2'000; ++round) {
    // Both orders of addresses: the clock is on the stack or on the heap, the context likewise.
    std::optional<manual_clock> low;
    std::array<std::optional<context_scope>, 1> middle;
    std::optional<manual_clock> high;
    manual_clock& time = (round % 2 == 0 ? low : high).emplace();
    context_source root{time};
    middle[0].emplace(root.get(), context_options{.timeout = 1h});
    const context& ctx = middle[0]->get();
    ctx.state()->arm_deadline(*time.timers());
    std::atomic<int> ready{0};
    const auto together = [&] {
      ready.fetch_add(1);
      while (ready.load() < 2) core::yield_thread();
    };
    token_box box;
    watcher.start([&] {
      together();
      std::ignore =
          wait(select(box.take(ctx), until_draining(ctx), weir::sleep_for(root.get(), 1h)));
    });
    together();
    root.cancel();
    watcher.join();
    middle[0].reset();
  }
}

TEST(select, a_grant_a_cancellation_and_a_second_grant_race_and_no_token_is_lost) {
  test::racer giver;
  test::racer canceller;
  for (int round = 0; round < 1'500; ++round) {
    token_box first;
    token_box second;
    context_source source;
    std::atomic<int> ready{0};
    const auto together = [&] {
      ready.fetch_add(1);
      while (ready.load() < 3) core::yield_thread();
    };
    giver.start([&] {
      together();
      first.put(1);
      second.put(2);
    });
    canceller.start([&] {
      together();
      source.cancel();
    });
    together();
    const auto got = wait(select(first.take(source.get()), second.take(source.get())));
    giver.join();
    canceller.join();
    const bool ended =
        (got.index() == 0 && !std::get<0>(got)) || (got.index() == 1 && !std::get<1>(got));
    ASSERT_EQ(first.tokens() + second.tokens(), ended ? 2U : 1U);
  }
}

}  // namespace
}  // namespace weir
