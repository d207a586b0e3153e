#include <atomic>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/core/sync/park.hpp>
#include <weir/runtime/blocking.hpp>
#include <weir/runtime/runtime.hpp>

#include "runtime/started.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

struct kept_log final : log_sink {
  void write(log_level, std::string_view line) noexcept override {
    const core::lock_guard guard{mutex};
    lines.emplace_back(line);
  }
  std::size_t count() {
    const core::lock_guard guard{mutex};
    return lines.size();
  }
  core::mutex mutex;
  std::vector<std::string> lines;
};

TEST(blocking, gives_a_task_what_the_call_returned) {
  runtime rt{{.workers = 1}};
  const auto body = [&]() -> task<bool> {
    const auto call = [&] { return !rt.is_worker_thread(); };
    co_return (co_await run_blocking(rt, {}, call)).value();
  };
  EXPECT_EQ(run_on(rt, body), true);
}

TEST(blocking, a_call_may_return_nothing_or_a_result) {
  runtime rt{{.workers = 1}};
  EXPECT_TRUE(weir::wait(run_blocking(rt, [] {})));
  const auto failing = []() -> result<int> { return fail(errc::not_found, "no such thing"); };
  auto outcome = weir::wait(run_blocking(rt, failing));
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code(), errc::not_found);
}

TEST(blocking, what_the_call_throws_is_rethrown_to_the_waiter) {
  runtime rt{{.workers = 1}};
  const auto throwing = []() -> int { throw std::runtime_error{"thrown on a blocking thread"}; };
  EXPECT_THROW(static_cast<void>(weir::wait(run_blocking(rt, throwing))), std::runtime_error);
}

TEST(blocking, a_call_may_block_and_wait) {
  runtime rt{{.workers = 1}};
  const auto call = [] { return weir::wait(sleep_for({}, 100us)).has_value(); };
  EXPECT_EQ(weir::wait(run_blocking(rt, call)), true);
}

TEST(blocking, a_call_goes_on_when_its_waiter_has_left_and_owns_what_it_needs) {
  runtime rt{{.workers = 1}};
  core::park begun;
  core::park go_on;
  std::atomic<int> seen{0};
  auto owned = std::make_shared<int>(7);
  const std::weak_ptr<int> watched = owned;
  {
    const auto call = [&begun, &go_on, &seen, owned = std::move(owned)] {
      begun.wake();
      go_on.wait();
      seen.store(*owned);
    };
    context_source source;
    const auto body = [&]() -> task<bool> {
      co_return (co_await run_blocking(rt, source.get(), call)).has_value();
    };
    auto waiting = launch(rt, body);
    begun.wait();
    source.cancel();
    EXPECT_EQ(weir::wait(waiting.join({})), false);
  }
  go_on.wake();
  await([&] { return seen.load() == 7 && watched.expired(); });
}

TEST(blocking, what_a_call_throws_when_nobody_waits_any_more_goes_to_the_log) {
  kept_log log;
  runtime rt{{.workers = 1, .log = &log}};
  core::park begun;
  core::park go_on;
  const auto call = [&] {
    begun.wake();
    go_on.wait();
    throw std::runtime_error{"too late"};
  };
  context_source source;
  const auto body = [&]() -> task<> {
    static_cast<void>(co_await run_blocking(rt, source.get(), call));
  };
  auto waiting = launch(rt, body);
  begun.wait();
  source.cancel();
  EXPECT_TRUE(weir::wait(waiting.join({})));
  go_on.wake();
  await([&] { return log.count() == 1; });
  EXPECT_NE(log.lines[0].find("too late"), std::string::npos);
}

TEST(blocking, more_calls_than_threads_queue_up_in_order) {
  runtime rt{{.workers = 1, .max_blocking_threads = 1}};
  std::vector<int> order;
  std::vector<task_handle<>> all;
  core::park begun;
  core::park go_on;
  const auto first = [&]() -> task<> {
    const auto call = [&] {
      begun.wake();
      go_on.wait();
    };
    static_cast<void>(co_await run_blocking(rt, {}, call));
  };
  all.push_back(launch(rt, first));
  begun.wait();
  for (int i = 0; i < 5; ++i) {
    const auto body = [&, i]() -> task<> {
      const auto call = [&order, i] { order.push_back(i); };
      static_cast<void>(co_await run_blocking(rt, {}, call));
    };
    all.push_back(launch(rt, body));
    await([&] { return rt.stats().blocking_queued == static_cast<std::size_t>(i) + 1; });
  }
  go_on.wake();
  for (auto& one : all) EXPECT_TRUE(weir::wait(one.join({})));
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
  EXPECT_EQ(rt.stats().blocking_peak, 1U);
}

TEST(blocking, a_call_that_has_not_begun_when_its_waiter_leaves_never_does) {
  runtime rt{{.workers = 1, .max_blocking_threads = 1}};
  core::park begun;
  core::park go_on;
  std::atomic<bool> ran{false};
  const auto first = [&]() -> task<> {
    const auto call = [&] {
      begun.wake();
      go_on.wait();
    };
    static_cast<void>(co_await run_blocking(rt, {}, call));
  };
  auto holding = launch(rt, first);
  begun.wait();
  context_source source;
  const auto second = [&]() -> task<> {
    const auto call = [&] { ran.store(true); };
    EXPECT_FALSE(co_await run_blocking(rt, source.get(), call));
  };
  auto waiting = launch(rt, second);
  await([&] { return rt.stats().blocking_queued == 1; });
  source.cancel();
  EXPECT_TRUE(weir::wait(waiting.join({})));
  go_on.wake();
  EXPECT_TRUE(weir::wait(holding.join({})));
  await([&] { return rt.stats().blocking_queued == 0; });
  EXPECT_TRUE(weir::wait(run_blocking(rt, [] {})));  // behind it in the queue
  EXPECT_FALSE(ran.load());
}

TEST(blocking, an_operation_that_lost_a_select_can_be_waited_for_again) {
  runtime rt{{.workers = 1}};
  core::park go_on;
  const auto call = [&] {
    go_on.wait();
    return 5;
  };
  auto slow = run_blocking(rt, call);
  EXPECT_EQ(weir::wait(select(slow, after(200us))).index(), 1U);
  go_on.wake();
  EXPECT_EQ(weir::wait(slow), 5);
}

TEST(blocking, an_operation_that_is_never_waited_for_does_nothing) {
  runtime rt{{.workers = 1}};
  bool ran = false;
  {
    auto unused = run_blocking(rt, [&] { ran = true; });
  }
  EXPECT_FALSE(ran);
  EXPECT_EQ(rt.stats().blocking_threads, 0U);
}

TEST(blocking, threads_without_work_end) {
  runtime rt{{.workers = 1, .blocking_idle = 0ms}};
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(weir::wait(run_blocking(rt, [] {})));
    await([&] { return rt.stats().blocking_threads == 0; });
  }
  EXPECT_EQ(rt.stats().blocking_peak, 1U);
}

TEST(blocking, a_thread_that_is_idle_is_used_again) {
  runtime rt{{.workers = 1, .blocking_idle = 1h}};
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(weir::wait(run_blocking(rt, [] {})));
    await([&] { return rt.stats().blocking_idle == 1; });
  }
  EXPECT_EQ(rt.stats().blocking_peak, 1U);
}

TEST(blocking, calls_that_are_queued_at_the_end_still_run) {
  std::atomic<int> ran{0};
  {
    runtime rt{{.workers = 1, .max_blocking_threads = 2}};
    const auto body = [&]() -> task<> {
      const auto call = [&] { ran.fetch_add(1); };
      static_cast<void>(co_await run_blocking(rt, {}, call));
    };
    for (int i = 0; i < 50; ++i) launch(rt, body).detach();
  }
  EXPECT_EQ(ran.load(), 50);
}

}  // namespace
}  // namespace weir
