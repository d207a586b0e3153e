// Tasks that begin later.
#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;

TEST(spawn_after, begins_when_the_delay_is_over_and_not_before) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto answer = []() -> task<int> { co_return 42; };
  auto later = s.spawn_after(5s, {.name = "later"}, answer).value();
  sim.pass(5s - 1ns);
  EXPECT_FALSE(later.started());
  sim.pass(1ns);
  EXPECT_TRUE(later.started());
  EXPECT_EQ(wait(later.join({})).value(), 42);
  sim.stop(s);
}

TEST(spawn_after, cancelled_before_it_is_due_never_starts) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  bool ran = false;
  auto mark = [&ran]() -> task<void> {
    ran = true;
    co_return;
  };
  auto later = s.spawn_after(5s, {}, mark).value();
  sim.pass(1s);
  later.cancel();
  sim.settle();
  EXPECT_EQ(wait(later.join({})).error().code(), errc::cancelled);
  sim.pass(1h);
  EXPECT_FALSE(ran);
  EXPECT_EQ(s.running(), 0U);
  EXPECT_TRUE(sim.stop(s).dropped.empty());
}

TEST(spawn_after, cancelled_while_it_runs_sees_it_in_its_context) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto sleeper = [](context ctx) -> task<result<void>> { co_return co_await sleep_for(ctx, 1h); };
  auto later = s.spawn_after(5s, {}, sleeper).value();
  sim.pass(6s);
  EXPECT_TRUE(later.started());
  later.cancel();
  sim.settle();
  EXPECT_EQ(wait(later.join({})).error().code(), errc::cancelled);
  sim.stop(s);
}

TEST(spawn_after, cancelled_after_its_end_is_nothing) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto answer = []() -> task<int> { co_return 42; };
  auto later = s.spawn_after(0s, {}, answer).value();
  sim.settle();
  later.cancel();
  EXPECT_EQ(wait(later.join({})).value(), 42);
  sim.stop(s);
}

TEST(spawn_after, what_is_not_due_when_the_stop_begins_is_reported_and_never_runs) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  bool ran = false;
  auto mark = [&ran]() -> task<void> {
    ran = true;
    co_return;
  };
  auto later = s.spawn_after(5s, {.name = "mail"}, mark).value();
  sim.settle();
  const auto report = sim.stop(s);
  EXPECT_EQ(report.total, 0s);
  EXPECT_EQ(wait(later.join({})).error().code(), errc::unavailable);
  ASSERT_EQ(report.dropped.size(), 1U);
  EXPECT_EQ(report.dropped[0].name, "mail");
  EXPECT_NE(report.to_string().find("dropped"), std::string::npos);
  EXPECT_EQ(report.outcome(), shutdown_outcome::clean);
  sim.pass(1h);
  EXPECT_FALSE(ran);
}

TEST(spawn_after, asks_for_its_quota_when_it_is_due) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  semaphore quota{1};
  auto answer = []() -> task<int> { co_return 42; };
  auto first = s.spawn_after(1s, {.quota = &quota}, answer).value();
  EXPECT_EQ(quota.available(), 1);
  sim.pass(1s);
  EXPECT_EQ(wait(first.join({})).value(), 42);
  EXPECT_EQ(quota.available(), 1);
  auto held = quota.try_acquire(1);
  auto second = s.spawn_after(1s, {.quota = &quota}, answer).value();
  sim.pass(1s);
  EXPECT_EQ(wait(second.join({})).error().code(), errc::throttled);
  sim.stop(s);
}

TEST(spawn_after, is_refused_once_the_stop_has_begun) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  sim.stop(s);
  auto answer = []() -> task<int> { co_return 42; };
  EXPECT_EQ(s.spawn_after(1s, {}, answer).error().code(), errc::unavailable);
}

TEST(spawn_after, a_dropped_handle_lets_it_go_on) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  int ran = 0;
  auto mark = [&ran]() -> task<void> {
    ++ran;
    co_return;
  };
  s.spawn_after(1s, {}, mark).value().detach();
  {
    auto dropped = s.spawn_after(1s, {}, mark).value();
  }
  sim.pass(1s);
  EXPECT_EQ(ran, 2);
  sim.stop(s);
}

}  // namespace
}  // namespace weir
