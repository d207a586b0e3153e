#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <retry/simulation.hpp>

#include <weir/context/sleep.hpp>
#include <weir/retry/batch.hpp>
#include <weir/retry/call.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;
using testing::ElementsAre;
using testing::SizeIs;

constexpr retry_options at_once{.initial_backoff = 0ns, .max_backoff = 0ns};

result<int> busy() {
  return fail(errc::busy, "somebody else was faster");
}

// --- retry_call

TEST(retry_call, acceptance_07_always_failing_makes_n_calls_and_gives_that_error) {
  for (const int n : {3, 1}) {
    int calls = 0;
    const auto called = retry_call({}, at_once.with_max_attempts(n), [&] {
      ++calls;
      return busy();
    });
    EXPECT_EQ(calls, n);
    ASSERT_FALSE(called);
    EXPECT_EQ(called.error().code(), errc::busy);
    EXPECT_EQ(called.error().text("reason"), "attempts");
    ASSERT_NE(called.error().cause(), nullptr);
    EXPECT_EQ(called.error().cause()->message(), "somebody else was faster");
  }
}

TEST(retry_call, acceptance_07_already_cancelled_makes_one_call_with_reason_cancelled) {
  context_source root;
  root.cancel();
  int calls = 0;
  const auto called = retry_call(root.get(), at_once, [&](const context& ctx) -> result<int> {
    ++calls;
    return std::unexpected(ctx.check().error());
  });
  EXPECT_EQ(calls, 1);
  ASSERT_FALSE(called);
  EXPECT_EQ(called.error().code(), errc::cancelled);
  EXPECT_EQ(called.error().text("reason"), "cancelled");
}

TEST(retry_call, zero_attempts_are_refused_without_a_call) {
  int calls = 0;
  const auto called = retry_call({}, at_once.with_max_attempts(0), [&] {
    ++calls;
    return result<int>{1};
  });
  EXPECT_EQ(calls, 0);
  ASSERT_FALSE(called);
  EXPECT_EQ(called.error().code(), errc::invalid_argument);
}

TEST(retry_call, a_success_is_returned_whatever_the_limits_say_by_then) {
  simulation sim;
  const auto called = retry_call(sim.ctx(), {.max_retries = 0, .max_duration = 1ms},
                                 [&](const retry_attempt& attempt) -> result<int> {
                                   EXPECT_EQ(attempt.number, 0);
                                   sim.time.advance(1h);
                                   sim.root.cancel();
                                   return 7;
                                 });
  EXPECT_EQ(called.value(), 7);
}

TEST(retry_call, a_permanent_error_is_returned_at_once) {
  int calls = 0;
  const auto called = retry_call({}, {}, [&]() -> result<void> {
    ++calls;
    return fail(errc::constraint, "duplicate key");
  });
  EXPECT_EQ(calls, 1);
  ASSERT_FALSE(called);
  EXPECT_EQ(called.error().code(), errc::constraint);
  EXPECT_EQ(called.error().text("reason"), "permanent");
}

TEST(retry_call, an_unknown_outcome_is_not_tried_again_unless_the_caller_says_so) {
  int calls = 0;
  auto unknown = [&]() -> result<void> {
    ++calls;
    return fail(errc::commit_unknown, "the connection broke during the commit");
  };
  EXPECT_FALSE(retry_call({}, at_once.with_max_attempts(3), unknown));
  EXPECT_EQ(calls, 1);
  EXPECT_FALSE(retry_call({}, at_once.with_max_attempts(3), unknown,
                          [](const error&) { return retry_verdict::retry(); }));
  EXPECT_EQ(calls, 4);
}

TEST(retry_call, a_classifier_may_pass_on_how_long_the_other_side_asked_to_wait) {
  simulation sim;
  auto throttled = []() -> task<result<int>> { co_return fail(errc::throttled, "slow down"); };
  auto wait_as_asked = [](const error&) { return retry_verdict::retry_after(300ms); };
  auto body = [&](context ctx) -> task<void> {
    (void)co_await retry_call(ctx, {.initial_backoff = 1ms, .max_retries = 2}, throttled,
                              wait_as_asked);
  };
  sim.run(body(sim.ctx()));
  EXPECT_EQ(sim.passed(), 600ms);
}

TEST(retry_call, a_task_is_tried_until_it_succeeds) {
  simulation sim;
  auto body = [](context ctx) -> task<result<std::string>> {
    int calls = 0;
    auto third_time = [&calls](const context& attempt) -> task<result<std::string>> {
      (void)co_await sleep_for(attempt, 1ms);
      if (++calls < 3) co_return fail(errc::conflict, "lost a race");
      co_return "done";
    };
    co_return co_await retry_call(
        ctx, {.initial_backoff = 10ms, .jitter = jitter::none, .max_retries = 5}, third_time);
  };
  EXPECT_EQ(sim.run(body(sim.ctx())).value(), "done");
  EXPECT_EQ(sim.passed(), 33ms);
}

TEST(retry_call, a_temporary_callable_lives_as_long_as_the_task) {
  simulation sim;
  auto make = [](context ctx) {
    return retry_call(ctx, {.max_retries = 3}, [calls = 0]() mutable -> task<result<int>> {
      if (++calls < 3) co_return busy();
      co_return calls;
    });
  };
  EXPECT_EQ(sim.run(make(sim.ctx())).value(), 3);
}

TEST(retry_call, a_named_callable_may_own_what_cannot_be_copied) {
  simulation sim;
  auto body = [](context ctx) -> task<result<int>> {
    auto owning = [held = std::make_unique<int>(5)]() -> task<result<int>> { co_return *held; };
    co_return co_await retry_call(ctx, {}, owning);
  };
  EXPECT_EQ(sim.run(body(sim.ctx())).value(), 5);
}

TEST(retry_call, an_exception_ends_the_loop_and_is_passed_on) {
  simulation sim;
  EXPECT_THROW((void)retry_call({}, {}, []() -> result<int> { throw std::runtime_error{"no"}; }),
               std::runtime_error);
  auto throws = []() -> task<result<int>> {
    throw std::runtime_error{"no"};
    co_return 1;
  };
  EXPECT_THROW((void)sim.run(retry_call(sim.ctx(), {}, throws)), std::runtime_error);
}

// --- for_each_batch

/// Batches as they were called, failing while they are larger than `fits`.
struct batches {
  std::size_t fits;
  std::size_t permanent_below = 0;
  std::vector<std::size_t> sizes{};

  result<void> operator()(std::span<int> items) {
    sizes.push_back(items.size());
    if (items.size() < permanent_below) return fail(errc::corrupt, "a damaged row");
    if (items.size() > fits) return fail(errc::exhausted, "the batch is too large");
    for (int& item : items) ++item;
    return {};
  }

  [[nodiscard]] std::size_t halvings() const {
    std::size_t count = 0;
    for (std::size_t i = 1; i < sizes.size(); ++i) count += sizes[i] < sizes[i - 1] ? 1U : 0U;
    return count;
  }
};

TEST(for_each_batch, acceptance_11_a_batch_that_fits_is_not_halved) {
  std::vector<int> items(1'000);
  batches fn{.fits = 1'000};
  EXPECT_TRUE(for_each_batch({}, at_once, std::span{items}, 1'000, fn));
  EXPECT_THAT(fn.sizes, ElementsAre(1'000));
}

TEST(for_each_batch, acceptance_11_one_halving) {
  std::vector<int> items(1'000);
  batches fn{.fits = 500};
  EXPECT_TRUE(for_each_batch({}, at_once, std::span{items}, 1'000, fn));
  EXPECT_THAT(fn.sizes, ElementsAre(1'000, 500, 500));
  EXPECT_EQ(fn.halvings(), 1U);
}

TEST(for_each_batch, acceptance_11_nine_halvings_and_then_the_error) {
  std::vector<int> items(1'000);
  batches fn{.fits = 0};
  const auto done = for_each_batch({}, at_once, std::span{items}, 1'000, fn);
  EXPECT_EQ(fn.halvings(), 9U);
  EXPECT_EQ(fn.sizes.back(), 1U);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::exhausted);
  EXPECT_EQ(done.error().number("items done"), 0);
}

TEST(for_each_batch, acceptance_11_two_halvings_and_then_a_permanent_error) {
  std::vector<int> items(1'000);
  batches fn{.fits = 250, .permanent_below = 251};
  const auto done = for_each_batch({}, at_once, std::span{items}, 1'000, fn);
  EXPECT_THAT(fn.sizes, ElementsAre(1'000, 500, 250));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::corrupt);
}

TEST(for_each_batch, every_item_is_done_once_and_the_batch_grows_back) {
  simulation sim;
  std::vector<int> items(1'000);
  std::vector<std::size_t> sizes;
  auto body = [&](context ctx) -> task<result<void>> {
    // The first hundred items need care; all others go in one piece.
    auto fn = [&](const context&, std::span<int> batch) -> task<result<void>> {
      sizes.push_back(batch.size());
      if (batch.data() < items.data() + 100 && batch.size() > 60) {
        co_return fail(errc::deadline_exceeded, "too slow");
      }
      for (int& item : batch) ++item;
      co_return result<void>{};
    };
    co_return co_await for_each_batch(ctx, {.initial_backoff = 10ms, .jitter = jitter::none},
                                      std::span{items}, 200, fn);
  };
  EXPECT_TRUE(sim.run(body(sim.ctx())));
  EXPECT_THAT(items, testing::Each(1));
  EXPECT_THAT(sizes, ElementsAre(200, 100, 50, 100, 50, 100, 200, 200, 200, 200));
  EXPECT_EQ(sim.passed(), 10ms + 20ms + 10ms);
}

TEST(for_each_batch, cancellation_ends_it_between_two_batches) {
  context_source root;
  std::vector<int> items(100);
  int calls = 0;
  const auto done = for_each_batch(root.get(), at_once, std::span{items}, 10,
                                   [&](std::span<int>) -> result<void> {
                                     if (++calls == 3) root.cancel();
                                     return {};
                                   });
  EXPECT_EQ(calls, 3);
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code(), errc::cancelled);
  EXPECT_EQ(done.error().number("items done"), 30);
}

TEST(for_each_batch, batches_of_nothing_are_refused_and_no_items_are_no_call) {
  std::vector<int> items(3);
  batches fn{.fits = 1'000};
  EXPECT_EQ(for_each_batch({}, at_once, std::span{items}, 0, fn).error().code(),
            errc::invalid_argument);
  EXPECT_TRUE(for_each_batch({}, at_once, std::span<int>{}, 10, fn));
  EXPECT_THAT(fn.sizes, SizeIs(0));
}

}  // namespace
}  // namespace weir
