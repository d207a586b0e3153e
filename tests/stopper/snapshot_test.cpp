#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include <weir/stopper/note.hpp>

#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;
using testing::HasSubstr;
using testing::Not;

/// A task that ends when the gate opens, and a task that ends when it is cancelled.
auto until_set(event& gate) {
  return [&gate]() -> task<void> { (void)co_await gate.wait({}); };
}
task<void> until_cancel(context ctx) {
  (void)co_await until_cancelled(ctx);
}

TEST(snapshot, names_each_task_with_its_site_age_and_phase) {
  simulation sim;
  stopper s{sim.rt, sim.options("ledger")};
  event gate;
  s.spawn("first", until_set(gate)).value().detach();
  sim.pass(3s);
  const auto line = std::source_location::current().line() + 1;
  s.spawn("second", until_cancel).value().detach();
  sim.pass(2s);

  const auto seen = sim.rt.snapshot();
  ASSERT_EQ(seen.entries.size(), 1U);
  const snapshot_entry& entry = seen.entries[0];
  EXPECT_EQ(entry.kind, "stopper");
  EXPECT_EQ(entry.name, "ledger");
  EXPECT_EQ(entry.phase, "running");
  EXPECT_EQ(entry.age, 5s);
  EXPECT_EQ(entry.oldest, 5s);
  EXPECT_EQ(entry.running, 2U);
  ASSERT_EQ(entry.tasks.size(), 2U);
  EXPECT_EQ(entry.tasks[0].name, "first");
  EXPECT_EQ(entry.tasks[1].name, "second");
  EXPECT_EQ(entry.tasks[1].site.line(), line);
  EXPECT_EQ(entry.tasks[1].age, 2s);
  EXPECT_STREQ(entry.tasks[1].phase, "running");
  EXPECT_FALSE(entry.tasks[1].cancelled_for);
  gate.set();
  (void)sim.stop(s, {.drain = 0s});
}

TEST(snapshot, has_names_that_were_made_at_run_time_from_the_stopper) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  const char* name = nullptr;
  {
    const std::string made = "tenant " + std::to_string(7);
    name = s.intern(made);
    s.spawn(name, until_set(gate)).value().detach();
  }
  EXPECT_EQ(s.intern("tenant 7"), name);
  EXPECT_NE(s.intern("tenant 8"), name);
  EXPECT_EQ(s.snapshot().entries[0].tasks[0].name, "tenant 7");
  gate.set();
  (void)sim.stop(s, {.drain = 0s});
}

TEST(snapshot, follows_a_stop_through_its_phases) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  s.spawn("stays", until_set(gate)).value().detach();
  s.spawn({.name = "early", .on_quiesce = quiesce_action::cancel}, until_set(gate))
      .value()
      .detach();
  s.request_stop({.drain = 10s, .cancel = 10s});
  sim.pass(4s);
  auto seen = s.snapshot();
  EXPECT_EQ(seen.entries[0].phase, "draining");
  EXPECT_STREQ(seen.entries[0].tasks[0].phase, "draining");
  EXPECT_EQ(seen.entries[0].tasks[1].cancelled_for, 4s);
  sim.pass(6s);
  sim.pass(1s);
  seen = s.snapshot();
  EXPECT_EQ(seen.entries[0].phase, "cancelling");
  EXPECT_EQ(seen.entries[0].tasks[0].cancelled_for, 1s);
  EXPECT_EQ(seen.entries[0].tasks[1].cancelled_for, 11s);
  EXPECT_THAT(seen.to_string(), HasSubstr("'stays' for 11s, cancelled 1s ago (stopper/snap"));
  gate.set();
  sim.pass(0s);
  EXPECT_EQ(s.snapshot().entries[0].phase, "stopped");
}

TEST(snapshot, looks_at_no_more_than_it_is_asked_for) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  for (int i = 0; i < 5; ++i) s.spawn("waits", until_set(gate)).value().detach();
  const auto counts = sim.rt.snapshot(snapshot_detail::counts);
  EXPECT_EQ(counts.running(), 5U);
  EXPECT_TRUE(counts.entries[0].tasks.empty());
  const auto names = sim.rt.snapshot(snapshot_detail::names);
  EXPECT_EQ(names.entries[0].tasks.size(), 5U);
  EXPECT_THAT(names.to_string(), Not(HasSubstr("'waits' for 0ns, running (")));
  EXPECT_THAT(names.to_string(2), HasSubstr("  and 3 more\n"));
  gate.set();
  (void)sim.stop(s);
}

TEST(snapshot, counts_what_was_started_refused_and_throttled) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  semaphore one{1};
  event gate;
  s.spawn({.name = "has it", .quota = &one}, until_set(gate)).value().detach();
  EXPECT_FALSE(s.spawn({.name = "too many", .quota = &one}, until_set(gate)));
  EXPECT_TRUE(s.run("inline", [] {}));
  s.request_stop({.drain = 1h});
  sim.settle();
  EXPECT_FALSE(s.run("late", [] {}));
  EXPECT_FALSE(s.spawn("late", until_set(gate)));
  const auto entry = s.snapshot(snapshot_detail::counts).entries[0];
  EXPECT_EQ(entry.started, 2U);
  EXPECT_EQ(entry.refused, 2U);
  EXPECT_EQ(entry.throttled, 1U);
  EXPECT_EQ(entry.running, 1U);
  gate.set();
  sim.settle();
}

TEST(snapshot, tells_how_long_tasks_took_to_end_after_their_cancellation) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  s.spawn("by itself", [](context ctx) -> task<void> { (void)co_await until_draining(ctx); })
      .value()
      .detach();
  s.spawn("at once", until_cancel).value().detach();
  s.spawn("slow", until_set(gate)).value().detach();
  s.request_stop({.drain = 1s, .cancel = 1h});
  sim.pass(1s);
  sim.pass(3s);
  gate.set();
  sim.settle();
  const time_histogram exits = s.snapshot().entries[0].exits;
  EXPECT_EQ(exits.count, 2U) << "one had ended by itself";
  EXPECT_EQ(exits.below[0], 1U);
  EXPECT_EQ(exits.below[4], 1U);
  EXPECT_EQ(exits.longest, 3s);
  EXPECT_EQ(exits.mean(), 1500ms);
  EXPECT_THAT(s.snapshot().to_string(), HasSubstr("2 ended after they were cancelled, in 1.5s"));
}

TEST(snapshot, as_json_is_valid_whatever_a_name_contains) {
  simulation sim;
  stopper s{sim.rt, sim.options("quote \" back \\ tab \t delete \x7f")};
  event gate;
  s.spawn("wei\xc3\x9f \xf0\x9f\x90\x9f", until_set(gate)).value().detach();
  sim.pass(1s);
  s.spawn("cut \xc3", until_set(gate)).value().detach();
  sim.pass(1s);
  s.spawn("overlong \xc0\xaf surrogate \xed\xa0\x80 far \xf4\x90\x80\x80", until_set(gate))
      .value()
      .detach();
  const auto read = nlohmann::json::parse(sim.rt.snapshot().to_json());
  EXPECT_EQ(read["runtime"], "weir");
  const auto& entry = read["entries"][0];
  EXPECT_EQ(entry["name"], "quote \" back \\ tab \t delete \x7f");
  EXPECT_EQ(entry["tasks"][0]["name"], "wei\xc3\x9f \xf0\x9f\x90\x9f");
  EXPECT_EQ(entry["tasks"][0]["age_ns"], 2'000'000'000);
  EXPECT_EQ(entry["tasks"][1]["name"], "cut \xef\xbf\xbd");
  EXPECT_THAT(std::string{entry["tasks"][2]["name"]}, HasSubstr("overlong \xef\xbf\xbd\xef\xbf"));
  EXPECT_THAT(std::string{entry["tasks"][0]["file"]}, HasSubstr("snapshot_test.cpp"));
  gate.set();
  (void)sim.stop(s);
}

TEST(snapshot, has_the_last_note_of_a_task) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  s.spawn("polite",
          [&gate]() -> task<void> {
            note("waiting for peer 7");
            (void)co_await gate.wait({});
          })
      .value()
      .detach();
  sim.settle();
  EXPECT_EQ(s.snapshot().entries[0].tasks[0].note, "waiting for peer 7");
  EXPECT_THAT(s.snapshot().to_string(), HasSubstr("running: waiting for peer 7"));
  EXPECT_THAT(s.snapshot().to_json(), HasSubstr("\"note\":\"waiting for peer 7\""));
  gate.set();
  (void)sim.stop(s);
}

TEST(snapshot, of_many_sees_each_once_and_the_oldest_first) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  std::vector<permit> held;
  for (int i = 0; i < 1000; ++i) {
    held.push_back(s.try_enter("held").value());
    sim.time.advance(1ms);
  }
  const auto tasks = s.snapshot().entries[0].tasks;
  ASSERT_EQ(tasks.size(), 1000U);
  for (std::size_t i = 1; i < tasks.size(); ++i) {
    ASSERT_EQ(tasks[i - 1].age - tasks[i].age, 1ms) << i;
  }
  held.clear();
}

TEST(snapshot, taken_while_others_come_and_go_has_all_that_stay) {
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  std::vector<permit> stay;
  for (int i = 0; i < 500; ++i) stay.push_back(s.try_enter("stays").value());
  std::atomic<bool> enough{false};
  std::vector<std::thread> others;
  for (int t = 0; t < 2; ++t) {
    others.emplace_back([&] {
      while (!enough) EXPECT_TRUE(s.run("passes", [] {}));
    });
  }
  others.emplace_back([&] {
    while (!enough) (void)s.snapshot(snapshot_detail::names);
  });
  for (int i = 0; i < 50; ++i) {
    const auto tasks = s.snapshot(snapshot_detail::names).entries[0].tasks;
    const auto stayed = [](const snapshot_task& one) { return one.name == "stays"; };
    EXPECT_EQ(std::count_if(tasks.begin(), tasks.end(), stayed), 500);
  }
  enough = true;
  for (std::thread& one : others) one.join();
  EXPECT_EQ(s.running(), 500U);
  stay.clear();
}

TEST(snapshot, of_a_runtime_tells_of_pools_and_stoppers_in_the_order_they_were_made) {
  runtime rt{{.workers = 1, .name = "two"}};
  stopper first{rt, {.name = "first"}};
  stopper second{rt, {.name = "second"}};
  const auto text = rt.snapshot().to_string();
  EXPECT_THAT(text, HasSubstr("runtime 'two': 0 live in 2 stoppers and pools\n"));
  EXPECT_LT(text.find("'first'"), text.find("'second'"));
}

}  // namespace
}  // namespace weir
