#include <atomic>
#include <optional>
#include <thread>
#include <tuple>

#include <context/token_box.hpp>
#include <gtest/gtest.h>

#include <weir/context/context.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/task_record.hpp>
#include <weir/context/wait.hpp>

#include "core/racers.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using weir_test::token_box;

/// Until a wait is armed on the clock.
void await_timer(const manual_clock& time) {
  while (time.next_timer() == time_point::max()) core::yield_thread();
}

TEST(wait, a_ready_operation_commits_without_queueing) {
  token_box box;
  box.put(7);
  EXPECT_EQ(wait(box.take()), 7);
  EXPECT_EQ(box.tokens(), 0U);
  EXPECT_EQ(box.withdrawals, 0);
}

TEST(wait, a_grant_from_another_thread_ends_it) {
  token_box box;
  std::thread giver{[&] {
    box.await_takers();
    box.put(7);
  }};
  EXPECT_EQ(wait(box.take()), 7);
  giver.join();
  EXPECT_EQ(box.tokens(), 0U);
}

TEST(wait, an_operation_with_a_name_is_waited_for_more_than_once) {
  token_box box;
  box.put(1);
  box.put(2);
  auto take = box.take();
  EXPECT_EQ(wait(take), 2);
  EXPECT_EQ(wait(take), 1);
}

TEST(wait, cancelled_beats_ready) {
  token_box box;
  box.put(7);
  context_source source;
  source.cancel(error{errc::cancelled, "enough"});
  const auto got = wait(box.take(source.get()));
  ASSERT_FALSE(got.has_value());
  EXPECT_EQ(got.error().message(), "enough");
  EXPECT_EQ(box.tokens(), 1U);
}

TEST(wait, ready_beats_the_clock) {
  manual_clock time;
  token_box box;
  const context_source source{time, {.timeout = 1s}};
  box.put(7);
  time.advance(1s);
  EXPECT_EQ(wait(box.take(source.get())), 7);
}

TEST(wait, draining_ends_no_wait) {
  token_box box;
  context_source source;
  source.drain();
  std::thread giver{[&] {
    box.await_takers();
    box.put(7);
  }};
  EXPECT_EQ(wait(box.take(source.get())), 7);
  giver.join();
}

TEST(wait, a_cancellation_from_another_thread_ends_it_and_leaves_the_queue) {
  token_box box;
  context_source source;
  const context_source child{source.get()};
  std::thread canceller{[&] {
    box.await_takers();
    source.cancel(error{errc::cancelled, "enough"});
  }};
  EXPECT_EQ(wait(box.take(child.get())).error().message(), "enough");
  canceller.join();
  EXPECT_EQ(box.takers(), 0U);
  box.put(7);
  EXPECT_EQ(box.tokens(), 1U);
}

TEST(wait, a_cancellation_before_the_wait_is_armed_is_not_missed) {
  token_box box;
  context_source source;
  int tries = 0;
  box.before_try = [&] {
    if (++tries == 1) source.cancel();
  };
  EXPECT_EQ(wait(box.take(source.get())).error().code(), errc::cancelled);
}

TEST(wait, a_cancellation_at_the_last_look_before_it_is_armed_is_not_missed) {
  token_box box;
  context_source source;
  int tries = 0;
  box.before_try = [&] {
    if (++tries == 2) source.cancel();
  };
  EXPECT_EQ(wait(box.take(source.get())).error().code(), errc::cancelled);
  EXPECT_EQ(tries, 2);
}

TEST(wait, a_cancellation_between_arming_and_queueing_is_not_missed) {
  token_box box;
  context_source source;
  box.before_queue = [&] { source.cancel(); };
  EXPECT_EQ(wait(box.take(source.get())).error().code(), errc::cancelled);
  EXPECT_EQ(box.takers(), 0U);
}

TEST(wait, the_deadline_of_its_context_ends_it_on_a_manual_clock) {
  manual_clock time;
  token_box box;
  const context_source parent{time, {.timeout = 1h}};
  const context_source child{parent.get()};
  std::thread mover{[&] {
    box.await_takers();
    EXPECT_EQ(time.advance(1h - 1ns), 0U);
    EXPECT_EQ(box.takers(), 1U);
    time.advance(1ns);
  }};
  EXPECT_EQ(wait(box.take(child.get())).error().code(), errc::deadline_exceeded);
  mover.join();
  EXPECT_TRUE(parent.get().cancelled());
}

TEST(wait, a_deadline_that_has_passed_ends_it_on_a_manual_clock_that_stands_still) {
  manual_clock time;
  token_box box;
  const context_source source{time, {.timeout = 1s}};
  time.advance(2s);
  EXPECT_EQ(wait(box.take(source.get())).error().code(), errc::deadline_exceeded);
}

TEST(wait, the_deadline_of_its_context_ends_it_on_real_time) {
  token_box box;
  const context_source parent{context{}, {.timeout = 1us}};
  const context_source child{parent.get()};
  EXPECT_EQ(wait(box.take(child.get())).error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(parent.get().cancelled());
  EXPECT_EQ(box.takers(), 0U);
}

TEST(wait, many_threads_under_one_deadline_are_all_ended_by_it) {
  manual_clock time;
  token_box box;
  const context_source source{time, {.timeout = 1s}};
  std::vector<std::thread> threads;
  std::atomic<int> ended{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      const context_source child{source.get()};
      if (wait(box.take(child.get())).error().code() == errc::deadline_exceeded) ended.fetch_add(1);
    });
  }
  box.await_takers(4);
  EXPECT_EQ(time.advance(1s), 1U) << "one timer serves all who wait below a deadline";
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(ended.load(), 4);
}

TEST(sleep, zero_negative_and_past_are_ready_at_once) {
  EXPECT_TRUE(wait(weir::sleep_for(context{}, 0ms)).has_value());
  EXPECT_TRUE(wait(weir::sleep_for(context{}, -1h)).has_value());
  EXPECT_TRUE(wait(weir::sleep_for(context{}, duration::min())).has_value());
  EXPECT_TRUE(wait(weir::sleep_until(context{}, time_point{})).has_value());
  EXPECT_TRUE(wait(weir::sleep_until(context{}, time_point::min())).has_value());
  EXPECT_TRUE(wait(weir::after(0ms)).has_value());
}

TEST(sleep, lasts_at_least_its_length_on_real_time) {
  const time_point until = steady_clock().now() + 100us;
  EXPECT_TRUE(wait(weir::sleep_until(context{}, until)).has_value());
  EXPECT_GE(steady_clock().now(), until);
  EXPECT_TRUE(wait(weir::after(1us)).has_value());
}

TEST(sleep, ends_when_a_manual_clock_has_moved_far_enough) {
  manual_clock time;
  const context_source source{time};
  std::atomic<bool> woken{false};
  std::thread sleeper{[&] {
    EXPECT_TRUE(wait(weir::sleep_for(source.get(), 24h)).has_value());
    woken.store(true);
  }};
  await_timer(time);
  EXPECT_EQ(time.advance(24h - 1ns), 0U);
  EXPECT_FALSE(woken.load());
  EXPECT_EQ(time.advance(1ns), 1U);
  sleeper.join();
}

TEST(sleep, until_a_point_in_time_uses_the_contexts_clock) {
  manual_clock time;
  const context_source source{time};
  std::thread sleeper{[&, at = time.now() + 1h] {
    EXPECT_TRUE(wait(weir::sleep_until(source.get(), at)).has_value());
  }};
  await_timer(time);
  EXPECT_TRUE(time.advance_to_next());
  sleeper.join();
}

TEST(sleep, a_cancellation_ends_it_and_disarms_its_timer) {
  manual_clock time;
  context_source source{time};
  std::thread canceller{[&] {
    await_timer(time);
    source.cancel();
  }};
  EXPECT_EQ(wait(weir::sleep_for(source.get(), 24h)).error().code(), errc::cancelled);
  canceller.join();
  EXPECT_EQ(time.next_timer(), time_point::max());
}

TEST(sleep, the_earlier_of_deadline_and_length_decides) {
  manual_clock time;
  const context_source source{time, {.timeout = 1s}};
  std::thread mover{[&] {
    await_timer(time);
    time.advance(1s);
  }};
  EXPECT_EQ(wait(weir::sleep_for(source.get(), 2s)).error().code(), errc::deadline_exceeded);
  mover.join();
  const context_source real{context{}, {.timeout = 1us}};
  EXPECT_EQ(wait(weir::sleep_for(real.get(), 24h)).error().code(), errc::deadline_exceeded);
}

TEST(until, a_level_that_was_reached_is_ready_at_once) {
  context_source source;
  source.drain();
  EXPECT_TRUE(wait(until_draining(source.get())).has_value());
  source.cancel();
  EXPECT_TRUE(wait(until_draining(source.get())).has_value());
  EXPECT_TRUE(wait(until_cancelled(source.get())).has_value());
}

TEST(until, each_level_wakes_those_who_wait_for_it) {
  context_source root;
  const context_source source{root.get()};
  std::atomic<int> stage{0};
  std::thread draining{[&] {
    EXPECT_TRUE(wait(until_draining(source.get())).has_value());
    stage.store(1);
    EXPECT_TRUE(wait(until_cancelled(source.get())).has_value());
    stage.store(2);
  }};
  root.drain();
  while (stage.load() != 1) core::yield_thread();
  root.cancel();
  draining.join();
  EXPECT_EQ(stage.load(), 2);
}

TEST(until, sees_a_deadline_pass_on_a_manual_clock) {
  manual_clock time;
  const context_source source{time, {.timeout = 1h}};
  std::thread mover{[&] {
    await_timer(time);
    time.advance(1h);
  }};
  EXPECT_TRUE(wait(until_cancelled(source.get())).has_value());
  mover.join();
  EXPECT_EQ(source.get().check().error().code(), errc::deadline_exceeded);
}

TEST(until, sees_a_deadline_pass_on_real_time) {
  const context_source first{context{}, {.timeout = 1us}};
  EXPECT_TRUE(wait(until_cancelled(first.get())).has_value());
  EXPECT_EQ(first.get().check().error().code(), errc::deadline_exceeded);
  const context_source second{context{}, {.timeout = 1us}};
  EXPECT_TRUE(wait(until_draining(second.get())).has_value());
  EXPECT_TRUE(second.get().cancelled());
}

TEST(wait, inside_a_scope_that_must_not_block_ends_the_program_with_a_sentence) {
  EXPECT_DEATH(
      {
        const core::no_blocking_scope worker{"worker 3"};
        std::ignore = wait(weir::after(0ms));
      },
      "wait\\(\\) was called on worker 3: that thread runs other tasks meanwhile");
}

TEST(wait, a_blocking_scope_inside_permits_it_again_and_both_end_with_their_block) {
  const core::no_blocking_scope worker{"worker 3"};
  {
    const core::blocking_scope allowed;
    EXPECT_TRUE(wait(weir::after(0ms)).has_value());
  }
  EXPECT_DEATH(core::assert_may_block(), "worker 3");
}

// Races: the claims hold in every order that two threads come upon.

TEST(wait, a_grant_and_a_cancellation_race_and_no_token_is_lost_or_doubled) {
  test::racer giver;
  test::racer canceller;
  for (int round = 0; round < 2'000; ++round) {
    token_box box;
    context_source source;
    std::atomic<int> ready{0};
    const auto together = [&] {
      ready.fetch_add(1);
      while (ready.load() < 3) core::yield_thread();
    };
    giver.start([&] {
      together();
      box.put(7);
    });
    canceller.start([&] {
      together();
      source.cancel();
    });
    together();
    const auto got = wait(box.take(source.get()));
    giver.join();
    canceller.join();
    ASSERT_EQ(box.tokens(), got.has_value() ? 0U : 1U);
    ASSERT_EQ(box.takers(), 0U);
  }
}

TEST(wait, a_deadline_on_real_time_races_a_cancellation_and_one_cause_wins) {
  test::racer canceller;
  for (int round = 0; round < 500; ++round) {
    token_box box;
    context_source source{context{}, {.timeout = 20us}};
    canceller.start([&] { source.cancel(); });
    const auto got = wait(box.take(source.get()));
    canceller.join();
    ASSERT_FALSE(got.has_value());
    ASSERT_EQ(got.error().code(), source.get().cancel_cause()->what.code());
  }
}

TEST(wait, a_timer_of_a_manual_clock_races_a_cancellation) {
  test::racer mover;
  test::racer canceller;
  test::racer last;
  for (int round = 0; round < 1'000; ++round) {
    manual_clock time;
    context_source source{time, {.timeout = 2s}};
    mover.start([&] {
      await_timer(time);
      time.advance(1s);
    });
    canceller.start([&] { source.cancel(); });
    std::ignore = wait(weir::sleep_for(source.get(), 1s));
    canceller.join();
    // The wait may have been over before its timer was armed: let the mover see one.
    context_source other{time};
    last.start([&] { std::ignore = wait(weir::sleep_for(other.get(), 24h)); });
    mover.join();
    other.cancel();
    last.join();
    ASSERT_EQ(time.next_timer(), time_point::max());
  }
}

TEST(context, children_are_made_cancelled_and_destroyed_by_several_threads_at_once) {
  for (int round = 0; round < 100; ++round) {
    context_source root;
    std::vector<std::thread> threads;
    std::atomic<int> ready{0};
    std::atomic<int> wrong{0};
    const auto together = [&] {
      ready.fetch_add(1);
      while (ready.load() < 4) core::yield_thread();
    };
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        together();
        for (int i = 0; i < 50; ++i) {
          context_source child{root.get()};
          const context_scope grandchild{child.get()};
          const context named = grandchild.get().with_value(context_key<int>{}, t);
          // Whoever of the two cancels first: afterwards the whole subtree is.
          if (t == 0) child.cancel();
          if (t == 0 && !named.cancelled()) wrong.fetch_add(1);
          if (t == 1) child.drain();
          if (t == 1 && !named.draining()) wrong.fetch_add(1);
        }
      });
    }
    together();
    root.drain();
    root.cancel();
    if (!context_source{root.get()}.get().cancelled()) wrong.fetch_add(1);
    for (auto& thread : threads) thread.join();
    ASSERT_EQ(wrong.load(), 0);
  }
}

}  // namespace
}  // namespace weir
