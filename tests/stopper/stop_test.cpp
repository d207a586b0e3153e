#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;

/// Spawns a task that ends after `length`, or when it is cancelled.
void spawn_sleeper(stopper& s, duration length) {
  s.spawn("sleeper", [length](context ctx) -> task<void> { (void)co_await sleep_for(ctx, length); })
      .value()
      .detach();
}

TEST(stop, waits_for_a_task_that_sees_it_meanwhile_and_returns_when_it_has_ended) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  auto running = s.spawn("task", [&gate]() -> task<void> { (void)co_await gate.wait({}); });
  bool stopped = false;
  bool saw_quiescing = false;
  bool saw_stopped = false;
  sim.start([&]() -> task<void> {
       (void)co_await s.quiescing();
       saw_quiescing = true;
       (void)co_await s.stopped();
       saw_stopped = true;
     })
      .detach();
  sim.start([&]() -> task<void> {
       (void)co_await s.stop({.drain = 1h});
       stopped = true;
     })
      .detach();
  sim.settle();
  EXPECT_TRUE(saw_quiescing);
  EXPECT_TRUE(s.is_quiescing());
  EXPECT_FALSE(saw_stopped);
  EXPECT_FALSE(stopped);
  gate.set();
  sim.settle();
  EXPECT_TRUE(stopped);
  EXPECT_TRUE(saw_stopped);
  EXPECT_TRUE(running->done());
}

TEST(stop, three_tasks_end_on_the_quiescing_signal) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  int ended = 0;
  for (int i = 0; i < 3; ++i) {
    s.spawn("waits",
            [&]() -> task<void> {
              (void)co_await s.quiescing();
              ++ended;
            })
        .value()
        .detach();
  }
  const auto report = sim.stop(s);
  EXPECT_EQ(ended, 3);
  EXPECT_EQ(report.tasks, 3U);
  EXPECT_EQ(report.drained, 3U);
  EXPECT_EQ(report.outcome(), shutdown_outcome::clean);
  EXPECT_EQ(report.exit_code(), 0);
}

TEST(stop, when_the_drain_budget_ends_contexts_are_cancelled_and_the_report_says_forced) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  std::optional<context_cause> cause;
  s.spawn("slow",
          [&](context ctx) -> task<void> {
            (void)co_await sleep_for(ctx, 24h);
            cause = ctx.cancel_cause();
          })
      .value()
      .detach();
  const auto report = sim.stop(s, {.drain = 10s, .cancel = 5s});
  EXPECT_EQ(report.outcome(), shutdown_outcome::forced);
  EXPECT_EQ(report.exit_code(), 3);
  EXPECT_EQ(report.drain, 10s);
  EXPECT_EQ(report.cancel, 0s);
  EXPECT_EQ(report.cancelled, 1U);
  EXPECT_EQ(report.remaining, 0U);
  ASSERT_TRUE(cause);
  EXPECT_EQ(cause->what.code(), errc::cancelled);
}

TEST(stop, with_no_drain_budget_cancels_at_once_and_is_not_forced) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  spawn_sleeper(s, 24h);
  sim.settle();
  const auto report = sim.stop(s, {.drain = 0s});
  EXPECT_EQ(report.total, 0s);
  EXPECT_EQ(report.cancelled, 1U);
  EXPECT_EQ(report.outcome(), shutdown_outcome::clean);
}

TEST(stop, a_task_that_ignores_cancellation_is_named_and_the_exit_code_says_so) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  sim.time.advance(2h);
  s.spawn("deaf", [&gate]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
  sim.pass(1h);
  const auto report = sim.stop(s, {.drain = 10s, .cancel = 5s, .close = 1s});
  EXPECT_EQ(report.outcome(), shutdown_outcome::abandoned);
  EXPECT_EQ(report.exit_code(), 4);
  EXPECT_EQ(report.remaining, 1U);
  EXPECT_EQ(report.total, 16s);
  ASSERT_EQ(report.stragglers.size(), 1U);
  EXPECT_EQ(report.stragglers[0].name, "deaf");
  EXPECT_NE(std::string{report.stragglers[0].site.file_name()}.find("stop_test.cpp"),
            std::string::npos);
  EXPECT_EQ(report.stragglers[0].age, 1h + 16s);
  EXPECT_EQ(report.stragglers[0].cancelled_for, 6s);
  gate.set();  // late, but home before the stopper goes
  sim.settle();
  EXPECT_EQ(s.running(), 0U);
}

TEST(stop, tasks_spawned_to_be_cancelled_on_quiesce_are_cancelled_while_others_drain) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  errc accept_loop{};
  bool finished = false;
  s.spawn({.name = "accept", .on_quiesce = quiesce_action::cancel},
          [&](context ctx) -> task<void> {
            auto slept = co_await sleep_for(ctx, 24h);
            accept_loop = slept.error().code();
          })
      .value()
      .detach();
  s.spawn("finish",
          [&](context ctx) -> task<void> {
            finished = (co_await sleep_for(ctx, 2s)).has_value();
            EXPECT_TRUE(ctx.draining());
            EXPECT_FALSE(ctx.cancelled());
            EXPECT_EQ(accept_loop, errc::cancelled);
          })
      .value()
      .detach();
  sim.settle();
  const auto report = sim.stop(s);
  EXPECT_TRUE(finished);
  EXPECT_EQ(report.outcome(), shutdown_outcome::clean);
  EXPECT_EQ(report.total, 2s);
}

TEST(stop, any_number_of_callers_get_the_same_report) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  spawn_sleeper(s, 3s);
  std::vector<shutdown_report> reports;
  for (int i = 0; i < 8; ++i) {
    sim.start([&]() -> task<void> { reports.push_back((co_await s.stop()).value()); }).detach();
  }
  sim.settle();
  EXPECT_TRUE(reports.empty());
  sim.pass(3s);
  reports.push_back(sim.stop(s));
  ASSERT_EQ(reports.size(), 9U);
  for (const auto& report : reports) {
    EXPECT_EQ(report.total, 3s);
    EXPECT_EQ(report.to_string(), reports[0].to_string());
  }
}

TEST(stop, a_later_caller_tightens_the_budgets_and_never_extends_them) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  spawn_sleeper(s, 24h);
  std::optional<shutdown_report> first;
  sim.start([&]() -> task<void> { first = (co_await s.stop({.drain = 1h})).value(); }).detach();
  sim.settle();
  sim.pass(1s);
  sim.start([&]() -> task<void> { (void)co_await s.stop({.drain = 2h}); }).detach();
  sim.settle();
  sim.pass(1s);
  EXPECT_FALSE(s.is_stopped());
  const auto report = sim.stop(s, {.drain = 3s});
  sim.settle();
  EXPECT_EQ(report.drain, 5s);
  EXPECT_EQ(first->drain, 5s);
}

TEST(stop, inside_one_of_its_own_tasks_is_an_error_and_begins_nothing) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  errc stopped{};
  errc quiesced{};
  errc in_run{};
  s.spawn("suicidal",
          [&]() -> task<void> {
            stopped = (co_await s.stop()).error().code();
            quiesced = (co_await s.quiesce({})).error().code();
          })
      .value()
      .detach();
  auto runs = [&]() -> task<void> { in_run = (co_await s.stop()).error().code(); };
  (void)sim.run(s.run("coroutine", runs));
  sim.settle();
  EXPECT_EQ(stopped, errc::would_deadlock);
  EXPECT_EQ(quiesced, errc::would_deadlock);
  EXPECT_EQ(in_run, errc::would_deadlock);
  EXPECT_FALSE(s.is_quiescing());
  EXPECT_TRUE(sim.run(s.stop()));
}

TEST(stop, made_outside_and_awaited_inside_an_own_task_is_an_error_too) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto made_outside = s.stop();
  errc told{};
  s.spawn("suicidal",
          [&]() -> task<void> { told = (co_await std::move(made_outside)).error().code(); })
      .value()
      .detach();
  sim.settle();
  EXPECT_EQ(told, errc::would_deadlock);
}

TEST(stop, asked_for_inside_a_task_without_waiting_goes_on_in_the_background) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  s.spawn("asks",
          [&]() -> task<void> {
            s.request_stop({.reason = "the lease was lost"});
            co_return;
          })
      .value()
      .detach();
  sim.settle();
  ASSERT_TRUE(s.is_stopped());
  EXPECT_EQ(weir::wait(s.stopped())->reason, "the lease was lost");
}

TEST(quiesce, waits_for_tasks_bounded_by_its_context_and_runs_no_closer) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  bool closed = false;
  s.defer("closer", [&closed] { closed = true; }).keep();
  spawn_sleeper(s, 1h);
  auto hurried = [&]() -> task<errc> {
    context_source limit{sim.time, {.timeout = 1s}};
    co_return (co_await s.quiesce(limit.get())).error().code();
  };
  EXPECT_EQ(sim.run(hurried()), errc::deadline_exceeded);
  EXPECT_TRUE(s.is_quiescing());
  EXPECT_TRUE(sim.run(s.quiesce({})));
  EXPECT_EQ(s.running(), 0U);
  EXPECT_FALSE(closed);
  EXPECT_FALSE(s.is_stopped());
  const auto report = sim.stop(s);
  EXPECT_TRUE(closed);
  EXPECT_EQ(report.tasks, 1U);
  EXPECT_EQ(report.outcome(), shutdown_outcome::clean);
}

// ---- closers
// -------------------------------------------------------------------------------------

TEST(defer, all_closers_run_in_reverse_and_each_is_timed) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  std::string order;
  for (const char* name : {"a", "b", "c"}) {
    s.defer(name, [&, name] {
       order += name;
       sim.time.advance(1s);
     }).keep();
  }
  const auto report = sim.stop(s);
  EXPECT_EQ(order, "cba");
  ASSERT_EQ(report.closers.size(), 3U);
  EXPECT_EQ(report.closers[0].name, "c");
  EXPECT_EQ(report.closers[0].took, 1s);
  EXPECT_EQ(report.close, 3s);
}

TEST(defer, a_closer_that_throws_or_fails_is_reported_and_the_rest_still_run) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  bool ran = false;
  s.defer("rest", [&ran] { ran = true; }).keep();
  s.defer("fails", [](const context&) -> result<void> {
     return fail(errc::io, "disk full");
   }).keep();
  s.defer("throws", [] { throw std::runtime_error{"no route"}; }).keep();
  const auto report = sim.stop(s);
  EXPECT_TRUE(ran);
  EXPECT_EQ(report.outcome(), shutdown_outcome::failed);
  EXPECT_EQ(report.exit_code(), 1);
  EXPECT_EQ(report.closers[0].failure, "threw: no route");
  EXPECT_EQ(report.closers[1].failure, "io: disk full");
}

TEST(defer, a_closer_runs_once_tasks_are_gone_with_the_deadline_of_the_shutdown) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  spawn_sleeper(s, 1s);
  s.defer("closer", [&](const context& ctx) {
     EXPECT_EQ(s.running(), 0U);
     EXPECT_EQ(ctx.remaining(), 5s + 5s + 5s - 1s);
   }).keep();
  EXPECT_EQ(sim.stop(s, {.drain = 5s, .cancel = 5s, .close = 5s}).closers.size(), 1U);
}

TEST(defer, closers_run_although_a_task_does_not_end_and_may_make_it_end) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event connection_closed;
  s.spawn("reader", [&]() -> task<void> { (void)co_await connection_closed.wait({}); })
      .value()
      .detach();
  s.defer("connection", [&] { connection_closed.set(); }).keep();
  const auto report = sim.stop(s, {.drain = 1s, .cancel = 1s, .close = 1s});
  EXPECT_EQ(report.remaining, 0U);
  EXPECT_EQ(report.outcome(), shutdown_outcome::forced);
  EXPECT_EQ(report.total, 2s);
}

/// oklog/run 22: one actor that did not return held up all others for ever.
TEST(defer, one_slow_closer_cannot_eat_the_budget_unseen) {
  manual_clock time;
  event inside;
  event gate;  // outlives the thread of the closer, which may come to it late
  bool ran = false;
  runtime rt{{.workers = 1, .time = &time}};
  stopper s{rt, {.heartbeat = {}}};
  s.defer("after", [&ran] { ran = true; }).keep();
  auto hangs = [&] {
    inside.set();
    (void)weir::wait(gate.wait({}));
  };
  s.defer("stuck", hangs).keep();
  s.request_stop({.close = 1h});
  (void)weir::wait(inside.wait({}));  // the deadline comes while it runs, however busy the machine
  time.advance(2h);
  const auto report = weir::wait(s.stopped()).value();
  EXPECT_EQ(report.outcome(), shutdown_outcome::abandoned);
  ASSERT_EQ(report.closers.size(), 2U);
  EXPECT_EQ(report.closers[0].name, "stuck");
  EXPECT_EQ(report.closers[0].state, shutdown_report::closer_state::running);
  EXPECT_EQ(report.closers[1].state, shutdown_report::closer_state::not_run);
  gate.set();
  EXPECT_FALSE(ran);
}

TEST(defer, a_blocking_closer_delays_stopped_only_and_a_further_stop_returns_at_once) {
  runtime rt{{.workers = 1}};
  stopper s{rt};
  event closing;
  event gate;
  s.defer("blocks", [&] {
     closing.set();
     (void)weir::wait(gate.wait({}));
   }).keep();
  s.request_stop();
  EXPECT_TRUE(weir::wait(closing.wait({})));
  EXPECT_TRUE(s.is_quiescing());
  EXPECT_TRUE(weir::wait(s.quiesce({})));
  EXPECT_FALSE(s.is_stopped());
  gate.set();
  EXPECT_TRUE(weir::wait(s.stop()));
  EXPECT_TRUE(weir::wait(s.stop()));
  EXPECT_TRUE(s.is_stopped());
}

TEST(defer, once_a_stop_has_begun_a_closer_runs_at_once_and_may_call_back) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  event gate;
  s.spawn("task", [&]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
  sim.start([&]() -> task<void> { (void)co_await s.stop(); }).detach();
  sim.settle();
  std::string order;
  registration late = s.defer("late", [&] {
    order += "1";
    EXPECT_FALSE(s.run("refused", [] {}));
    s.defer("nested", [&order] { order += "2"; }).keep();
  });
  EXPECT_FALSE(late);
  EXPECT_EQ(order, "12");
  gate.set();
  sim.settle();
  EXPECT_EQ(weir::wait(s.stopped())->closers.size(), 2U);
}

TEST(defer, a_registration_takes_its_closer_back_and_a_kept_one_stays) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  std::string order;
  {
    auto scoped = s.defer("scoped", [&order] { order += "s"; });
    registration moved = std::move(scoped);
    EXPECT_TRUE(moved);
  }
  auto cancelled = s.defer("cancelled", [&order] { order += "c"; });
  EXPECT_TRUE(cancelled.cancel());
  EXPECT_FALSE(cancelled.cancel());
  s.defer("kept", [&order] { order += "k"; }).keep();
  auto held = s.defer("held", [&order] { order += "h"; });
  (void)sim.stop(s);
  EXPECT_EQ(order, "hk");
  EXPECT_FALSE(held.cancel());
}

TEST(defer, a_closer_may_take_itself_back_while_it_runs) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  registration self;
  bool ran = false;
  self = s.defer("self", [&] {
    ran = true;
    EXPECT_FALSE(self.cancel());
  });
  (void)sim.stop(s);
  EXPECT_TRUE(ran);
}

TEST(defer, a_registration_may_outlive_the_stopper) {
  simulation sim;
  registration left;
  bool ran = false;
  {
    stopper s{sim.rt, sim.options()};
    left = s.defer("left", [&ran] { ran = true; });
  }
  EXPECT_TRUE(ran);
  EXPECT_FALSE(left.cancel());
}

// ---- on_quiesce, cancel_on_quiesce
// ---------------------------------------------------------------

TEST(on_quiesce, runs_once_and_before_anybody_waits_also_if_stop_follows_quiesce) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  int calls = 0;
  event gate;
  // Without the callback the task would never end.
  s.spawn("task", [&]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
  s.on_quiesce([&] {
     ++calls;
     EXPECT_TRUE(s.is_quiescing());
     gate.set();
   }).keep();
  EXPECT_TRUE(sim.run(s.quiesce({})));
  EXPECT_EQ(calls, 1);
  (void)sim.stop(s);
  EXPECT_EQ(calls, 1);
  s.on_quiesce([&] { ++calls; }).keep();
  EXPECT_EQ(calls, 2);
}

TEST(on_quiesce, callbacks_run_in_order_and_a_throwing_one_is_reported) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  std::string order;
  s.on_quiesce([&] { order += "1"; }).keep();
  s.on_quiesce([&] { throw std::runtime_error{"oops"}; }).keep();
  auto taken_back = s.on_quiesce([&] { order += "x"; });
  taken_back.cancel();
  s.on_quiesce([&] { order += "2"; }).keep();
  const auto report = sim.stop(s);
  EXPECT_EQ(order, "12");
  EXPECT_EQ(report.outcome(), shutdown_outcome::failed);
}

TEST(cancel_on_quiesce, cancelling_one_leaves_the_other_which_quiesce_cancels) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  auto first = s.cancel_on_quiesce({});
  context_source parent{sim.time};
  auto second = s.cancel_on_quiesce(parent.get());
  first.cancel();
  EXPECT_TRUE(first.get().cancelled());
  EXPECT_FALSE(second.get().cancelled());
  EXPECT_TRUE(sim.run(s.quiesce({})));
  EXPECT_TRUE(second.get().cancelled());
  EXPECT_FALSE(parent.get().cancelled());
  EXPECT_TRUE(s.cancel_on_quiesce(parent.get()).get().cancelled());
}

TEST(cancel_on_quiesce, nothing_piles_up_and_it_may_outlive_the_stopper) {
  simulation sim;
  quiesce_context left;
  {
    stopper s{sim.rt, sim.options()};
    for (int i = 0; i < 1000; ++i) {
      auto made = s.cancel_on_quiesce(s.ctx());
      quiesce_context moved = std::move(made);
      EXPECT_FALSE(moved.get().cancelled());
    }
    left = s.cancel_on_quiesce({});
  }
  EXPECT_TRUE(left.get().cancelled());
}

TEST(cancel_on_quiesce, a_default_context_never_fires) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  const context none;
  (void)sim.stop(s);
  EXPECT_FALSE(none.cancelled());
  EXPECT_FALSE(none.draining());
  EXPECT_TRUE(s.ctx().cancelled());
}

// ---- quota, destruction
// --------------------------------------------------------------------------

TEST(stop, all_quota_is_home_when_it_returns) {
  simulation sim;
  semaphore quota{10};
  stopper s{sim.rt, sim.options()};
  for (int i = 0; i < 5; ++i) {
    s.spawn({.name = "two units", .quota = &quota, .units = 2},
            [i](context ctx) -> task<void> { (void)co_await sleep_for(ctx, i * 1s); })
        .value()
        .detach();
  }
  EXPECT_EQ(quota.available(), 0);
  (void)sim.stop(s, {.drain = 2s});
  EXPECT_EQ(quota.available(), 10);
}

TEST(destruction, of_an_idle_stopper_runs_its_closers_and_refuses_nobody) {
  simulation sim;
  bool closed = false;
  {
    stopper s{sim.rt, sim.options()};
    s.defer("closer", [&closed] { closed = true; }).keep();
  }
  EXPECT_TRUE(closed);
}

TEST(destruction, in_the_continuation_that_stopped_resumes_is_fine_and_others_are_resumed_too) {
  simulation sim;
  std::optional<stopper> s{std::in_place, sim.rt, sim.options()};
  spawn_sleeper(*s, 1s);
  int resumed = 0;
  for (int i = 0; i < 3; ++i) {
    sim.start([&]() -> task<void> {
         const auto report = co_await s->stopped();
         EXPECT_EQ(report->tasks, 1U);
         s.reset();
         ++resumed;
       })
        .detach();
  }
  sim.settle();
  s->request_stop();
  sim.settle();
  sim.pass(1s);
  EXPECT_EQ(resumed, 3);
  EXPECT_FALSE(s);
}

TEST(destruction, in_the_coroutine_that_stopped_it_is_fine) {
  simulation sim;
  std::optional<stopper> s{std::in_place, sim.rt, sim.options()};
  spawn_sleeper(*s, 1s);
  auto owner = [&]() -> task<std::size_t> {
    const auto report = co_await s->stop();
    s.reset();
    co_return report->drained;
  };
  EXPECT_EQ(sim.run(owner()), 1U);
}

TEST(destruction, with_tasks_stops_them_first) {
  runtime rt{{.workers = 1}};
  bool ended = false;
  {
    stopper s{rt, {.heartbeat = {}}};
    s.spawn("waits",
            [&ended](context ctx) -> task<void> {
              (void)co_await until_draining(ctx);
              ended = true;
            })
        .value()
        .detach();
  }
  EXPECT_TRUE(ended);
}

TEST(heartbeat, says_phase_how_many_are_left_the_oldest_and_the_budget) {
  struct sink final : log_sink {
    std::vector<std::string> lines;
    void write(log_level, std::string_view line) noexcept override { lines.emplace_back(line); }
  };
  simulation sim;
  sink heard;
  auto options = sim.options("ledger");
  options.heartbeat = 2s;
  options.heartbeat_sink = &heard;
  stopper s{sim.rt, options};
  event gate;
  s.spawn("settle.loop", [&]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
  sim.pass(3s);
  (void)sim.stop(s, {.drain = 3s, .cancel = 2s, .close = 1s});
  ASSERT_EQ(heard.lines.size(), 2U);
  EXPECT_EQ(heard.lines[0], "'ledger' draining: 1 left, oldest 'settle.loop' 5s, budget 1s");
  EXPECT_EQ(heard.lines[1], "'ledger' cancelling: 1 left, oldest 'settle.loop' 7s, budget 1s");
  gate.set();
  sim.settle();
}

TEST(heartbeat, is_a_line_of_eighty_columns_whatever_the_names) {
  struct sink final : log_sink {
    std::vector<std::string> lines;
    void write(log_level, std::string_view line) noexcept override { lines.emplace_back(line); }
  };
  const std::string before = "weir info: ";
  for (const std::string& name : {std::string(60, 'n'), std::string{"short"}}) {
    simulation sim;
    sink heard;
    auto options = sim.options(name.c_str());
    options.heartbeat = 1s;
    options.heartbeat_sink = &heard;
    stopper s{sim.rt, options};
    event gate;
    std::string called = "task.\xc3\x9f";
    while (called.size() < 90) called += "\xc3\x9f";
    s.spawn(called.c_str(), [&]() -> task<void> { (void)co_await gate.wait({}); }).value().detach();
    sim.pass(23h);
    (void)sim.stop(s, {.drain = 2h, .cancel = 2s, .close = 3s});
    ASSERT_GT(heard.lines.size(), 7'200U);
    for (const std::string& line : heard.lines) ASSERT_LE((before + line).size(), 80U) << line;
    EXPECT_NE(heard.lines[0].find("left, oldest 'task."), std::string::npos) << heard.lines[0];
    EXPECT_NE(heard.lines[0].find("\xc3\x9f..' 23h 0m, budget 1h 59m"), std::string::npos)
        << heard.lines[0];
    gate.set();
    sim.settle();
  }
}

TEST(heartbeat, with_a_sink_slower_than_its_period_does_not_hold_up_the_stop) {
  struct sink final : log_sink {
    manual_clock* time = nullptr;
    void write(log_level, std::string_view) noexcept override { time->advance(2s); }
  };
  simulation sim;
  sink slow;
  slow.time = &sim.time;
  auto options = sim.options();
  options.heartbeat = 1s;
  options.heartbeat_sink = &slow;
  stopper s{sim.rt, options};
  spawn_sleeper(s, 10s);
  sim.settle();
  const auto report = sim.stop(s, {.drain = 1h});
  EXPECT_EQ(report.outcome(), shutdown_outcome::clean);
  EXPECT_LE(report.total, 12s);
}

TEST(ladder, twenty_four_simulated_hours_take_no_time) {
  simulation sim;
  stopper s{sim.rt, sim.options()};
  spawn_sleeper(s, 20h);
  const auto report = sim.stop(s, {.drain = 24h});
  EXPECT_EQ(report.total, 20h);
  EXPECT_EQ(report.outcome(), shutdown_outcome::clean);
}

}  // namespace
}  // namespace weir
