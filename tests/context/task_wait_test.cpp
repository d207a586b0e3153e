#include <atomic>
#include <optional>
#include <thread>
#include <tuple>

#include <context/flow.hpp>
#include <context/token_box.hpp>
#include <gtest/gtest.h>

#include <weir/context/context.hpp>
#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/task.hpp>

#include "core/racers.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using weir_test::flow;
using weir_test::plain_clock;
using weir_test::token_box;

using outcome = std::optional<result<int>>;

task<void> take_into(token_box& box, context ctx, outcome& out) {
  out = co_await box.take(ctx);
}

TEST(task_wait, a_ready_operation_commits_without_a_suspension) {
  token_box box;
  box.put(7);
  run_loop loop;
  const auto body = [&]() -> task<int> { co_return (co_await box.take()).value(); };
  EXPECT_EQ(loop.run(body()), 7);
}

TEST(task_wait, a_grant_resumes_it_on_its_executor_and_not_inside_the_giver) {
  token_box box;
  run_loop loop;
  outcome got;
  const flow taker{loop, take_into(box, {}, got)};
  loop.run_until_idle();
  ASSERT_EQ(box.takers(), 1U);
  box.put(7);
  EXPECT_FALSE(got.has_value());
  loop.run_until_idle();
  EXPECT_EQ(got.value(), 7);
  EXPECT_TRUE(taker.done());
}

TEST(task_wait, cancelled_beats_ready) {
  token_box box;
  box.put(7);
  context_source source;
  source.cancel(error{errc::cancelled, "enough"});
  run_loop loop;
  outcome got;
  const flow taker{loop, take_into(box, source.get(), got)};
  loop.run_until_idle();
  EXPECT_EQ(got->error().message(), "enough");
  EXPECT_EQ(box.tokens(), 1U);
}

TEST(task_wait, a_cancellation_while_suspended_ends_it_and_leaves_the_queue) {
  token_box box;
  context_source source;
  const context_source child{source.get()};
  run_loop loop;
  outcome got;
  const flow taker{loop, take_into(box, child.get(), got)};
  loop.run_until_idle();
  source.drain();
  loop.run_until_idle();
  EXPECT_FALSE(got.has_value());
  source.cancel(error{errc::cancelled, "enough"});
  loop.run_until_idle();
  EXPECT_EQ(got->error().message(), "enough");
  EXPECT_EQ(box.takers(), 0U);
}

TEST(task_wait, a_cancelled_taker_that_has_not_resumed_yet_takes_no_token) {
  token_box box;
  context_source source;
  run_loop loop;
  outcome first;
  outcome second;
  const flow cancelled{loop, take_into(box, source.get(), first)};
  const flow waiting{loop, take_into(box, {}, second)};
  loop.run_until_idle();
  source.cancel();
  box.put(7);  // the first still stands in the queue
  loop.run_until_idle();
  EXPECT_EQ(first->error().code(), errc::cancelled);
  EXPECT_EQ(second.value(), 7);
}

TEST(task_wait, a_granted_taker_that_has_not_resumed_yet_keeps_its_token_when_cancelled) {
  token_box box;
  context_source source;
  run_loop loop;
  outcome got;
  const flow taker{loop, take_into(box, source.get(), got)};
  loop.run_until_idle();
  box.put(7);
  source.cancel();
  loop.run_until_idle();
  EXPECT_EQ(got.value(), 7);
}

TEST(task_wait, a_cancellation_at_any_step_of_the_beginning_is_not_missed) {
  for (int step = 0; step < 2; ++step) {
    token_box box;
    context_source source;
    (step == 0 ? box.before_try : box.before_queue) = [&] { source.cancel(); };
    run_loop loop;
    outcome got;
    const flow taker{loop, take_into(box, source.get(), got)};
    loop.run_until_idle();
    ASSERT_TRUE(got.has_value());
    EXPECT_EQ(got->error().code(), errc::cancelled);
    EXPECT_EQ(box.takers(), 0U);
  }
}

TEST(task_wait, many_waits_under_one_context_are_each_ended_or_granted) {
  token_box box;
  context_source source;
  run_loop loop;
  int taken = 0;
  const auto body = [&]() -> task<void> {
    while (const auto token = co_await box.take(source.get())) taken += *token;
  };
  const flow taker{loop, body()};
  loop.run_until_idle();
  for (int i = 0; i < 100; ++i) {
    box.put(1);
    loop.run_until_idle();
  }
  EXPECT_EQ(taken, 100);
  source.cancel();
  loop.run_until_idle();
  EXPECT_TRUE(taker.done());
}

TEST(task_wait, a_wait_without_a_context_is_not_ended_by_the_one_before_it) {
  token_box box;
  context_source source;
  run_loop loop;
  outcome first;
  outcome second;
  const auto body = [&]() -> task<void> {
    first = co_await box.take(source.get());
    second = co_await box.take();
  };
  const flow taker{loop, body()};
  loop.run_until_idle();
  box.put(1);
  loop.run_until_idle();
  source.cancel();
  loop.run_until_idle();
  EXPECT_FALSE(second.has_value());
  box.put(2);
  loop.run_until_idle();
  EXPECT_EQ(first.value(), 1);
  EXPECT_EQ(second.value(), 2);
}

TEST(task_wait, only_the_context_of_the_present_wait_ends_it) {
  token_box box;
  context_source one;
  context_source two;
  run_loop loop;
  std::vector<outcome> got(3);
  const auto body = [&]() -> task<void> {
    got[0] = co_await box.take(one.get());
    got[1] = co_await box.take(two.get());
    got[2] = co_await box.take(one.get());
  };
  const flow taker{loop, body()};
  loop.run_until_idle();
  box.put(1);
  loop.run_until_idle();
  one.cancel();
  loop.run_until_idle();
  EXPECT_FALSE(got[1].has_value());
  two.cancel();
  loop.run_until_idle();
  EXPECT_EQ(got[1]->error().code(), errc::cancelled);
  EXPECT_EQ(got[2]->error().code(), errc::cancelled);
  EXPECT_TRUE(taker.done());
}

TEST(task_wait, a_context_may_be_dropped_while_a_task_is_still_registered_with_it) {
  token_box box;
  run_loop loop;
  auto source = std::make_unique<context_source>();
  bool passed = false;
  const auto body = [&]() -> task<void> {
    std::ignore = co_await box.take(source->get());
    source.reset();
    passed = true;
    std::ignore = co_await box.take();
  };
  const flow taker{loop, body()};
  loop.run_until_idle();
  box.put(1);
  loop.run_until_idle();
  EXPECT_TRUE(passed);
  box.put(2);
  loop.run_until_idle();
  EXPECT_TRUE(taker.done());
}

TEST(task_wait, a_scope_ends_after_waits_in_it_and_the_next_one_takes_its_place) {
  token_box box;
  context_source parent;
  run_loop loop;
  std::vector<int> taken;
  const auto body = [&]() -> task<void> {
    for (int i = 0; i < 3; ++i) {
      const context_scope scope{parent.get()};
      taken.push_back((co_await box.take(scope.get())).value_or(-1));
    }
    const context_scope outer{parent.get()};
    const context_scope inner{outer.get()};
    taken.push_back((co_await box.take(inner.get())).value_or(-1));
  };
  const flow taker{loop, body()};
  for (int i = 0; i < 3; ++i) {
    loop.run_until_idle();
    box.put(i);
  }
  loop.run_until_idle();
  parent.cancel();
  loop.run_until_idle();
  EXPECT_EQ(taken, (std::vector<int>{0, 1, 2, -1}));
  EXPECT_TRUE(taker.done());
}

TEST(task_wait, a_scope_ended_on_another_thread_before_the_task_goes_on) {
  token_box box;
  run_loop loop;
  auto scope = std::make_unique<context_scope>(context{});
  std::atomic<bool> done_with_scope{false};
  std::atomic<bool> ended{false};
  const auto body = [&]() -> task<void> {
    std::ignore = co_await box.take(scope->get());
    done_with_scope.store(true);
    // relaxed: the task must not depend on what this would order.
    while (!ended.load(std::memory_order_relaxed)) core::yield_thread();
    std::ignore = co_await box.take();
  };
  std::thread ender{[&] {
    box.await_takers();
    box.put(1);
    while (!done_with_scope.load()) core::yield_thread();
    scope.reset();
    ended.store(true, std::memory_order_relaxed);
    box.put(2);
  }};
  loop.run(body());
  ender.join();
}

TEST(task_wait, a_scope_ends_while_a_task_is_on_its_way_out_of_it) {
  for (int round = 0; round < 100; ++round) {
    token_box box;
    run_loop loop;
    auto scope = std::make_unique<context_scope>(context{});
    const auto body = [&]() -> task<void> {
      std::ignore = co_await box.take(scope->get());
      std::ignore = co_await box.take();
    };
    const flow leaving{loop, body()};
    std::thread runner{[&] {
      while (!leaving.done()) {
        if (loop.run_until_idle() == 0) core::yield_thread();
      }
    }};
    box.await_takers();
    {
      const core::lock_guard guard{scope->get().state()->guard()};
      box.put(1);
      // Nothing observed any more: the task has decided to leave, and needs the lock for it.
      while (leaving.observed() != nullptr) core::yield_thread();
    }
    scope.reset();
    box.put(2);
    runner.join();
  }
}

TEST(task_wait, a_scope_ends_on_another_thread_while_the_task_goes_on) {
  test::racer ender;
  for (int round = 0; round < 1'000; ++round) {
    token_box box;
    run_loop loop;
    auto scope = std::make_unique<context_scope>(context{});
    std::atomic<bool> done_with_scope{false};
    const auto body = [&]() -> task<void> {
      std::ignore = co_await box.take(scope->get());
      done_with_scope.store(true);
      std::ignore = co_await box.take();
    };
    ender.start([&] {
      box.await_takers();
      box.put(1);
      while (!done_with_scope.load()) core::yield_thread();
      scope.reset();
      box.put(2);
    });
    loop.run(body());
    ender.join();
  }
}

TEST(task_wait, a_task_ends_while_a_scope_it_waited_in_ends_on_another_thread) {
  test::racer ender;
  for (int round = 0; round < 1'000; ++round) {
    token_box box;
    run_loop loop;
    auto scope = std::make_unique<context_scope>(context{});
    std::atomic<bool> done_with_scope{false};
    const auto body = [&]() -> task<void> {
      std::ignore = co_await box.take(scope->get());
      done_with_scope.store(true);
    };
    ender.start([&] {
      box.await_takers();
      box.put(1);
      while (!done_with_scope.load()) core::yield_thread();
      scope.reset();
    });
    loop.run(body());
    ender.join();
  }
}

TEST(task_wait, a_grant_and_a_cancellation_race_and_no_token_is_lost_or_doubled) {
  test::racer giver;
  test::racer canceller;
  for (int round = 0; round < 1'500; ++round) {
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
    const auto body = [&]() -> task<result<int>> { co_return co_await box.take(source.get()); };
    together();
    const auto got = wait(body());
    giver.join();
    canceller.join();
    ASSERT_EQ(box.tokens(), got.has_value() ? 0U : 1U);
    ASSERT_EQ(box.takers(), 0U);
  }
}

TEST(task_wait, the_deadline_of_its_context_ends_it_in_simulated_time) {
  manual_clock time;
  run_loop loop{time};
  token_box box;
  const time_point start = time.now();
  const context_source source{time, {.timeout = 24h}};
  const auto body = [&]() -> task<result<int>> { co_return co_await box.take(source.get()); };
  EXPECT_EQ(loop.run(body(), time).error().code(), errc::deadline_exceeded);
  EXPECT_EQ(time.now(), start + 24h);
}

TEST(task_wait, the_deadline_of_its_context_ends_it_on_real_time) {
  token_box box;
  const context_source source{context{}, {.timeout = 1us}};
  const auto body = [&]() -> task<result<int>> { co_return co_await box.take(source.get()); };
  EXPECT_EQ(wait(body()).error().code(), errc::deadline_exceeded);
}

TEST(task_wait, a_deadline_armed_on_a_loop_that_has_ended_passes_on_the_others) {
  plain_clock time;
  token_box box;
  const context_source source{time, {.timeout = 1s}};
  const context_source child{source.get()};
  run_loop lasting{time};
  auto ending = std::make_unique<run_loop>(time);
  outcome early;
  outcome late;
  const flow first{*ending, take_into(box, source.get(), early)};
  ending->run_until_idle();
  const flow second{lasting, take_into(box, child.get(), late)};
  lasting.run_until_idle();
  box.put(7);
  ending->run_until_idle();
  ASSERT_EQ(early.value(), 7);
  ending.reset();
  lasting.run_until_idle();
  EXPECT_FALSE(late.has_value());
  time.advance(1s);
  lasting.run_until_idle();
  ASSERT_TRUE(late.has_value());
  EXPECT_EQ(late->error().code(), errc::deadline_exceeded);
}

TEST(task_wait, a_watched_deadline_armed_on_a_loop_that_has_ended_passes_on_the_others) {
  plain_clock time;
  token_box box;
  const context_source source{time, {.timeout = 1s}};
  run_loop lasting{time};
  auto ending = std::make_unique<run_loop>(time);
  outcome early;
  bool seen = false;
  const auto watch = [&]() -> task<void> {
    seen = (co_await until_draining(source.get())).has_value();
  };
  const flow first{*ending, take_into(box, source.get(), early)};
  ending->run_until_idle();
  const flow second{lasting, watch()};
  lasting.run_until_idle();
  box.put(7);
  ending->run_until_idle();
  ending.reset();
  time.advance(1s);
  lasting.run_until_idle();
  EXPECT_TRUE(seen);
}

TEST(task_wait, a_task_that_moves_takes_its_deadline_along) {
  plain_clock time;
  token_box box;
  const context_source source{time, {.timeout = 1s}};
  run_loop there{time};
  auto here = std::make_unique<run_loop>(time);
  outcome first;
  outcome second;
  const auto body = [&]() -> task<void> {
    first = co_await box.take(source.get());
    co_await resume_on(there);
    second = co_await box.take(source.get());
  };
  const flow mover{*here, body()};
  here->run_until_idle();
  box.put(7);
  here->run_until_idle();
  here.reset();
  there.run_until_idle();
  EXPECT_FALSE(second.has_value());
  time.advance(1s);
  there.run_until_idle();
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->error().code(), errc::deadline_exceeded);
}

TEST(task_sleep, sleepers_wake_in_order_of_time_and_equal_times_in_order_of_start) {
  manual_clock time;
  run_loop loop{time};
  const context_source source{time};
  std::vector<int> order;
  const auto body = [&](int id, duration length) -> task<void> {
    std::ignore = co_await weir::sleep_for(source.get(), length);
    order.push_back(id);
  };
  const flow a{loop, body(1, 3h)};
  const flow b{loop, body(2, 1h)};
  const flow c{loop, body(3, 2h)};
  const flow d{loop, body(4, 1h)};
  loop.run_until_idle();
  while (time.advance_to_next()) loop.run_until_idle();
  EXPECT_EQ(order, (std::vector<int>{2, 4, 3, 1}));
}

TEST(task_sleep, without_a_context_uses_the_clock_of_its_executor) {
  manual_clock time;
  run_loop loop{time};
  const time_point start = time.now();
  const auto body = [&]() -> task<duration> {
    std::ignore = co_await weir::sleep_for(context{}, 24h);
    std::ignore = co_await weir::after(1h);
    std::ignore = co_await weir::sleep_for(context{}, 0s);
    std::ignore = co_await weir::sleep_until(context{}, start);
    co_return time.now() - start;
  };
  EXPECT_EQ(loop.run(body(), time), 25h);
}

TEST(task_sleep, a_cancellation_ends_it_and_disarms_its_timer) {
  manual_clock time;
  run_loop loop{time};
  context_source source{time};
  std::optional<result<void>> got;
  const auto body = [&]() -> task<void> { got = co_await weir::sleep_for(source.get(), 24h); };
  const flow sleeper{loop, body()};
  loop.run_until_idle();
  EXPECT_NE(time.next_timer(), time_point::max());
  source.cancel();
  loop.run_until_idle();
  EXPECT_EQ(got->error().code(), errc::cancelled);
  EXPECT_EQ(time.next_timer(), time_point::max());
}

TEST(task_until, each_level_resumes_those_who_wait_for_it) {
  run_loop loop;
  context_source source;
  int stage = 0;
  const auto body = [&]() -> task<void> {
    std::ignore = co_await until_draining(source.get());
    stage = 1;
    std::ignore = co_await until_cancelled(source.get());
    stage = 2;
  };
  const flow watcher{loop, body()};
  loop.run_until_idle();
  EXPECT_EQ(stage, 0);
  source.drain();
  loop.run_until_idle();
  EXPECT_EQ(stage, 1);
  source.cancel();
  loop.run_until_idle();
  EXPECT_EQ(stage, 2);
}

TEST(task_until, sees_a_deadline_pass_though_nobody_waits_under_it) {
  manual_clock manual;
  run_loop simulated{manual};
  const context_source source{manual, {.timeout = 1h}};
  const auto body = [](context ctx) -> task<bool> {
    co_return (co_await until_cancelled(ctx)).has_value();
  };
  EXPECT_TRUE(simulated.run(body(source.get()), manual));
  const context_source real{context{}, {.timeout = 1us}};
  EXPECT_TRUE(wait(body(real.get())));
}

struct select_case {
  token_box first;
  token_box second;
  context_source one;
  context_source two;
  run_loop loop;
  std::optional<std::size_t> index;
  std::optional<errc> code;

  task<void> body(context a, context b) {
    const auto got = co_await select(first.take(a), second.take(b));
    index = got.index();
    const auto& inner = got.index() == 0 ? std::get<0>(got) : std::get<1>(got);
    if (!inner) code = inner.error().code();
  }
};

TEST(task_select, takes_what_is_ready_without_a_suspension) {
  select_case c;
  c.second.put(7);
  const flow chooser{c.loop, c.body({}, {})};
  c.loop.run_until_idle();
  EXPECT_EQ(c.index, 1U);
  EXPECT_EQ(c.first.takers() + c.second.takers() + c.second.tokens(), 0U);
}

TEST(task_select, a_grant_resumes_it_and_the_loser_takes_nothing) {
  select_case c;
  const flow chooser{c.loop, c.body(c.one.get(), {})};
  c.loop.run_until_idle();
  c.second.put(7);
  c.first.put(8);  // the chooser still stands there, but is claimed
  EXPECT_EQ(c.first.tokens(), 1U);
  c.loop.run_until_idle();
  EXPECT_EQ(c.index, 1U);
  EXPECT_EQ(c.first.takers() + c.second.takers(), 0U);
  EXPECT_EQ(c.first.withdrawals, 1);
}

TEST(task_select, the_context_of_either_case_ends_it_and_the_result_is_in_that_case) {
  for (int ending = 0; ending < 2; ++ending) {
    select_case c;
    const flow chooser{c.loop, c.body(c.one.get(), c.two.get())};
    c.loop.run_until_idle();
    (ending == 0 ? c.one : c.two).cancel();
    c.loop.run_until_idle();
    EXPECT_EQ(c.index, static_cast<std::size_t>(ending));
    EXPECT_EQ(c.code, errc::cancelled);
    EXPECT_EQ(c.first.takers() + c.second.takers(), 0U);
  }
}

TEST(task_select, a_context_of_the_second_case_alone_is_told_there) {
  select_case c;
  const flow chooser{c.loop, c.body({}, c.two.get())};
  c.loop.run_until_idle();
  c.two.cancel();
  c.loop.run_until_idle();
  EXPECT_EQ(c.index, 1U);
  EXPECT_EQ(c.code, errc::cancelled);
}

TEST(task_select, cancelled_beats_ready) {
  select_case c;
  c.first.put(7);
  c.two.cancel();
  const flow chooser{c.loop, c.body(c.one.get(), c.two.get())};
  c.loop.run_until_idle();
  EXPECT_EQ(c.index, 1U);
  EXPECT_EQ(c.first.tokens(), 1U);
}

TEST(task_select, a_cancellation_at_any_step_of_the_beginning_is_not_missed) {
  for (int step = 1; step <= 3; ++step) {
    for (int ending = 0; ending < 2; ++ending) {
      select_case c;
      int tries = 0;
      const auto at = [&](int when) {
        if (when == step) (ending == 0 ? c.one : c.two).cancel();
      };
      c.second.before_try = [&] { at(++tries); };
      c.second.before_queue = [&] { at(3); };
      const flow chooser{c.loop, c.body(c.one.get(), c.two.get())};
      c.loop.run_until_idle();
      ASSERT_EQ(c.index, static_cast<std::size_t>(ending));
      EXPECT_EQ(c.code, errc::cancelled);
      EXPECT_EQ(c.first.takers() + c.second.takers(), 0U);
    }
  }
}

TEST(task_select, single_waits_and_selects_alternate_under_different_contexts) {
  select_case c;
  std::vector<std::size_t> cases;
  outcome last;
  const auto body = [&]() -> task<void> {
    std::ignore = co_await c.first.take(c.one.get());
    cases.push_back((co_await select(c.first.take(), c.second.take(c.two.get()))).index());
    std::ignore = co_await c.first.take(c.one.get());
    cases.push_back((co_await select(c.first.take(c.one.get()), c.second.take())).index());
    last = co_await c.first.take(c.two.get());
  };
  const flow chooser{c.loop, body()};
  for (token_box* box : {&c.first, &c.second, &c.first, &c.second}) {
    c.loop.run_until_idle();
    box->put(1);
  }
  c.loop.run_until_idle();
  c.one.cancel();
  c.loop.run_until_idle();
  EXPECT_FALSE(last.has_value());
  c.two.cancel();
  c.loop.run_until_idle();
  EXPECT_EQ(cases, (std::vector<std::size_t>{1, 1}));
  EXPECT_EQ(last->error().code(), errc::cancelled);
}

TEST(task_select, a_timeout_is_a_case_and_a_deadline_ends_it_in_simulated_time) {
  manual_clock time;
  run_loop loop{time};
  token_box box;
  const auto body = [&](context ctx) -> task<std::size_t> {
    co_return (co_await select(box.take(ctx), weir::after(1h))).index();
  };
  EXPECT_EQ(loop.run(body({}), time), 1U);
  const context_source early{time, {.timeout = 30min}};
  EXPECT_EQ(loop.run(body(early.get()), time), 0U);
  const context_source late{time, {.timeout = 2h}};
  EXPECT_EQ(loop.run(body(late.get()), time), 1U);
  EXPECT_EQ(time.next_timer(), late.get().deadline());
}

TEST(task_select, grants_and_a_cancellation_race_and_no_token_is_lost) {
  test::racer giver;
  test::racer canceller;
  for (int round = 0; round < 1'000; ++round) {
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
    const auto body = [&]() -> task<bool> {
      const context_scope scope{source.get()};
      const auto got =
          co_await select(first.take(scope.get()), second.take(source.get()), weir::after(24h));
      co_return got.index() == 0 ? std::get<0>(got).has_value() : std::get<1>(got).has_value();
    };
    together();
    const bool taken = wait(body());
    giver.join();
    canceller.join();
    ASSERT_EQ(first.tokens() + second.tokens(), taken ? 1U : 2U);
  }
}

task<int> leaf(int value) {
  co_return value;
}

task<int> nested(int depth) {
  if (depth == 0) co_return 0;
  co_return 1 + co_await nested(depth - 1);
}

TEST(task, nested_tasks_return_through_every_level) {
  EXPECT_EQ(wait(nested(1'000)), 1'000);
}

TEST(task, an_exception_passes_through_the_levels_and_out_of_wait) {
  const auto thrower = []() -> task<int> {
    co_await leaf(1);
    throw std::runtime_error{"broken"};
  };
  const auto middle = [&]() -> task<int> { co_return co_await thrower(); };
  EXPECT_THROW(wait(middle()), std::runtime_error);
}

TEST(task, a_million_awaits_of_tasks_in_a_loop_keep_the_stack_flat) {
  const auto body = []() -> task<long> {
    long sum = 0;
    for (int i = 0; i < 1'000'000; ++i) sum += co_await leaf(1);
    co_return sum;
  };
  EXPECT_EQ(wait(body()), 1'000'000);
}

TEST(task, a_million_ready_operations_in_a_loop_keep_the_stack_flat) {
  const context_source source;
  const auto body = [&]() -> task<long> {
    long done = 0;
    for (int i = 0; i < 1'000'000; ++i) {
      done += (co_await weir::sleep_for(source.get(), 0s)).has_value() ? 1 : 0;
    }
    co_return done;
  };
  EXPECT_EQ(wait(body()), 1'000'000);
}

TEST(task, a_million_suspensions_in_a_loop_keep_the_stack_flat) {
  token_box ping;
  token_box pong;
  run_loop loop;
  const context_source source;
  constexpr int rounds = 500'000;
  const auto echo = [&]() -> task<void> {
    for (int i = 0; i < rounds; ++i) {
      std::ignore = co_await ping.take(source.get());
      pong.put(1);
    }
  };
  const auto body = [&]() -> task<int> {
    int sum = 0;
    for (int i = 0; i < rounds; ++i) {
      ping.put(1);
      sum += (co_await pong.take(source.get())).value_or(0);
    }
    co_return sum;
  };
  const flow other{loop, echo()};
  EXPECT_EQ(loop.run(body()), rounds);
}

TEST(task, blocking_inside_one_ends_the_program_with_a_sentence_that_names_it) {
  const auto body = []() -> task<void> {
    std::ignore = wait(weir::after(0ms));
    co_return;
  };
  run_loop loop{steady_clock(), "front desk"};
  EXPECT_DEATH(loop.run(body()), "wait\\(\\) was called on front desk, in task 'wait\\(task\\)'");
}

}  // namespace
}  // namespace weir
