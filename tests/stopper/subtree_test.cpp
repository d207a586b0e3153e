// Stoppers that are parts of others.
#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;

stopper_options below(simulation& sim, stopper& parent, const char* name) {
  stopper_options options = sim.options(name);
  options.parent = &parent;
  return options;
}

/// A task that ends when its context drains.
auto polite() {
  return [](context ctx) -> task<void> { (void)co_await until_draining(ctx); };
}

TEST(subtree, names_join_with_dots) {
  simulation sim;
  stopper house{sim.rt, sim.options("house")};
  stopper room{sim.rt, below(sim, house, "room")};
  stopper shelf{sim.rt, below(sim, room, "shelf")};
  EXPECT_STREQ(shelf.name(), "house.room.shelf");
}

TEST(subtree, stopping_a_child_stops_its_subtree_only) {
  simulation sim;
  stopper house{sim.rt, sim.options("house")};
  stopper room{sim.rt, below(sim, house, "room")};
  stopper shelf{sim.rt, below(sim, room, "shelf")};
  stopper other{sim.rt, below(sim, house, "other")};
  shelf.spawn("book", polite()).value().detach();
  other.spawn("guest", polite()).value().detach();
  sim.settle();
  const auto report = sim.stop(room);
  EXPECT_EQ(report.outcome(), shutdown_outcome::clean);
  ASSERT_EQ(report.children.size(), 1U);
  EXPECT_EQ(report.children[0].stopper, "house.room.shelf");
  EXPECT_EQ(report.children[0].drained, 1U);
  EXPECT_TRUE(shelf.is_stopped());
  EXPECT_FALSE(house.is_quiescing());
  EXPECT_FALSE(other.is_quiescing());
  EXPECT_EQ(other.running(), 1U);
  sim.stop(house);
}

TEST(subtree, stopping_the_parent_runs_the_closers_of_children_first) {
  simulation sim;
  std::vector<std::string> order;
  stopper house{sim.rt, sim.options("house")};
  stopper room{sim.rt, below(sim, house, "room")};
  house.defer("house", [&] { order.emplace_back("house"); }).keep();
  room.defer("room", [&] { order.emplace_back("room"); }).keep();
  auto slow = [](context ctx) -> task<void> {
    (void)co_await until_draining(ctx);
    (void)co_await sleep_for(context{ctx}, 2s);
  };
  room.spawn("slow", slow).value().detach();
  sim.settle();
  const auto report = sim.stop(house, {.drain = 10s});
  EXPECT_EQ(order, (std::vector<std::string>{"room", "house"}));
  EXPECT_EQ(report.drain, 2s);
  EXPECT_TRUE(room.is_stopped());
  EXPECT_EQ(report.outcome(), shutdown_outcome::clean);
}

TEST(subtree, the_parents_refusal_and_cancellation_reach_the_tasks_of_children) {
  simulation sim;
  stopper house{sim.rt, sim.options("house")};
  stopper room{sim.rt, below(sim, house, "room")};
  auto stubborn = [](context ctx) -> task<void> { (void)co_await until_cancelled(ctx); };
  room.spawn("stubborn", stubborn).value().detach();
  sim.settle();
  house.request_stop({.drain = 3s, .cancel = 3s});
  sim.settle();
  EXPECT_EQ(room.spawn("late", polite()).error().code(), errc::unavailable);
  sim.pass(3s);
  EXPECT_TRUE(house.is_stopped());
  const auto report = sim.run(
      [](stopper& s) -> task<shutdown_report> { co_return (co_await s.stopped()).value(); }(house));
  EXPECT_EQ(report.outcome(), shutdown_outcome::forced);
  EXPECT_EQ(report.exit_code(), 3);
  ASSERT_EQ(report.children.size(), 1U);
  EXPECT_EQ(report.children[0].cancelled, 1U);
  EXPECT_NE(report.to_string().find("'house.room' forced"), std::string::npos);
}

TEST(subtree, a_child_that_does_not_end_is_in_its_parents_report) {
  simulation sim;
  stopper house{sim.rt, sim.options("house")};
  stopper room{sim.rt, below(sim, house, "room")};
  event gate;
  room.spawn("deaf", [&gate]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
  sim.settle();
  const auto report = sim.stop(house, {.drain = 1s, .cancel = 1s, .close = 1s});
  EXPECT_EQ(report.total, 3s);
  EXPECT_EQ(report.outcome(), shutdown_outcome::abandoned);
  ASSERT_EQ(report.children.size(), 1U);
  ASSERT_EQ(report.children[0].stragglers.size(), 1U);
  EXPECT_EQ(report.children[0].stragglers[0].name, "deaf");
  gate.set();
  sim.settle();
}

TEST(subtree, hurrying_the_parent_hurries_its_children) {
  simulation sim;
  stopper house{sim.rt, sim.options("house")};
  stopper room{sim.rt, below(sim, house, "room")};
  auto stubborn = [](context ctx) -> task<void> { (void)co_await until_cancelled(ctx); };
  room.spawn("stubborn", stubborn).value().detach();
  sim.settle();
  house.request_stop({.drain = 1h});
  sim.settle();
  EXPECT_FALSE(house.is_stopped());
  house.request_stop({.drain = 0s});
  sim.settle();
  EXPECT_TRUE(house.is_stopped());
}

TEST(subtree, a_child_made_during_the_stop_refuses_at_once) {
  simulation sim;
  stopper house{sim.rt, sim.options("house")};
  auto slow = [](context ctx) -> task<void> { (void)co_await until_cancelled(ctx); };
  house.spawn("slow", slow).value().detach();
  sim.settle();
  house.request_stop({.drain = 5s});
  sim.settle();
  stopper late{sim.rt, below(sim, house, "late")};
  EXPECT_TRUE(late.is_quiescing());
  EXPECT_FALSE(late.spawn("never", polite()));
  sim.pass(5s);
  EXPECT_TRUE(house.is_stopped());
  EXPECT_TRUE(late.is_stopped());
}

TEST(subtree, a_child_that_was_destroyed_is_not_waited_for) {
  simulation sim;
  stopper house{sim.rt, sim.options("house")};
  {
    stopper room{sim.rt, below(sim, house, "room")};
  }
  const auto report = sim.stop(house);
  EXPECT_EQ(report.total, 0s);
  ASSERT_EQ(report.children.size(), 1U);
  EXPECT_EQ(report.children[0].outcome(), shutdown_outcome::clean);
}

TEST(subtree, quiescing_the_parent_waits_for_the_tasks_of_children) {
  simulation sim;
  stopper house{sim.rt, sim.options("house")};
  stopper room{sim.rt, below(sim, house, "room")};
  room.spawn("polite", polite()).value().detach();
  sim.settle();
  EXPECT_TRUE(sim.run(house.quiesce({})));
  EXPECT_EQ(room.running(), 0U);
  EXPECT_TRUE(room.is_quiescing());
  EXPECT_FALSE(room.is_stopped());
}

TEST(subtree, stopping_the_parent_inside_a_childs_task_is_an_error) {
  simulation sim;
  stopper house{sim.rt, sim.options("house")};
  stopper room{sim.rt, below(sim, house, "room")};
  errc seen = errc::failed;
  auto inside = [&]() -> task<void> {
    auto report = co_await house.stop();
    if (!report) seen = report.error().code();
  };
  room.spawn("inside", inside).value().detach();
  sim.settle();
  EXPECT_EQ(seen, errc::would_deadlock);
}

TEST(subtree, stops_on_real_threads) {
  for (int round = 0; round < 100; ++round) {
    runtime rt{{.workers = 2}};
    stopper house{rt, {.name = "house", .heartbeat = {}}};
    stopper room{rt, {.name = "room", .parent = &house, .heartbeat = {}}};
    for (int i = 0; i < 4; ++i) {
      room.spawn("guest", polite()).value().detach();
      house.spawn("host", polite()).value().detach();
    }
    core::thread other;
    ASSERT_EQ(other.start(
                  "stop", [](void* s) { (void)wait(static_cast<stopper*>(s)->stop()); }, &room),
              0);
    const auto report = wait(house.stop());
    other.join();
    ASSERT_TRUE(report);
    EXPECT_EQ(report->outcome(), shutdown_outcome::clean);
    EXPECT_EQ(report->children.size(), 1U);
  }
}

}  // namespace
}  // namespace weir
