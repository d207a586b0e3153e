#include <functional>
#include <string>
#include <thread>
#include <utility>

#include <weir/core/sync/thread.hpp>

#include "pool/fixture.hpp"

namespace weir::pool_tests {
namespace {

TEST_F(pool_test, closing_fails_the_waiters_and_waits_for_leases) {
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    auto held = co_await p.acquire(root.get());
    auto waiter = spawn([&]() -> task<errc> {
      auto lent = co_await p.acquire(root.get());
      co_return lent ? errc::failed : lent.error().code();
    });
    co_await yield();
    context_source budget{root.get(), {.timeout = 1s}};
    auto early = co_await p.close(budget.get());
    EXPECT_EQ(early.error().number("in use"), 1);
    EXPECT_EQ(*co_await waiter, errc::closed);
    EXPECT_EQ((co_await p.acquire(root.get())).error().code(), errc::closed);
    held->release();
    EXPECT_TRUE(co_await p.close(root.get()));
  });
  EXPECT_EQ(backend.closed, 1);
}

/// Where and for how long, as an error says it.
std::string held_by(const result<void>& late) {
  return late ? "" : std::string{late.error().text("held by").value_or("")};
}

TEST_F(pool_test, closing_within_a_budget_names_who_holds_what_is_left_and_for_how_long) {
  auto& p = make({.max_open = 2});
  run([&]() -> task<void> {
    auto first = callers(2, 3s, root.get());  // so that the next one is waited for
    co_await yield();
    auto waited_for = co_await p.acquire(root.get());
    for (auto& one : first) EXPECT_TRUE(co_await one);
    (void)co_await sleep_for(root.get(), 10s);
    const context_source budget{root.get(), {.timeout = 1s}};
    const auto late = co_await p.close(budget.get());
    EXPECT_EQ(late.error().number("in use"), 1);
    EXPECT_EQ(late.error().number("closing"), 0);
    EXPECT_TRUE(held_by(late).starts_with("pool/closing_test.cpp:")) << held_by(late);
    EXPECT_TRUE(held_by(late).ends_with(" for at least 11s")) << held_by(late);
  });
}

TEST_F(pool_test, a_loan_that_nobody_looked_at_is_as_old_as_the_close_at_least) {
  auto& p = make({.max_open = 12});
  run([&]() -> task<void> {
    std::vector<lease<conn>> kept;
    for (int i = 0; i < 10; ++i) kept.push_back(*co_await p.acquire(root.get()));
    for (auto& one : kept) one.release();
    for (auto& one : kept) one = *co_await p.acquire(root.get());
    (void)co_await sleep_for(root.get(), 10s);
    const context_source budget{root.get(), {.timeout = 1s}};
    const auto late = co_await p.close(budget.get());
    EXPECT_NE(held_by(late).find(" for at least 1s, "), std::string::npos) << held_by(late);
    EXPECT_TRUE(held_by(late).ends_with(" and 2 more")) << held_by(late);
  });
}

TEST_F(pool_test, what_is_left_after_a_close_that_gave_up_is_closed_as_it_comes_home) {
  auto& p = make({.max_open = 3});
  run([&]() -> task<void> {
    std::vector<lease<conn>> kept;
    for (int i = 0; i < 3; ++i) kept.push_back(*co_await p.acquire(root.get()));
    const context_source budget{root.get(), {.timeout = 1s}};
    EXPECT_FALSE(co_await p.close(budget.get()));
    for (std::size_t left = 3; left > 0; --left) {
      const pool_stats now = p.stats();
      EXPECT_EQ(now.open, left);
      EXPECT_EQ(now.opened - now.closed_shutdown, left);
      EXPECT_GT((*kept.back())->number, 0);  // a holder is never disturbed
      kept.pop_back();
      (void)co_await sleep_for(root.get(), 1ms);
    }
    EXPECT_TRUE(co_await p.close(budget.get()));  // over, but there is nothing to wait for
  });
  EXPECT_EQ(backend.closed, 3);
}

TEST_F(pool_test, a_lease_may_outlive_its_pool) {
  lease<conn> kept;
  {
    pool<conn> p{static_cast<core::executor&>(loop), {.max_open = 1}, make_source()};
    run([&]() -> task<void> { kept = std::move(*co_await p.acquire(root.get())); });
  }
  EXPECT_EQ((*kept)->number, 1);
  kept.release();
  loop.run_until_idle();
  EXPECT_EQ(backend.closed, 1);
}

/// Runs on real workers, because closing is what it must not be too late for.
TEST(pool_of_a_stopper, destroyed_before_the_stop_is_closed_when_the_stop_returns) {
  for (int round = 0; round < 50; ++round) {
    server backend;
    runtime rt{{.workers = 1}};
    stopper work{rt};
    {
      pool<conn> p{work, {.name = "early", .max_open = 1}, std::make_unique<source>(backend)};
      auto lent = wait(p.acquire({}));
      ASSERT_TRUE(lent);
    }
    EXPECT_EQ(wait(work.stop())->outcome(), shutdown_outcome::clean);
    EXPECT_EQ(backend.closed, 1);
  }
}

TEST(pool_of_a_stopper, destroyed_with_a_lease_out_makes_the_stop_wait_for_it) {
  server backend;
  runtime rt{{.workers = 1}};
  stopper work{rt};
  std::optional<lease<conn>> kept;
  {
    pool<conn> p{work, {.name = "early", .max_open = 1}, std::make_unique<source>(backend)};
    kept.emplace(*wait(p.acquire({})));
  }
  EXPECT_EQ(work.running(), 1U);
  kept->release();
  EXPECT_EQ(wait(work.stop())->outcome(), shutdown_outcome::clean);
  EXPECT_EQ(backend.closed, 1);
}

/// A clock that says when a thread that asked for it looks at it.
class told_clock final : public clock {
 public:
  [[nodiscard]] time_point now() const noexcept override {
    if (const auto tell = std::exchange(look, nullptr)) tell();
    return time.now();
  }
  core::timer_service* timers() noexcept override { return time.timers(); }

  manual_clock time;
  inline static thread_local std::function<void()> look;
};

// Regression: the permit of a pool that is gone had the pool's own name. Whoever had looked at the
// stopper's list just before read it after it had been freed.
TEST(pool_of_a_stopper, leaves_its_name_to_whoever_is_still_reading_it) {
  server backend;
  told_clock time;
  runtime rt{{.workers = 1, .time = &time}};
  stopper work{rt, {.heartbeat = {}}};
  const auto older = work.try_enter("older");  // its age is told before the pool's name
  lease<conn> kept;
  {
    pool<conn> p{work,
                 {.name = "longer than what a string keeps", .max_open = 1},
                 std::make_unique<source>(backend)};
    kept = *wait(p.acquire({}));
  }
  told_clock::look = [&] {
    kept.release();
    while (rt.live().snapshot().size() > 1) core::yield_thread();
    auto last = work.spawn("last", []() -> task<void> { co_return; });
    EXPECT_TRUE(wait(last->join({})));  // the worker is past what it was doing
  };
  const auto seen = rt.live().snapshot();
  EXPECT_FALSE(told_clock::look);
  std::string all;
  for (const auto& one : seen) all += one.description;
  EXPECT_NE(all.find("longer than what a string keeps for "), std::string::npos) << all;
}

/// A stop on a clock that the test moves, from one deadline to the next.
class pool_of_a_late_stop : public testing::Test {
 protected:
  static constexpr duration budget = 8s;

  shutdown_report stop(duration after) {
    shutdown_report report;
    std::thread stopping{
        [&] { report = wait(work.stop({.drain = 0s, .cancel = 0s, .close = budget})).value(); }};
    while (time.next_timer() != time.now() + after) core::yield_thread();
    time.advance(after);
    stopping.join();
    return report;
  }

  manual_clock time;
  server backend;
  runtime rt{{.workers = 1, .time = &time}};
  stopper work{rt, {.heartbeat = {}}};
};

TEST_F(pool_of_a_late_stop, says_who_holds_what_and_leaves_time_for_other_closers) {
  bool others_ran = false;
  work.defer("registered first", [&] { others_ran = true; }).keep();
  pool<conn> p{work, {.name = "late", .max_open = 1}, std::make_unique<source>(backend)};
  auto kept = *wait(p.acquire({}));
  const shutdown_report report = stop(budget - budget / 8);
  EXPECT_TRUE(others_ran);
  ASSERT_EQ(report.closers.size(), 2U);
  EXPECT_EQ(report.closers[0].name, "late");
  EXPECT_EQ(report.closers[0].state, shutdown_report::closer_state::failed);
  EXPECT_NE(report.closers[0].failure.find("pool/closing_test.cpp:"), std::string::npos);
  EXPECT_NE(report.closers[0].failure.find("for at least 7s"), std::string::npos);
  kept.release();
  EXPECT_TRUE(wait(p.close({})));
}

TEST_F(pool_of_a_late_stop, names_the_holder_of_a_lease_whose_pool_is_gone) {
  lease<conn> kept;
  {
    pool<conn> p{work, {.name = "gone", .max_open = 1}, std::make_unique<source>(backend)};
    kept = *wait(p.acquire({}));
  }
  shutdown_report report;
  std::thread stopping{
      [&] { report = wait(work.stop({.drain = 1s, .cancel = 1s, .close = 1s})).value(); }};
  for (int phase = 0; phase < 3; ++phase) {
    while (time.next_timer() != time.now() + 1s) core::yield_thread();
    time.advance(1s);
  }
  stopping.join();
  ASSERT_EQ(report.stragglers.size(), 1U);
  EXPECT_EQ(report.stragglers[0].name, "gone");
  EXPECT_NE(std::string_view{report.stragglers[0].site.file_name()}.find("closing_test.cpp"),
            std::string_view::npos);
  kept.release();
  while (rt.live().snapshot().size() > 1) core::yield_thread();  // the pool is gone, too
}

}  // namespace
}  // namespace weir::pool_tests
