#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/sync/channel.hpp>

#include "sync/crew.hpp"

namespace weir {
namespace {

using test::crew;

static_assert(operation<send_operation<int>> && operation<receive_operation<int>>);
static_assert(operation<send_operation<std::unique_ptr<int>>>);
static_assert(!std::is_copy_constructible_v<channel<int>>);
static_assert(!std::is_move_constructible_v<channel<int>>);
static_assert(noexcept(std::declval<channel<std::string>&>().try_recv()));
static_assert(noexcept(std::declval<channel<std::string>&>().close()));

/// Counts its living; moves only, has no default.
class token {
 public:
  token(int number, int& alive) noexcept : number_(number), alive_(&alive) { ++alive; }
  token(token&& other) noexcept : number_(other.number_), alive_(other.alive_) { ++*alive_; }
  token& operator=(token&&) = delete;
  ~token() { --*alive_; }
  [[nodiscard]] int number() const noexcept { return number_; }

 private:
  int number_;
  int* alive_;
};

TEST(channel, values_come_out_in_the_order_they_went_in) {
  channel<int> numbers{3};
  EXPECT_EQ(numbers.capacity(), 3U);
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 2; ++i) EXPECT_TRUE(wait(numbers.send({}, 10 * round + i)));
    EXPECT_EQ(numbers.size(), 2U);
    for (int i = 0; i < 2; ++i) EXPECT_EQ(wait(numbers.recv({})).value(), 10 * round + i);
  }
  EXPECT_EQ(numbers.size(), 0U);
}

TEST(channel, trying_never_waits_and_says_why_not) {
  channel<std::string> words{1};
  EXPECT_EQ(words.try_recv().error().code(), errc::unavailable);
  EXPECT_TRUE(words.try_send("one"));
  const auto full = words.try_send("two");
  ASSERT_FALSE(full);
  EXPECT_EQ(full.error().value, "two");
  EXPECT_EQ(full.error().why.code(), errc::throttled);
  words.close();
  const auto closed = words.try_send("three");
  EXPECT_EQ(closed.error().value, "three");
  EXPECT_EQ(closed.error().why.code(), errc::closed);
  EXPECT_EQ(words.try_recv().value(), "one");
  EXPECT_EQ(words.try_recv().error().code(), errc::closed);
}

TEST(channel, without_capacity_a_send_needs_a_receiver) {
  crew tasks;
  channel<int> meeting;
  EXPECT_FALSE(meeting.try_send(1));
  bool sent = false;
  (void)tasks.start([&]() -> task<> {
    EXPECT_TRUE(co_await meeting.send({}, 2));
    sent = true;
  });
  tasks.settle();
  EXPECT_FALSE(sent);
  EXPECT_EQ(meeting.try_recv().value(), 2);
  tasks.settle();
  EXPECT_TRUE(sent);
}

TEST(channel, without_capacity_a_receiver_that_waits_is_sent_to_at_once) {
  crew tasks;
  channel<int> meeting;
  int received = 0;
  (void)tasks.start([&]() -> task<> { received = (co_await meeting.recv({})).value(); });
  tasks.settle();
  EXPECT_TRUE(meeting.try_send(3));
  EXPECT_FALSE(meeting.try_send(4));
  tasks.settle();
  EXPECT_EQ(received, 3);
}

TEST(channel, a_loop_over_a_channel_drains_it_and_ends_when_it_is_closed) {
  crew tasks;
  channel<int> jobs{2};
  std::vector<int> done;
  bool ended = false;
  (void)tasks.start([&]() -> task<> {
    while (auto job = co_await jobs.recv({})) done.push_back(*job);
    ended = true;
  });
  (void)tasks.start([&]() -> task<> {
    for (int i = 0; i < 6; ++i) EXPECT_TRUE(co_await jobs.send({}, i));
    jobs.close();
  });
  tasks.settle();
  EXPECT_EQ(done, (std::vector{0, 1, 2, 3, 4, 5}));
  EXPECT_TRUE(ended);
}

TEST(channel, closing_lets_receivers_have_what_is_left_and_fails_waiting_senders) {
  crew tasks;
  channel<int> numbers{1};
  ASSERT_TRUE(numbers.try_send(1));
  std::optional<int> kept;
  (void)tasks.start([&]() -> task<> {
    auto sending = numbers.send({}, 2);
    const auto outcome = co_await sending;
    EXPECT_EQ(outcome.error().code(), errc::closed);
    kept = std::move(sending.value());
  });
  tasks.settle();
  numbers.close();
  numbers.close();
  EXPECT_TRUE(numbers.closed());
  tasks.settle();
  EXPECT_EQ(kept, 2);
  EXPECT_EQ(wait(numbers.recv({})).value(), 1);
  EXPECT_EQ(wait(numbers.recv({})).error().code(), errc::closed);
  EXPECT_EQ(wait(numbers.send({}, 3)).error().code(), errc::closed);
}

TEST(channel, closing_wakes_receivers) {
  crew tasks;
  channel<int> numbers;
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    (void)tasks.start([&]() -> task<> {
      EXPECT_EQ((co_await numbers.recv({})).error().code(), errc::closed);
      ++ended;
    });
  }
  tasks.settle();
  numbers.close();
  tasks.settle();
  EXPECT_EQ(ended, 3);
}

TEST(channel, receivers_are_served_in_the_order_of_their_coming) {
  crew tasks;
  channel<int> numbers{4};
  std::vector<int> order;
  for (int i = 0; i < 3; ++i) {
    (void)tasks.start(
        [&, i]() -> task<> { order.push_back(10 * i + (co_await numbers.recv({})).value()); });
  }
  tasks.settle();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(numbers.try_send(i));
  tasks.settle();
  EXPECT_EQ(order, (std::vector{0, 11, 22}));
}

TEST(channel, waiting_senders_move_up_into_the_ring_in_the_order_of_their_coming) {
  crew tasks;
  channel<int> numbers{2};
  for (int i = 0; i < 5; ++i) {
    (void)tasks.start([&, i]() -> task<> { EXPECT_TRUE(co_await numbers.send({}, i)); });
  }
  tasks.settle();
  EXPECT_EQ(numbers.size(), 2U);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(numbers.try_recv().value(), i);
  tasks.settle();
}

TEST(channel, values_that_only_move_and_have_no_default_pass_and_end_exactly_once) {
  int alive = 0;
  {
    crew tasks;
    channel<token> tokens{2};
    for (int i = 0; i < 4; ++i) {
      (void)tasks.start([&, i]() -> task<> {
        auto sending = tokens.send({}, token{i, alive});
        EXPECT_TRUE(co_await sending);
      });
    }
    tasks.settle();
    EXPECT_EQ(wait(tokens.recv({}))->number(), 0);
    EXPECT_EQ(wait(tokens.recv({}))->number(), 1);
    tasks.settle();
    EXPECT_EQ(alive, 2);
  }
  EXPECT_EQ(alive, 0);
}

/// An aggregate that owns something: g++ 12 destroys it twice inside a co_await operand.
struct order {
  std::string name;
  std::shared_ptr<int> cost;
};

TEST(channel, an_aggregate_that_owns_something_is_sent_once_by_a_named_send) {
  const auto cost = std::make_shared<int>(5);
  {
    crew tasks;
    channel<order> orders{1};
    (void)tasks.start([&]() -> task<> {
      auto sending = orders.send({}, order{.name = "first", .cost = cost});
      EXPECT_TRUE(co_await sending);
    });
    tasks.settle();
    EXPECT_EQ(cost.use_count(), 2);
    EXPECT_EQ(wait(orders.recv({}))->name, "first");
  }
  EXPECT_EQ(cost.use_count(), 1);
}

TEST(channel, a_cancelled_sender_keeps_its_value_and_leaves_nothing_behind) {
  crew tasks;
  context_source source{tasks.time};
  channel<std::unique_ptr<int>> boxes;
  std::unique_ptr<int> kept;
  (void)tasks.start([&]() -> task<> {
    auto sending = boxes.send(source.get(), std::make_unique<int>(7));
    EXPECT_EQ((co_await sending).error().code(), errc::cancelled);
    kept = std::move(sending.value());
  });
  tasks.settle();
  source.cancel();
  EXPECT_EQ(boxes.try_recv().error().code(), errc::unavailable);
  tasks.settle();
  ASSERT_TRUE(kept);
  EXPECT_EQ(*kept, 7);
}

TEST(channel, a_receiver_that_is_cancelled_but_still_queued_is_passed_over) {
  crew tasks;
  context_source source{tasks.time};
  channel<int> numbers;
  std::vector<int> order;
  (void)tasks.start([&]() -> task<> {
    EXPECT_FALSE(co_await numbers.recv(source.get()));
    order.push_back(-1);
  });
  (void)tasks.start([&]() -> task<> { order.push_back((co_await numbers.recv({})).value()); });
  tasks.settle();
  source.cancel();
  EXPECT_TRUE(numbers.try_send(5));
  tasks.settle();
  EXPECT_EQ(order, (std::vector{-1, 5}));
}

TEST(channel, deadlines_end_a_send_and_a_receive) {
  crew tasks;
  context_source source{tasks.time, {.timeout = std::chrono::seconds{3}}};
  channel<int> in;
  channel<int> out;
  int ended = 0;
  (void)tasks.start([&]() -> task<> {
    EXPECT_EQ((co_await in.recv(source.get())).error().code(), errc::deadline_exceeded);
    ++ended;
  });
  (void)tasks.start([&]() -> task<> {
    EXPECT_EQ((co_await out.send(source.get(), 1)).error().code(), errc::deadline_exceeded);
    ++ended;
  });
  tasks.settle();
  tasks.time.advance(std::chrono::seconds{3});
  tasks.settle();
  EXPECT_EQ(ended, 2);
}

TEST(channel, a_deadline_ends_the_wait_of_a_thread) {
  manual_clock time;
  context_source source{time, {.timeout = std::chrono::hours{3}}};
  channel<int> numbers;
  std::thread waiter{
      [&] { EXPECT_EQ(wait(numbers.recv(source.get())).error().code(), errc::deadline_exceeded); }};
  test::until([&] { return time.advance_to_next(); });
  waiter.join();
}

TEST(channel, a_cancelled_context_beats_a_value_and_takes_none) {
  context_source source;
  channel<int> numbers{1};
  ASSERT_TRUE(numbers.try_send(1));
  source.cancel();
  EXPECT_EQ(wait(numbers.recv(source.get())).error().code(), errc::cancelled);
  EXPECT_EQ(numbers.size(), 1U);
}

TEST(channel, a_send_that_timed_out_may_be_waited_for_again) {
  crew tasks;
  channel<int> numbers;
  bool sent = false;
  (void)tasks.start([&]() -> task<> {
    auto sending = numbers.send({}, 9);
    auto first = co_await select(sending, after(std::chrono::milliseconds{1}));
    EXPECT_EQ(first.index(), 1U);
    EXPECT_EQ(sending.value(), 9);
    sent = (co_await sending).has_value();
  });
  tasks.settle();
  tasks.time.advance(std::chrono::milliseconds{1});
  tasks.settle();
  EXPECT_EQ(numbers.try_recv().value(), 9);
  tasks.settle();
  EXPECT_TRUE(sent);
}

// Every value is received once or stayed with its sender, whichever way sends, receives and a
// cancellation overlap.
void nothing_is_lost_in_a_race(std::size_t capacity) {
  test::racers all{4};
  for (int i = 0; i < 300; ++i) {
    channel<int> numbers{capacity};
    context_source source;
    std::atomic<int> sent{0};
    std::atomic<int> received{0};
    all.together([&](int who) {
      if (who == 0) source.cancel();
      if (who == 1 && wait(numbers.send(source.get(), 1))) ++sent;
      if (who == 2 && wait(numbers.recv(source.get()))) ++received;
      if (who == 3) {
        auto sending = numbers.send(source.get(), 1);
        if (wait(sending)) {
          ++sent;
        } else {
          EXPECT_EQ(sending.value(), 1);
        }
      }
    });
    EXPECT_EQ(sent, received + static_cast<int>(numbers.size()));
  }
}

TEST(channel, no_value_is_lost_when_a_rendezvous_races_a_cancellation) {
  nothing_is_lost_in_a_race(0);
}

TEST(channel, no_value_is_lost_when_a_buffered_send_races_a_cancellation) {
  nothing_is_lost_in_a_race(1);
}

void every_value_arrives_once(std::size_t capacity) {
  constexpr int each = 2'000;
  channel<int> numbers{capacity};
  std::atomic<long> sum{0};
  std::atomic<int> senders{2};
  test::together(4, [&](int who) {
    if (who < 2) {
      for (int i = 1; i <= each; ++i) EXPECT_TRUE(wait(numbers.send({}, i)));
      if (--senders == 0) numbers.close();
    } else {
      while (auto number = wait(numbers.recv({}))) sum += *number;
    }
  });
  EXPECT_EQ(sum.load(), 2L * each * (each + 1) / 2);
}

TEST(channel, every_value_of_several_threads_arrives_once_by_rendezvous) {
  every_value_arrives_once(0);
}

TEST(channel, every_value_of_several_threads_arrives_once_through_a_ring) {
  every_value_arrives_once(3);
}

TEST(channel, between_two_threads_order_is_kept) {
  channel<int> numbers{2};
  test::together(2, [&](int who) {
    for (int i = 0; i < 2'000; ++i) {
      if (who == 0) {
        EXPECT_TRUE(wait(numbers.send({}, i)));
      } else {
        EXPECT_EQ(wait(numbers.recv({})).value(), i);
      }
    }
  });
}

TEST(channel, closing_races_with_both_sides) {
  test::racers all{4};
  for (int i = 0; i < 300; ++i) {
    channel<int> numbers{1};
    std::atomic<int> sent{0};
    std::atomic<int> received{0};
    all.together([&](int who) {
      if (who == 0) numbers.close();
      if (who == 1 || who == 2) {
        while (wait(numbers.send({}, 1))) ++sent;
      }
      if (who == 3) {
        while (wait(numbers.recv({}))) ++received;
      }
    });
    EXPECT_EQ(sent.load(), received.load());
  }
}

TEST(channel, the_receiver_of_the_last_value_may_destroy_it_at_once) {
  test::racer sender;
  for (int i = 0; i < 500; ++i) {
    auto answer = std::make_unique<channel<int>>(1);
    sender.start([&to = *answer] { EXPECT_TRUE(to.try_send(1)); });
    EXPECT_EQ(wait(answer->recv({})).value(), 1);
    answer.reset();
    sender.join();
  }
}

TEST(channel, whoever_has_met_the_other_side_may_destroy_it_at_once) {
  test::racer receiver;
  for (int i = 0; i < 500; ++i) {
    auto meeting = std::make_unique<channel<int>>();
    receiver.start(
        [&from = *meeting] { test::until([&] { return from.try_recv().has_value(); }); });
    EXPECT_TRUE(wait(meeting->send({}, 1)));
    meeting.reset();
    receiver.join();
  }
}

TEST(channel_death, destroying_it_under_a_receiver_is_misuse) {
  EXPECT_DEATH(
      {
        std::optional<channel<int>> numbers{std::in_place};
        auto op = numbers->recv({});
        test::queued waiting{op};
        numbers.reset();
      },
      "a channel was destroyed while somebody waits");
}

TEST(channel_death, destroying_it_under_a_sender_is_misuse) {
  EXPECT_DEATH(
      {
        std::optional<channel<int>> numbers{std::in_place};
        auto op = numbers->send({}, 1);
        test::queued waiting{op};
        numbers.reset();
      },
      "a channel was destroyed while somebody waits");
}

TEST(channel_death, asking_a_sent_value_back_is_misuse) {
  channel<int> numbers{1};
  auto sending = numbers.send({}, 1);
  ASSERT_TRUE(wait(sending));
  EXPECT_DEATH((void)sending.value(), "asked back from a send that has succeeded");
}

}  // namespace
}  // namespace weir
