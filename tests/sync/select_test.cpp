#include <atomic>
#include <optional>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/sync/channel.hpp>
#include <weir/sync/event.hpp>
#include <weir/sync/semaphore.hpp>

#include "sync/crew.hpp"

namespace weir {
namespace {

using test::crew;

TEST(select_of_primitives, one_that_is_ready_commits_and_the_others_are_untouched) {
  channel<int> empty{1};
  channel<int> filled{1};
  semaphore none{1};
  auto held = none.try_acquire();
  ASSERT_TRUE(filled.try_send(4));
  auto first = wait(select(empty.recv({}), none.acquire({}), filled.recv({})));
  ASSERT_EQ(first.index(), 2U);
  EXPECT_EQ(std::get<2>(first).value(), 4);
  EXPECT_EQ(none.waiting(), 0);
  EXPECT_TRUE(empty.try_send(1));
  EXPECT_EQ(empty.size(), 1U);
}

TEST(select_of_primitives, of_two_that_are_ready_exactly_one_commits) {
  channel<int> a{1};
  channel<int> b{1};
  ASSERT_TRUE(a.try_send(1));
  ASSERT_TRUE(b.try_send(2));
  auto first = wait(select(a.recv({}), b.recv({})));
  EXPECT_EQ(a.size() + b.size(), 1U);
  EXPECT_EQ(first.index() == 0 ? a.size() : b.size(), 0U);
}

TEST(select_of_primitives, no_case_starves_while_another_is_always_ready) {
  channel<int> a{1};
  channel<int> b{1};
  int chosen[2] = {};
  for (int i = 0; i < 1'000; ++i) {
    (void)a.try_send(1);
    (void)b.try_send(1);
    ++chosen[wait(select(a.recv({}), b.recv({}))).index()];
  }
  EXPECT_GT(chosen[0], 100);
  EXPECT_GT(chosen[1], 100);
}

TEST(select_of_primitives, a_losing_send_still_has_its_value_and_a_losing_acquire_its_units) {
  crew tasks;
  channel<int> numbers;
  semaphore quota{1};
  event go;
  auto held = quota.try_acquire();
  std::size_t chosen = 99;
  std::optional<int> kept;
  (void)tasks.start([&]() -> task<> {
    auto sending = numbers.send({}, 6);
    auto first = co_await select(sending, quota.acquire({}), go.wait({}));
    chosen = first.index();
    kept = sending.value();
  });
  tasks.settle();
  go.set();
  EXPECT_EQ(numbers.try_recv().error().code(), errc::unavailable);
  held.reset();
  tasks.settle();
  EXPECT_EQ(chosen, 2U);
  EXPECT_EQ(kept, 6);
  EXPECT_EQ(quota.available(), 1);
  EXPECT_EQ(numbers.try_recv().error().code(), errc::unavailable);
}

TEST(select_of_primitives, the_two_sides_of_one_select_never_meet) {
  crew tasks;
  channel<int> numbers;
  std::size_t chosen = 99;
  (void)tasks.start([&]() -> task<> {
    auto first =
        co_await select(numbers.send({}, 1), numbers.recv({}), after(std::chrono::seconds{1}));
    chosen = first.index();
  });
  tasks.settle();
  EXPECT_EQ(chosen, 99U);
  tasks.time.advance(std::chrono::seconds{1});
  tasks.settle();
  EXPECT_EQ(chosen, 2U);
}

TEST(select_of_primitives, two_selects_that_offer_both_sides_of_a_channel_meet) {
  crew tasks;
  channel<int> numbers;
  std::vector<std::size_t> chosen;
  for (int i = 0; i < 2; ++i) {
    (void)tasks.start([&]() -> task<> {
      auto first = co_await select(numbers.send({}, 5), numbers.recv({}));
      if (first.index() == 1) {
        EXPECT_EQ(std::get<1>(first).value(), 5);
      }
      chosen.push_back(first.index());
    });
  }
  tasks.settle();
  ASSERT_EQ(chosen.size(), 2U);
  EXPECT_EQ(chosen[0] + chosen[1], 1U);
}

TEST(select_of_primitives, a_select_that_sends_meets_one_that_receives) {
  crew tasks;
  channel<int> a;
  channel<int> b;
  int received = 0;
  bool sent = false;
  (void)tasks.start([&]() -> task<> {
    auto first = co_await select(a.recv({}), b.recv({}));
    if (first.index() == 1) received = std::get<1>(first).value();
  });
  (void)tasks.start([&]() -> task<> {
    channel<int> other;
    auto first = co_await select(other.recv({}), b.send({}, 8));
    sent = first.index() == 1;
  });
  tasks.settle();
  EXPECT_EQ(received, 8);
  EXPECT_TRUE(sent);
}

TEST(select_of_primitives, selects_on_threads_meet_crosswise_and_agree_on_who_passed_what) {
  constexpr int rounds = 2'000;
  channel<int> a;
  channel<int> b;
  std::atomic<int> sent_a{0};
  std::atomic<int> sent_b{0};
  std::atomic<int> received_a{0};
  std::atomic<int> received_b{0};
  test::together(2, [&](int who) {
    for (int i = 0; i < rounds; ++i) {
      if (who == 0) {
        auto first = wait(select(a.send({}, 1), b.recv({})));
        ++(first.index() == 0 ? sent_a : received_b);
      } else {
        auto first = wait(select(b.send({}, 2), a.recv({})));
        ++(first.index() == 0 ? sent_b : received_a);
      }
    }
  });
  EXPECT_EQ(sent_a.load(), received_a.load());
  EXPECT_EQ(sent_b.load(), received_b.load());
  EXPECT_EQ(sent_a + sent_b, rounds);
}

TEST(select_of_primitives, many_selects_on_threads_pair_up_on_one_channel) {
  constexpr int rounds = 500;
  channel<int> numbers;
  std::atomic<int> sent{0};
  std::atomic<int> received{0};
  std::atomic<int> running{4};
  event alone;  // ends the last one, who has nobody left to meet
  test::together(4, [&](int) {
    for (int i = 0; i < rounds; ++i) {
      auto first = wait(select(numbers.send({}, 1), numbers.recv({}), alone.wait({})));
      if (first.index() == 0) ++sent;
      if (first.index() == 1) ++received;
    }
    if (--running == 1) alone.set();
  });
  EXPECT_EQ(sent.load(), received.load());
}

TEST(select_of_primitives, a_grant_that_races_another_case_is_passed_on) {
  test::racers all{4};
  for (int i = 0; i < 500; ++i) {
    semaphore quota{1};
    event other;
    units held = *quota.try_acquire();
    all.together([&](int who) {
      if (who == 0) held.release();
      if (who == 1) other.set();
      if (who == 2) (void)wait(select(quota.acquire({}), other.wait({})));
      if (who == 3) {
        EXPECT_TRUE(wait(quota.acquire({})));
      }
    });
    EXPECT_EQ(quota.available(), 1);
    EXPECT_EQ(quota.waiting(), 0);
  }
}

TEST(select_of_primitives, a_cancelled_context_ends_it_as_the_case_it_bounds) {
  crew tasks;
  context_source source{tasks.time};
  channel<int> a;
  channel<int> b;
  std::optional<errc> why;
  std::size_t chosen = 99;
  (void)tasks.start([&]() -> task<> {
    auto first = co_await select(a.recv({}), b.recv(source.get()));
    chosen = first.index();
    if (chosen == 1) why = std::get<1>(first).error().code();
  });
  tasks.settle();
  source.cancel();
  tasks.settle();
  EXPECT_EQ(chosen, 1U);
  EXPECT_EQ(why, errc::cancelled);
  EXPECT_FALSE(a.try_send(1));
}

TEST(select_of_primitives, one_loop_serves_jobs_until_it_is_told_to_stop) {
  crew tasks;
  channel<int> jobs{4};
  event stop;
  std::vector<int> done;
  bool ended = false;
  (void)tasks.start([&]() -> task<> {
    for (;;) {
      auto next = co_await select(jobs.recv({}), stop.wait({}));
      if (next.index() == 1) break;
      done.push_back(std::get<0>(next).value());
    }
    ended = true;
  });
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(jobs.try_send(i));
  tasks.settle();
  EXPECT_EQ(done, (std::vector{0, 1, 2}));
  stop.set();
  tasks.settle();
  EXPECT_TRUE(ended);
}

}  // namespace
}  // namespace weir
