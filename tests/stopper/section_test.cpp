// What a task says of itself, and the sections in which it must not be disturbed.
#include <weir/context/shield.hpp>
#include <weir/stopper/note.hpp>

#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;

TEST(note, the_last_one_is_in_the_report_of_who_does_not_end) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  auto deaf = [&gate]() -> task<void> {
    note("looking for a peer");
    note("waiting for peer 7");
    (void)co_await gate.wait({});
  };
  s.spawn("deaf", deaf).value().detach();
  sim.settle();
  const auto report = sim.stop(s, {.drain = 0s, .cancel = 1s, .close = 0s});
  ASSERT_EQ(report.stragglers.size(), 1U);
  EXPECT_EQ(report.stragglers[0].note, "waiting for peer 7");
  EXPECT_NE(report.to_string().find("peer 7"), std::string::npos);
  gate.set();
  sim.settle();
}

TEST(note, an_empty_one_takes_it_back) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  auto deaf = [&gate]() -> task<void> {
    note("busy");
    note("");
    (void)co_await gate.wait({});
  };
  s.spawn("deaf", deaf).value().detach();
  sim.settle();
  const auto report = sim.stop(s, {.drain = 0s, .cancel = 1s, .close = 0s});
  ASSERT_EQ(report.stragglers.size(), 1U);
  EXPECT_EQ(report.stragglers[0].note, "");
  gate.set();
  sim.settle();
}

TEST(note, outside_the_tasks_of_a_stopper_is_nothing) {
  note("nobody asks");
  simulation sim;
  auto outside = sim.start([]() -> task<void> {
    note("nobody asks");
    co_return;
  });
  sim.settle();
  EXPECT_TRUE(outside.done());
}

TEST(shield, lets_a_cancelled_task_finish_its_last_steps) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  bool told = false;
  auto polite = [&told](context ctx) -> task<void> {
    (void)co_await until_cancelled(ctx);
    const shield last_words{ctx, 2s};
    auto said = co_await sleep_for(last_words.get(), 1s);
    told = said.has_value();
  };
  s.spawn("polite", polite).value().detach();
  sim.settle();
  const auto report = sim.stop(s, {.drain = 0s, .cancel = 5s});
  EXPECT_TRUE(told);
  EXPECT_EQ(report.cancelled, 1U);
  EXPECT_EQ(report.cancel, 1s);
}

TEST(shield, a_task_spawned_within_is_the_stoppers_all_the_same) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  errc seen = errc::failed;
  const shield section{s.ctx(), 1h};
  auto sleeper = [&seen](context ctx) -> task<void> {
    auto slept = co_await sleep_for(ctx, 1min);
    if (!slept) seen = slept.error().code();
  };
  s.spawn(section.get(), {.name = "sleeper"}, sleeper).value().detach();
  sim.settle();
  const auto report = sim.stop(s, {.drain = 0s, .cancel = 5s});
  EXPECT_EQ(seen, errc::cancelled);
  EXPECT_EQ(report.remaining, 0U);
}

}  // namespace
}  // namespace weir
