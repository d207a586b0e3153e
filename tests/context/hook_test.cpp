#include <atomic>
#include <functional>
#include <thread>

#include <gtest/gtest.h>
#include <pthread.h>
#include <sched.h>

#include <weir/context/on_cancel.hpp>
#include <weir/context/stop_token.hpp>
#include <weir/core/sync/park.hpp>
#include <weir/core/sync/thread.hpp>

#include "core/racers.hpp"

namespace weir {
namespace {

/// The calling thread runs when no thread of a higher real-time priority wants this processor.
/// Where that is not allowed it stays an ordinary one.
void become_real_time(int processor, int priority) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(static_cast<std::size_t>(processor), &one);
  pthread_setaffinity_np(pthread_self(), sizeof one, &one);
  const sched_param wanted{.sched_priority = priority};
  pthread_setschedparam(pthread_self(), SCHED_FIFO, &wanted);
}

/// A callable whose behaviour a test decides after the hook was made.
struct call {
  std::function<void()>* run;
  void operator()() const noexcept { (*run)(); }
};
using any_hook = context_hook<call>;

TEST(context_hook, runs_once_when_its_level_is_reached) {
  context_source source;
  int drained = 0;
  int cancelled = 0;
  const auto first = on_drain(source.get(), [&]() noexcept { ++drained; });
  const auto second = on_cancel(source.get(), [&]() noexcept { ++cancelled; });
  EXPECT_EQ(drained, 0);
  source.drain();
  EXPECT_EQ(drained, 1);
  EXPECT_EQ(cancelled, 0);
  source.cancel();
  source.cancel();
  EXPECT_EQ(drained, 1);
  EXPECT_EQ(cancelled, 1);
}

TEST(context_hook, a_drain_hook_runs_once_when_the_context_is_cancelled_without_draining) {
  context_source source;
  int runs = 0;
  const auto hook = on_drain(source.get(), [&]() noexcept { ++runs; });
  source.cancel();
  EXPECT_EQ(runs, 1);
}

TEST(context_hook, runs_at_once_on_a_context_that_has_ended) {
  context_source source;
  source.drain();
  int drained = 0;
  int cancelled = 0;
  const auto first = on_drain(source.get(), [&]() noexcept { ++drained; });
  const auto second = on_cancel(source.get(), [&]() noexcept { ++cancelled; });
  EXPECT_EQ(drained, 1);
  EXPECT_EQ(cancelled, 0);
  source.cancel();
  EXPECT_EQ(drained, 1);
  EXPECT_EQ(cancelled, 1);
}

TEST(context_hook, never_runs_for_a_context_that_never_ends) {
  int runs = 0;
  {
    const auto hook = on_cancel(context{}, [&]() noexcept { ++runs; });
  }
  EXPECT_EQ(runs, 0);
}

TEST(context_hook, does_not_run_after_it_was_destroyed) {
  context_source source;
  int runs = 0;
  {
    const auto hook = on_cancel(source.get(), [&]() noexcept { ++runs; });
  }
  source.cancel();
  EXPECT_EQ(runs, 0);
}

TEST(context_hook, hooks_run_in_the_order_of_registration_and_parents_before_children) {
  context_source parent;
  const context_source child{parent.get()};
  std::vector<int> order;
  const auto c = on_cancel(child.get(), [&]() noexcept { order.push_back(3); });
  const auto a = on_cancel(parent.get(), [&]() noexcept { order.push_back(1); });
  const auto b = on_cancel(parent.get(), [&]() noexcept { order.push_back(2); });
  parent.cancel();
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3}));
}

TEST(context_hook, sees_the_level_and_the_cause_while_it_runs) {
  context_source source;
  std::string seen;
  const context ctx = source.get();
  const auto hook = on_cancel(ctx, [&]() noexcept { seen = ctx.check().error().message(); });
  source.cancel(error{errc::cancelled, "why"});
  EXPECT_EQ(seen, "why");
}

TEST(context_hook, holds_no_lock_while_it_runs_so_that_it_may_use_its_context) {
  context_source source;
  int inner_runs = 0;
  std::function<void()> use = [&] {
    source.cancel();
    const context_source child{source.get()};
    EXPECT_TRUE(child.get().cancelled());
    const auto inner = on_cancel(source.get(), [&]() noexcept { ++inner_runs; });
    const context_scope scope{source.get()};
    EXPECT_TRUE(scope.get().cancelled());
  };
  const any_hook hook{source.get(), context_level::cancelled, call{&use}};
  source.cancel();
  EXPECT_EQ(inner_runs, 1);
}

TEST(context_hook, one_that_cancels_while_draining_runs_the_others_once_each) {
  context_source source;
  std::vector<int> order;
  std::function<void()> escalate = [&] {
    order.push_back(1);
    source.cancel();
    order.push_back(2);
  };
  const auto cancelled = on_cancel(source.get(), [&]() noexcept { order.push_back(4); });
  const any_hook draining{source.get(), context_level::draining, call{&escalate}};
  const auto drained = on_drain(source.get(), [&]() noexcept { order.push_back(3); });
  source.drain();
  std::sort(order.begin(), order.end());
  EXPECT_EQ(order, (std::vector<int>{1, 2, 3, 4}));
}

TEST(context_hook, one_registered_for_a_later_level_inside_a_callback_is_not_lost) {
  context_source source;
  int runs = 0;
  std::optional<any_hook> late;
  std::function<void()> count = [&] { ++runs; };
  std::function<void()> subscribe = [&] {
    late.emplace(source.get(), context_level::cancelled, call{&count});
  };
  const any_hook first{source.get(), context_level::draining, call{&subscribe}};
  source.drain();
  EXPECT_EQ(runs, 0);
  source.cancel();
  EXPECT_EQ(runs, 1);
}

TEST(context_hook, may_destroy_itself_while_it_runs) {
  context_source source;
  std::optional<any_hook> hook;
  int runs = 0;
  std::function<void()> vanish = [&] {
    hook.reset();
    ++runs;
  };
  hook.emplace(source.get(), context_level::cancelled, call{&vanish});
  source.cancel();
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(hook.has_value());
}

TEST(context_hook, may_destroy_itself_and_take_its_place_again) {
  context_source source;
  std::optional<any_hook> hook;
  std::vector<int> order;
  std::function<void()> second = [&] { order.push_back(2); };
  std::function<void()> first = [&] {
    order.push_back(1);
    hook.emplace(source.get(), context_level::cancelled, call{&second});
  };
  hook.emplace(source.get(), context_level::draining, call{&first});
  source.drain();
  EXPECT_EQ(order, (std::vector<int>{1}));
  source.cancel();
  EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(context_hook, may_destroy_another_that_has_not_run_yet) {
  context_source source;
  std::optional<any_hook> victim;
  int runs = 0;
  std::function<void()> count = [&] { ++runs; };
  std::function<void()> destroy = [&] { victim.reset(); };
  const any_hook first{source.get(), context_level::cancelled, call{&destroy}};
  victim.emplace(source.get(), context_level::cancelled, call{&count});
  source.cancel();
  EXPECT_EQ(runs, 0);
}

TEST(context_hook, may_drop_the_last_handle_of_the_state_that_runs_it) {
  auto source = std::make_unique<context_source>();
  std::optional<any_hook> hook;
  int runs = 0;
  std::function<void()> drop_all = [&] {
    hook.reset();
    source.reset();
    ++runs;
  };
  hook.emplace(source->get(), context_level::cancelled, call{&drop_all});
  source->cancel();
  EXPECT_EQ(runs, 1);
}

TEST(context_hook, a_closure_that_takes_the_contexts_lock_when_destroyed_is_destroyed_without_it) {
  context_source source;
  struct owner {
    std::optional<context_source>* child;
    void operator()() const noexcept { child->reset(); }
  };
  std::optional<context_source> child{context_source{source.get()}};
  int runs = 0;
  const auto below = on_cancel(child->get(), [&]() noexcept { ++runs; });
  {
    std::optional<context_hook<owner>> hook;
    hook.emplace(source.get(), context_level::cancelled, owner{&child});
    source.cancel();
  }
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(child.has_value());
}

TEST(context_hook, its_destructor_outlasts_a_callback_that_runs_on_another_thread) {
  context_source source;
  std::atomic<bool> running{false};
  std::atomic<bool> released{false};
  std::atomic<bool> ended{false};
  std::atomic<bool> destroyed{false};
  std::function<void()> linger = [&] {
    running.store(true);
    while (!released.load()) core::yield_thread();
    ended.store(true);
  };
  std::optional<any_hook> hook;
  hook.emplace(source.get(), context_level::cancelled, call{&linger});
  std::thread canceller{[&] { source.cancel(); }};
  while (!running.load()) core::yield_thread();
  bool ended_first = false;
  std::atomic<bool> destroying{false};
  std::thread destroyer{[&] {
    destroying.store(true);
    hook.reset();
    ended_first = ended.load();
    destroyed.store(true);
  }};
  while (!destroying.load()) core::yield_thread();
  for (int i = 0; i < 1'000; ++i) core::yield_thread();
  EXPECT_FALSE(destroyed.load());
  released.store(true);
  destroyer.join();
  canceller.join();
  EXPECT_TRUE(ended_first);
}

/// A thread that only yields while it waits leaves its processor to its equals: the callback, of a
/// lower priority, would never come to its end, and neither would the wait.
TEST(context_hook, its_destructor_lets_a_callback_of_lower_priority_end) {
  const int processor = sched_getcpu();
  context_source source;
  core::park ready;
  core::park inside;
  auto run = [&]() noexcept { inside.wake(); };  // the other runs from here on, until it sleeps
  std::optional<context_hook<decltype(run)>> hook{std::in_place, source.get(),
                                                  context_level::cancelled, run};
  std::thread waits{[&] {
    become_real_time(processor, 2);
    ready.wake();
    inside.wait();
    hook.reset();
  }};
  std::thread cancels{[&] {
    become_real_time(processor, 1);
    ready.wait();
    source.cancel();
  }};
  cancels.join();
  waits.join();
  EXPECT_FALSE(hook);
}

TEST(context_hook, many_concurrent_cancels_run_it_once_and_one_of_them_wins) {
  test::racers all{3};
  for (int round = 0; round < 300; ++round) {
    context_source source;
    std::atomic<int> runs{0};
    std::atomic<int> winners{0};
    const auto hook = on_cancel(source.get(), [&]() noexcept { runs.fetch_add(1); });
    all.together([&](int) {
      if (source.cancel()) winners.fetch_add(1);
    });
    ASSERT_EQ(runs.load(), 1);
    ASSERT_EQ(winners.load(), 1);
  }
}

TEST(context_hook, a_registration_that_races_the_cancellation_runs_exactly_once) {
  test::racer canceller;
  for (int round = 0; round < 1'000; ++round) {
    context_source source;
    std::atomic<bool> go{false};
    std::atomic<int> runs{0};
    canceller.start([&] {
      while (!go.load()) core::yield_thread();
      source.cancel();
    });
    go.store(true);
    std::function<void()> count = [&] { runs.fetch_add(1); };
    std::optional<any_hook> hook;
    hook.emplace(source.get(), context_level::cancelled, call{&count});
    canceller.join();
    ASSERT_EQ(runs.load(), 1);
  }
}

TEST(context_hook, a_removal_that_races_the_cancellation_never_runs_afterwards) {
  test::racer canceller;
  for (int round = 0; round < 1'000; ++round) {
    context_source source;
    std::atomic<bool> go{false};
    canceller.start([&] {
      while (!go.load()) core::yield_thread();
      source.cancel();
    });
    auto runs = std::make_unique<int>(0);  // plain: freed as soon as the hook is gone
    {
      const auto hook = on_cancel(source.get(), [raw = runs.get()]() noexcept { ++*raw; });
      go.store(true);
    }
    EXPECT_LE(*runs, 1);
    runs.reset();
    canceller.join();
  }
}

TEST(stop_token, a_context_stops_the_tokens_that_were_taken_from_it) {
  context_source source;
  const context_stop_source stop{source.get()};
  const std::stop_token token = stop.token();
  int runs = 0;
  const std::stop_callback callback{token, [&] { ++runs; }};
  EXPECT_FALSE(token.stop_requested());
  source.drain();
  EXPECT_FALSE(token.stop_requested());
  source.cancel();
  EXPECT_TRUE(token.stop_requested());
  EXPECT_EQ(runs, 1);
}

TEST(stop_token, a_context_that_has_ended_stops_at_once) {
  context_source source;
  source.cancel();
  EXPECT_TRUE(context_stop_source{source.get()}.token().stop_requested());
}

TEST(stop_token, a_token_that_outlives_the_bridge_never_fires) {
  context_source source;
  std::stop_token token;
  {
    token = context_stop_source{source.get()}.token();
  }
  source.cancel();
  EXPECT_FALSE(token.stop_requested());
}

TEST(stop_token, a_stop_request_cancels_the_context_made_from_the_token) {
  std::stop_source stop;
  const context_source parent;
  const stop_token_context bridge{stop.get_token(), parent.get()};
  const context ctx = bridge.get();
  EXPECT_FALSE(ctx.cancelled());
  stop.request_stop();
  EXPECT_EQ(ctx.check().error().code(), errc::cancelled);
  EXPECT_FALSE(parent.get().cancelled());
}

TEST(stop_token, a_token_that_was_stopped_before_makes_a_cancelled_context) {
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(stop_token_context{stop.get_token()}.get().cancelled());
}

TEST(stop_token, a_default_constructed_token_never_fires) {
  context_source parent;
  const stop_token_context bridge{std::stop_token{}, parent.get()};
  EXPECT_FALSE(bridge.get().cancelled());
  parent.cancel();
  EXPECT_TRUE(bridge.get().cancelled());
  const context_stop_source never{context{}};
  EXPECT_FALSE(never.token().stop_requested());
}

TEST(stop_token, both_bridges_end_while_the_other_side_fires) {
  test::racer firing;
  for (int round = 0; round < 500; ++round) {
    context_source source;
    std::stop_source stop;
    std::atomic<bool> go{false};
    firing.start([&] {
      while (!go.load()) core::yield_thread();
      source.cancel();
      stop.request_stop();
    });
    {
      const context_stop_source there{source.get()};
      const stop_token_context back{stop.get_token()};
      go.store(true);
    }
    firing.join();
  }
}

}  // namespace
}  // namespace weir
