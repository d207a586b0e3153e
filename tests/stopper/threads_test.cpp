#include <algorithm>
#include <atomic>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

#include "core/racers.hpp"
#include "stopper/simulation.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::together;
using test::until;

constexpr int rounds = 200;

TEST(stop_on_threads, waits_for_an_inline_call_on_another_thread) {
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  event inside;
  event gate;
  std::atomic<bool> stopped{false};
  std::thread caller{[&] {
    EXPECT_TRUE(s.run("inline", [&] {
      inside.set();
      EXPECT_TRUE(weir::wait(gate.wait({})));
      EXPECT_FALSE(stopped.load());
    }));
  }};
  EXPECT_TRUE(weir::wait(inside.wait({})));
  std::thread stopping{[&] {
    EXPECT_EQ(weir::wait(s.stop())->tasks, 1U);
    stopped = true;
  }};
  EXPECT_TRUE(weir::wait(s.quiescing()));
  gate.set();
  caller.join();
  stopping.join();
}

TEST(stop_on_threads, inside_an_own_call_or_blocking_task_is_an_error) {
  runtime rt{{.workers = 1}};
  stopper s{rt};
  EXPECT_EQ(*s.run("inline", [&] { return weir::wait(s.stop()).error().code(); }),
            errc::would_deadlock);
  auto blocking = s.spawn_blocking("blocking", [&] { return weir::wait(s.stop()).error().code(); });
  EXPECT_EQ(*weir::wait(blocking->join({})), errc::would_deadlock);
  EXPECT_FALSE(s.is_quiescing());
}

TEST(stop_on_threads, needs_no_worker_although_every_worker_spins) {
  runtime rt{{.workers = 1}};
  stopper s{rt, {.heartbeat = {}}};
  std::atomic<bool> spinning{false};
  std::atomic<bool> let_go{false};
  s.spawn("spins",
          [&]() -> task<void> {
            spinning = true;
            until([&] { return let_go.load(); });
            co_return;
          })
      .value()
      .detach();
  until([&] { return spinning.load(); });
  const auto report = weir::wait(s.stop({.drain = 0s, .cancel = 1ms, .close = 1ms})).value();
  EXPECT_EQ(report.outcome(), shutdown_outcome::abandoned);
  ASSERT_EQ(report.stragglers.size(), 1U);
  EXPECT_EQ(report.stragglers[0].name, "spins");
  let_go = true;
  until([&] { return s.running() == 0; });
}

TEST(stop_on_threads, many_callers_all_return_after_the_full_stop_with_the_same_report) {
  runtime rt{{.workers = 2}};
  for (int round = 0; round < 20; ++round) {
    stopper s{rt, {.heartbeat = {}}};
    std::atomic<int> ended{0};
    for (int i = 0; i < 10; ++i) {
      s.spawn("task",
              [&]() -> task<void> {
                (void)co_await s.quiescing();
                ++ended;
              })
          .value()
          .detach();
    }
    s.defer("closer", [&] { EXPECT_EQ(ended.load(), 10); }).keep();
    std::vector<std::string> reports(4);
    together(4, [&](int i) {
      const auto report = weir::wait(s.stop());
      EXPECT_TRUE(s.is_stopped());
      EXPECT_EQ(ended.load(), 10);
      reports[static_cast<std::size_t>(i)] = report->to_string();
    });
    // The first caller's line is in it: everything is equal or one of them is not the same report.
    for (const auto& text : reports) EXPECT_EQ(text, reports[0]);
  }
}

TEST(stop_on_threads, no_task_starts_after_quiesce_has_returned_and_every_started_one_was_counted) {
  runtime rt{{.workers = 2}};
  test::racers all{3};
  for (int round = 0; round < rounds; ++round) {
    stopper s{rt, {.heartbeat = {}}};
    std::atomic<int> started{0};
    std::atomic<int> ran{0};
    std::atomic<bool> closed{false};
    all.together([&](int i) {
      if (i == 0) {
        EXPECT_TRUE(weir::wait(s.quiesce({})));
        closed = true;
        return;
      }
      for (;;) {
        const bool was_closed = closed.load();
        ++started;
        auto spawned = s.spawn("task", [&]() -> task<void> {
          EXPECT_FALSE(closed.load());
          ++ran;
          co_return;
        });
        if (!spawned) {
          --started;
          break;
        }
        EXPECT_FALSE(was_closed);
        core::yield_thread();
      }
      // Once refused, always refused.
      EXPECT_FALSE(s.run("inline", [] {}));
      EXPECT_TRUE(s.is_quiescing());
    });
    EXPECT_EQ(ran.load(), started.load());
  }
}

TEST(defer_on_threads, a_closer_added_while_stop_races_always_runs) {
  runtime rt{{.workers = 1}};
  test::racers all{3};
  for (int round = 0; round < rounds; ++round) {
    std::atomic<int> ran{0};
    stopper s{rt, {.heartbeat = {}}};
    all.together([&](int i) {
      if (i == 0) {
        EXPECT_TRUE(weir::wait(s.stop()));
      } else {
        s.defer("racing", [&ran] { ++ran; }).keep();
      }
    });
    EXPECT_TRUE(weir::wait(s.stop()));
    EXPECT_EQ(ran.load(), 2);
  }
}

TEST(defer_on_threads, a_closer_that_is_cancelled_while_stop_races_runs_before_that_or_never) {
  runtime rt{{.workers = 1}};
  test::racers all{2};
  for (int round = 0; round < rounds; ++round) {
    stopper s{rt, {.heartbeat = {}}};
    auto alive = std::make_unique<std::atomic<int>>(0);
    auto registered = s.defer("racing", [&flag = *alive] { ++flag; });
    bool taken_back = false;
    all.together([&](int i) {
      if (i == 0) {
        EXPECT_TRUE(weir::wait(s.stop()));
      } else {
        taken_back = registered.cancel();
        EXPECT_EQ(alive->load(), taken_back ? 0 : 1);
        alive.reset();  // nobody touches it any more
      }
    });
  }
}

TEST(cancel_on_quiesce_on_threads, a_registration_that_races_stop_is_cancelled) {
  runtime rt{{.workers = 1}};
  test::racers all{2};
  for (int round = 0; round < rounds; ++round) {
    stopper s{rt, {.heartbeat = {}}};
    std::optional<quiesce_context> made;
    all.together([&](int i) {
      if (i == 0) {
        EXPECT_TRUE(weir::wait(s.quiesce({})));
      } else {
        made.emplace(s.cancel_on_quiesce({}));
      }
    });
    EXPECT_TRUE(made->get().cancelled());
  }
}

TEST(spawn_on_threads, a_spawn_in_a_context_that_races_its_end_leaves_nothing_behind) {
  runtime rt{{.workers = 2}};
  test::racers all{3};
  for (int round = 0; round < rounds; ++round) {
    stopper s{rt, {.heartbeat = {}}};
    context_source request{rt.time()};
    std::atomic<int> ended{0};
    int spawned = 0;
    all.together([&](int i) {
      if (i == 0) {
        request.cancel();
      } else if (i == 1) {
        EXPECT_TRUE(weir::wait(s.stop({.drain = 0s})));
      } else {
        auto waits = [&](context ctx) -> task<void> {
          (void)co_await until_cancelled(ctx);
          ++ended;
        };
        while (spawned < 100 && s.spawn(request.get(), {.name = "request"}, waits)) ++spawned;
      }
    });
    EXPECT_TRUE(weir::wait(s.stop()));
    EXPECT_EQ(ended.load(), spawned);
  }
}

TEST(stop_on_threads, the_last_task_to_end_may_be_the_last_to_know_the_stopper) {
  runtime rt{{.workers = 2}};
  for (int round = 0; round < rounds; ++round) {
    auto s = std::make_unique<stopper>(rt, stopper_options{.heartbeat = {}});
    for (int i = 0; i < 4; ++i) {
      s->spawn("short", []() -> task<void> { co_await yield(); }).value().detach();
    }
    EXPECT_TRUE(weir::wait(s->stop()));
    s.reset();  // while the workers may be on the last instructions of those tasks
  }
}

TEST(stop_on_threads, a_failing_task_stops_it_in_the_background_without_a_waiter) {
  runtime rt{{.workers = 2}};
  for (int round = 0; round < 50; ++round) {
    stopper s{rt, {.on_exception = exception_policy::stop(), .heartbeat = {}}};
    s.defer("closer", [] {}).keep();
    for (int i = 0; i < 3; ++i) {
      const auto refused_or_dropped = s.spawn("fails", []() -> task<void> {
        throw std::runtime_error{"one of three"};
        co_return;
      });
    }
    EXPECT_EQ(weir::wait(s.stopped())->outcome(), shutdown_outcome::failed);
  }
}

TEST(quota_on_threads, the_peak_is_exact_whoever_waits) {
  runtime rt{{.workers = 2}};
  semaphore quota{5};
  stopper s{rt, {.heartbeat = {}}};
  std::atomic<int> running{0};
  std::atomic<int> peak{0};
  std::atomic<int> ran{0};
  auto body = [&]() -> task<void> {
    const int now = ++running;
    int seen = peak.load();
    while (now > seen && !peak.compare_exchange_weak(seen, now)) {
    }
    for (int i = 0; i < 3; ++i) co_await yield();
    --running;
    ++ran;
  };
  together(3, [&](int) {
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(weir::wait(s.spawn_when_free(s.ctx(), {.name = "five", .quota = &quota}, body)));
    }
  });
  EXPECT_TRUE(weir::wait(s.stop()));
  EXPECT_EQ(ran.load(), 300);
  EXPECT_LE(peak.load(), 5);
  EXPECT_EQ(quota.available(), 5);
}

}  // namespace
}  // namespace weir
