#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;

static_assert(!std::is_copy_constructible_v<permit> &&
              std::is_nothrow_move_constructible_v<permit>);
static_assert(!std::is_copy_constructible_v<registration>);
static_assert(std::is_nothrow_move_constructible_v<registration>);
static_assert(std::is_nothrow_move_constructible_v<quiesce_context>);
static_assert(!std::is_move_constructible_v<stopper>);

TEST(spawn, the_count_is_exact_after_each_spawn_and_falls_one_by_one) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  std::vector<std::unique_ptr<event>> gates;
  for (std::size_t i = 0; i < 5; ++i) {
    gates.push_back(std::make_unique<event>());
    event& gate = *gates.back();
    auto spawned =
        s.spawn("waits", [&gate](context ctx) -> task<void> { (void)co_await gate.wait(ctx); });
    ASSERT_TRUE(spawned);
    EXPECT_EQ(s.running(), i + 1);
  }
  for (std::size_t left = 5; left > 0; --left) {
    sim.settle();
    EXPECT_EQ(s.running(), left);
    gates[left - 1]->set();
  }
  sim.settle();
  EXPECT_EQ(s.running(), 0U);
}

TEST(spawn, joining_gives_what_the_task_returns) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto body = [&s]() -> task<int> {
    auto plain = s.spawn("plain", []() -> task<int> { co_return 40; });
    auto failing =
        s.spawn("failing", []() -> task<result<int>> { co_return fail(errc::busy, "not now"); });
    const auto forty = co_await *plain;
    const auto none = co_await *failing;
    co_return *forty + (none.error().code() == errc::busy ? 2 : 0);
  };
  EXPECT_EQ(sim.run(body()), 42);
}

TEST(spawn, captures_live_as_long_as_the_task_and_end_before_the_count_falls) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  struct probe {
    stopper* where = nullptr;
    std::size_t* seen = nullptr;
    probe(stopper& s, std::size_t& at_end) : where(&s), seen(&at_end) {}
    probe(probe&& other) noexcept : where(std::exchange(other.where, nullptr)), seen(other.seen) {}
    ~probe() {
      if (where != nullptr) *seen = where->running();
    }
  };
  std::size_t running_at_end = 0;
  auto counted = s.spawn("probe", [p = probe{s, running_at_end}]() -> task<void> {
    co_await yield();
    EXPECT_NE(p.where, nullptr);
  });
  ASSERT_TRUE(counted);
  sim.settle();
  EXPECT_EQ(running_at_end, 1U);
  EXPECT_EQ(s.running(), 0U);
}

TEST(spawn, a_refused_task_never_runs_and_says_unavailable) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  (void)sim.stop(s);
  bool ran = false;
  auto refused = s.spawn("late", [&ran]() -> task<void> {
    ran = true;
    co_return;
  });
  sim.settle();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::unavailable);
  EXPECT_EQ(refused.error().text("task"), "late");
  EXPECT_FALSE(ran);
  EXPECT_EQ(s.run("late", [&ran] { ran = true; }).error().code(), errc::unavailable);
  EXPECT_EQ(s.spawn_blocking("late", [&ran] { ran = true; }).error().code(), errc::unavailable);
  EXPECT_EQ(s.try_enter("late").error().code(), errc::unavailable);
  EXPECT_FALSE(ran);
}

TEST(spawn, three_stoppers_refuse_each_for_itself) {
  simulation sim;
  stopper a{sim.rt, sim.options("a")};
  stopper b{sim.rt, sim.options("b")};
  stopper c{sim.rt, sim.options("c")};
  for (stopper* s : {&a, &b, &c}) {
    EXPECT_TRUE(s->run("before", [] {}));
    EXPECT_TRUE(sim.run(s->quiesce({})));
    EXPECT_FALSE(s->run("after", [] {}));
  }
  for (stopper* s : {&a, &b, &c}) EXPECT_EQ(sim.stop(*s).outcome(), shutdown_outcome::clean);
}

TEST(quota, a_full_one_throttles_and_the_task_never_runs) {
  simulation sim;
  semaphore quota{1};
  stopper s{sim.rt, sim.options()};
  event gate;
  auto first = s.spawn({.name = "first", .quota = &quota},
                       [&gate](context ctx) -> task<void> { (void)co_await gate.wait(ctx); });
  ASSERT_TRUE(first);
  bool ran = false;
  auto second = s.spawn({.name = "second", .quota = &quota}, [&ran]() -> task<void> {
    ran = true;
    co_return;
  });
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), errc::throttled);
  EXPECT_EQ(second.error().number("total"), 1);
  EXPECT_EQ(s.running(), 1U);
  gate.set();
  sim.settle();
  EXPECT_FALSE(ran);
  EXPECT_EQ(quota.available(), 1);
}

TEST(quota, a_closed_one_is_unavailable_and_too_much_is_an_invalid_argument) {
  simulation sim;
  semaphore quota{2};
  stopper s{sim.rt, sim.options()};
  auto nothing = []() -> task<void> { co_return; };
  auto too_much = s.spawn({.name = "big", .quota = &quota, .units = 3}, nothing);
  EXPECT_EQ(too_much.error().code(), errc::invalid_argument);
  quota.close();
  auto closed = s.spawn({.name = "closed", .quota = &quota}, nothing);
  EXPECT_EQ(closed.error().code(), errc::unavailable);
  auto waited = sim.run(s.spawn_when_free({}, {.name = "closed", .quota = &quota}, nothing));
  EXPECT_EQ(waited.error().code(), errc::unavailable);
}

TEST(quota, comes_home_when_the_task_is_refused_or_its_context_has_ended) {
  simulation sim;
  semaphore quota{1};
  stopper s{sim.rt, sim.options()};
  auto nothing = []() -> task<void> { co_return; };
  context_source ended{sim.time};
  ended.cancel();
  auto own_error = s.spawn(ended.get(), {.name = "ended", .quota = &quota}, nothing);
  EXPECT_EQ(own_error.error().code(), errc::cancelled);
  EXPECT_EQ(quota.available(), 1);
  (void)sim.stop(s);
  auto refused = s.spawn({.name = "refused", .quota = &quota}, nothing);
  EXPECT_EQ(refused.error().code(), errc::unavailable);
  EXPECT_EQ(quota.available(), 1);
}

TEST(quota, fifteen_tasks_on_a_quota_of_five_peak_at_exactly_five) {
  simulation sim;
  semaphore quota{5};
  stopper s{sim.rt, sim.options()};
  int running = 0;
  int peak = 0;
  auto spawner = [&]() -> task<void> {
    auto body = [&](context ctx) -> task<void> {
      peak = std::max(peak, ++running);
      (void)co_await sleep_for(ctx, 1s);
      --running;
    };
    for (int i = 0; i < 15; ++i) {
      auto spawned = co_await s.spawn_when_free(s.ctx(), {.name = "five", .quota = &quota}, body);
      EXPECT_TRUE(spawned);
    }
  };
  sim.run(spawner());
  const auto report = sim.stop(s);
  EXPECT_EQ(report.outcome(), shutdown_outcome::clean);
  EXPECT_EQ(peak, 5);
  EXPECT_EQ(quota.available(), 5);
}

TEST(quota, of_ten_attempts_on_five_units_five_run_and_five_are_cancelled_with_their_context) {
  simulation sim;
  semaphore quota{5};
  stopper s{sim.rt, sim.options()};
  context_source parent{sim.time};
  event gate;
  int ran = 0;
  int cancelled = 0;
  auto attempt = [&]() -> task<void> {
    auto body = [&](context) -> task<void> {
      ++ran;
      (void)co_await gate.wait({});
    };
    auto spawned =
        co_await s.spawn_when_free(parent.get(), {.name = "attempt", .quota = &quota}, body);
    if (!spawned && spawned.error().code() == errc::cancelled) ++cancelled;
  };
  for (int i = 0; i < 10; ++i) sim.start(attempt).detach();
  sim.settle();
  EXPECT_EQ(ran, 5);
  parent.cancel();
  sim.settle();
  EXPECT_EQ(cancelled, 5);
  gate.set();
  (void)sim.stop(s);
  EXPECT_EQ(ran, 5);
  EXPECT_EQ(quota.available(), 5);
}

TEST(quota, a_spawner_that_waits_is_told_when_the_stop_begins) {
  simulation sim;
  semaphore quota{1};
  stopper s{sim.rt, sim.options()};
  auto held = quota.try_acquire();
  errc told{};
  bool ran = false;
  auto waiter = [&]() -> task<void> {
    auto body = [&ran]() -> task<void> {
      ran = true;
      co_return;
    };
    auto spawned = co_await s.spawn_when_free({}, {.name = "late", .quota = &quota}, body);
    told = spawned.error().code();
  };
  sim.start(waiter).detach();
  sim.settle();
  EXPECT_EQ(sim.stop(s).outcome(), shutdown_outcome::clean);
  sim.settle();
  EXPECT_EQ(told, errc::unavailable);
  held->release();
  sim.settle();
  EXPECT_FALSE(ran);
  EXPECT_EQ(quota.available(), 1);
}

TEST(quota, is_home_before_the_count_falls_and_the_joiner_learns) {
  simulation sim;
  semaphore quota{3};
  stopper s{sim.rt, sim.options()};
  auto body = [&]() -> task<std::int64_t> {
    auto spawned = s.spawn({.name = "two", .quota = &quota, .units = 2},
                           []() -> task<void> { co_await yield(); });
    EXPECT_EQ(quota.available(), 1);
    (void)co_await *spawned;
    EXPECT_EQ(s.running(), 0U);
    co_return quota.available();
  };
  EXPECT_EQ(sim.run(body()), 3);
}

TEST(spawn_with_a_context, has_its_values_and_deadline_and_ends_with_either) {
  static constexpr context_key<std::string> request_id;
  simulation sim;
  stopper s{sim.rt, sim.options()};
  context_source request{sim.time, {.timeout = 1h}};
  const context with_id = request.get().with_value(request_id, "r7");
  std::string seen;
  errc by_parent{};
  errc by_stopper{};
  auto sleeper = [&](errc& why) {
    return [&](context ctx) -> task<void> {
      seen = *ctx.value(request_id);
      EXPECT_EQ(ctx.remaining(), 1h);
      auto slept = co_await sleep_for(ctx, 24h);
      why = slept.error().code();
    };
  };
  context_source other{with_id};
  (void)s.spawn(other.get(), {.name = "parent"}, sleeper(by_parent));
  (void)s.spawn(with_id, {.name = "stopper"}, sleeper(by_stopper));
  sim.settle();
  EXPECT_EQ(seen, "r7");
  EXPECT_EQ(by_parent, errc{});
  other.cancel(error{errc::closed, "the client left"});
  sim.settle();
  EXPECT_EQ(by_parent, errc::closed);
  EXPECT_EQ(by_stopper, errc{});
  const auto report = sim.stop(s, {.drain = 1s});
  EXPECT_EQ(by_stopper, errc::cancelled);
  EXPECT_EQ(report.cancelled, 1U);
}

TEST(spawn_with_a_context, of_the_stoppers_own_tasks_makes_no_new_registration) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto outer = [&s](context ctx) -> task<bool> {
    context_source child{ctx};
    auto inner = s.spawn(child.get(), {.name = "inner"},
                         [&child](context own) -> task<bool> { co_return own == child.get(); });
    co_return *co_await *inner;
  };
  EXPECT_TRUE(*sim.run([&]() -> task<result<bool>> {
    auto spawned = s.spawn("outer", outer);
    co_return co_await *spawned;
  }()));
}

TEST(run, gives_what_the_function_returns_and_counts_meanwhile) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  EXPECT_EQ(s.run("seven", [&s] { return s.running() + 6; }), 7U);
  EXPECT_TRUE(s.run("context", [&s](const context& ctx) { EXPECT_EQ(ctx, s.ctx()); }));
  auto failed = s.run("fails", []() -> result<int> { return fail(errc::io, "disk full"); });
  EXPECT_EQ(failed.error().code(), errc::io);
  EXPECT_EQ(s.running(), 0U);
}

TEST(run, of_a_coroutine_is_awaited_and_counted_from_start_to_end) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto body = [&]() -> task<std::size_t> {
    auto inner = [&](context ctx) -> task<std::size_t> {
      (void)co_await sleep_for(ctx, 1s);
      co_return s.running();
    };
    auto counted = s.run("coroutine", inner);
    EXPECT_EQ(s.running(), 0U);
    co_return *co_await std::move(counted);
  };
  EXPECT_EQ(sim.run(body()), 1U);
  EXPECT_EQ(s.running(), 0U);
  (void)sim.stop(s);
  auto late = sim.run(s.run("late", body));
  EXPECT_EQ(late.error().code(), errc::unavailable);
}

TEST(spawn_blocking, runs_a_plain_function_on_a_thread_that_may_wait) {
  runtime rt{{.workers = 1}};
  stopper s{rt};
  event gate;
  auto blocked = s.spawn_blocking("blocks", [&gate](const context& ctx) {
    EXPECT_TRUE(weir::wait(gate.wait(ctx)));
    return 5;
  });
  ASSERT_TRUE(blocked);
  EXPECT_EQ(s.running(), 1U);
  gate.set();
  EXPECT_EQ(*weir::wait(blocked->join({})), 5);
  EXPECT_EQ(s.running(), 0U);
  EXPECT_TRUE(weir::wait(s.stop()));
}

TEST(permit, counts_until_it_is_released_wherever_it_has_moved) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto entered = s.try_enter("elsewhere");
  ASSERT_TRUE(entered);
  EXPECT_EQ(s.running(), 1U);
  permit moved = *std::move(entered);
  EXPECT_EQ(moved.ctx(), s.ctx());
  {
    auto job = [p = std::move(moved)] { EXPECT_TRUE(p); };
    job();
    EXPECT_EQ(s.running(), 1U);
  }
  EXPECT_EQ(s.running(), 0U);
}

TEST(permit, is_given_back_by_an_executor_that_throws) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto reject = [](auto job) {
    if (job()) throw std::runtime_error{"the queue is full"};
  };
  EXPECT_THROW(reject([p = s.try_enter("rejected").value()] { return bool(p); }),
               std::runtime_error);
  EXPECT_EQ(s.running(), 0U);
}

TEST(permit, holds_up_a_stop_until_it_is_released) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  permit held = s.try_enter("held").value();
  auto stopping = sim.start([&s]() -> task<void> { (void)co_await s.stop({.drain = 1h}); });
  sim.settle();
  EXPECT_TRUE(held.ctx().draining());
  EXPECT_FALSE(s.is_stopped());
  held.release();
  held.release();
  sim.settle();
  EXPECT_TRUE(s.is_stopped());
  EXPECT_TRUE(stopping.done());
}

// ---- exceptions
// ----------------------------------------------------------------------------------

struct thrown_value {
  int value;
};

struct kept {
  std::string task;
  int value = 0;
  static void keep(void* into, const char* task, std::exception_ptr thrown) noexcept {
    auto& self = *static_cast<kept*>(into);
    self.task = task;
    try {
      std::rethrow_exception(thrown);
    } catch (const thrown_value& t) {
      self.value = t.value;
    } catch (...) {
      ADD_FAILURE() << "another type arrived";
    }
  }
};

TEST(exceptions, leave_an_inline_call_with_their_value_and_the_count_falls) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  try {
    (void)s.run("throws", [] { throw thrown_value{3}; });
    FAIL() << "nothing was thrown";
  } catch (const thrown_value& t) {
    EXPECT_EQ(t.value, 3);
  }
  auto throws = []() -> task<int> {
    throw thrown_value{4};
    co_return 0;
  };
  EXPECT_THROW((void)sim.run(s.run("throws", throws)), thrown_value);
  EXPECT_EQ(s.running(), 0U);
}

TEST(exceptions, of_a_detached_task_reach_the_handler_intact_and_the_quota_is_home) {
  simulation sim;
  semaphore quota{1};
  kept got;
  auto options = sim.options();
  options.on_exception = exception_policy::hand_to(kept::keep, &got);
  stopper s{sim.rt, options};
  auto throws = [](int value) {
    return [value]() -> task<void> {
      co_await yield();
      throw thrown_value{value};
    };
  };
  s.spawn("first", throws(1)).value().detach();
  sim.settle();
  EXPECT_EQ(got.task, "first");
  EXPECT_EQ(got.value, 1);
  s.spawn({.name = "second", .quota = &quota}, throws(2)).value().detach();
  sim.settle();
  EXPECT_EQ(got.value, 2);
  EXPECT_EQ(quota.available(), 1);
  EXPECT_EQ(s.running(), 0U);
}

TEST(exceptions, of_a_task_that_is_joined_reach_the_joiner_alone) {
  simulation sim;
  kept got;
  auto options = sim.options();
  options.on_exception = exception_policy::hand_to(kept::keep, &got);
  stopper s{sim.rt, options};
  auto body = [&s]() -> task<int> {
    auto throwing = s.spawn("joined", []() -> task<int> {
      throw thrown_value{8};
      co_return 0;
    });
    try {
      (void)co_await *throwing;
    } catch (const thrown_value& t) {
      co_return t.value;
    }
    co_return 0;
  };
  EXPECT_EQ(sim.run(body()), 8);
  EXPECT_EQ(got.value, 0);
}

TEST(exceptions, of_a_handle_dropped_after_the_stopper_is_gone_still_reach_the_handler) {
  simulation sim;
  kept got;
  task_handle<void> handle;
  {
    auto options = sim.options();
    options.on_exception = exception_policy::hand_to(kept::keep, &got);
    stopper s{sim.rt, options};
    handle = s.spawn("late", []() -> task<void> {
                throw thrown_value{6};
                co_return;
              }).value();
    (void)sim.stop(s);
  }
  EXPECT_EQ(got.value, 0);
  handle.detach();
  EXPECT_EQ(got.task, "late");
  EXPECT_EQ(got.value, 6);
}

TEST(exceptions, under_the_stop_policy_the_first_one_stops_and_is_in_the_report) {
  simulation sim;
  auto options = sim.options();
  options.on_exception = exception_policy::stop();
  stopper s{sim.rt, options};
  s.spawn("broken",
          []() -> task<void> {
            throw std::runtime_error{"out of cheese"};
            co_return;
          })
      .value()
      .detach();
  bool told = false;
  s.spawn("other",
          [&told](context ctx) -> task<void> {
            (void)co_await until_draining(ctx);
            told = true;
          })
      .value()
      .detach();
  sim.settle();
  EXPECT_TRUE(told);
  ASSERT_TRUE(s.is_stopped());
  const auto report = weir::wait(s.stopped()).value();
  EXPECT_EQ(report.origin, shutdown_origin::failed_task);
  EXPECT_EQ(report.reason, "broken");
  EXPECT_EQ(report.outcome(), shutdown_outcome::failed);
  EXPECT_NE(report.to_string().find("out of cheese"), std::string::npos);
}

void let_a_task_throw() {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto fatal = []() -> task<void> {
    throw std::runtime_error{"no way on"};
    co_return;
  };
  s.spawn("fatal", fatal).value().detach();
  sim.settle();
}

TEST(exceptions, that_nobody_asked_for_name_the_task_and_terminate_by_default) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(let_a_task_throw(), "task 'fatal' \\(.*task_test.cpp:[0-9]+\\) ended .*no way on");
}

}  // namespace
}  // namespace weir
