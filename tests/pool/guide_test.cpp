#include <atomic>

#include "pool/fixture.hpp"

// The blocks of docs/guide/pools.md, and what remains of the bugs of others.

namespace weir::pool_tests {
namespace {

struct socket {
  int descriptor = -1;
};

class sockets final : public weir::pool_source<socket> {
 public:
  weir::task<weir::result<socket>> open(weir::context ctx) override {
    if (ctx.cancelled()) co_return weir::fail(weir::errc::cancelled, "too late");
    co_return socket{.descriptor = ++last_};
  }
  weir::task<void> close(socket) override { co_return; }
  bool usable(socket& s) noexcept override { return s.descriptor > 0; }
  weir::task<bool> validate(socket& s, weir::context) override { co_return s.descriptor > 0; }

 private:
  std::atomic<int> last_{0};  // several may be opened at once, on any worker
};

weir::task<weir::result<int>> ask(weir::context ctx, weir::pool<socket>* pool) {
  auto lent = co_await pool->acquire(ctx);
  if (!lent) co_return std::unexpected(lent.error());
  co_return (*lent)->descriptor;
}  // returned here

weir::task<weir::result<int>> ask_or_break(weir::context ctx, weir::pool<socket>* pool) {
  auto lent = co_await pool->acquire(ctx);
  if (!lent) co_return std::unexpected(lent.error());
  const int answer = (*lent)->descriptor;
  if (answer == 2) lent->discard();  // nobody inherits a connection in doubt
  co_return answer;
}

TEST(pool_guide, a_stopper_owns_the_pool) {
  weir::runtime rt;
  weir::stopper stopper{rt};
  weir::pool<socket> pool{stopper, {.name = "backend", .max_open = 8}, std::make_unique<sockets>()};
  EXPECT_EQ(weir::wait(ask(stopper.ctx(), &pool)), 1);
  EXPECT_EQ(weir::wait(ask_or_break(stopper.ctx(), &pool)), 1);
  EXPECT_TRUE(weir::wait(stopper.stop()));
}

TEST(pool_guide, options_for_a_service_behind_a_deadline) {
  weir::runtime rt;
  weir::stopper stopper{rt};
  weir::pool<socket> pool{stopper,
                          {.name = "orders",
                           .max_open = 16,
                           .min_idle = 2,
                           .max_lifetime = 30min,
                           .max_idle_time = 5min,
                           .acquire_timeout = 2s,
                           .max_waiters = 1000,
                           .reserved_high = 1,
                           .busy = weir::busy_limit::adaptive,
                           .validate_after = 500ms,
                           .leak_after = 1min},
                          std::make_unique<sockets>()};
  auto lent = weir::wait(pool.acquire(stopper.ctx(), {.priority = weir::pool_priority::high}));
  EXPECT_TRUE(lent);
  lent->release();
  pool.pause();  // callers queue from here on
  pool.flush();  // nobody gets a connection that was open before
  pool.resume();
  EXPECT_GE(pool.stats().closed_flushed, 1U);
  EXPECT_TRUE(weir::wait(stopper.stop()));
}

TEST_F(pool_test, a_waiter_that_is_dropped_after_its_grant_wakes_the_next) {
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    auto held = co_await p.acquire(root.get());
    context_source first{root.get()};
    auto dropped = spawn([&]() -> task<bool> {
      auto lent = co_await p.acquire(first.get());
      co_return lent.has_value();
    });
    auto next =
        spawn([&]() -> task<bool> { co_return (co_await p.acquire(root.get())).has_value(); });
    co_await yield();
    held->release();  // granted, and not running yet
    first.cancel();
    EXPECT_TRUE(*co_await dropped);  // it has it, and gives it back at its end
    EXPECT_TRUE(*co_await next);
  });
}

TEST_F(pool_test, a_cancel_at_the_moment_of_a_return_loses_no_place) {
  auto& p = make({.max_open = 1});
  run([&]() -> task<void> {
    for (int order = 0; order < 2; ++order) {
      auto held = co_await p.acquire(root.get());
      context_source one{root.get()};
      auto waiter = spawn([&]() -> task<void> { (void)co_await p.acquire(one.get()); });
      co_await yield();
      if (order == 0) {
        one.cancel();
        held->release();
      } else {
        held->release();
        one.cancel();
      }
      (void)co_await waiter;
      EXPECT_EQ(p.stats().in_use, 0U);
      EXPECT_TRUE(p.try_acquire());
    }
  });
}

}  // namespace
}  // namespace weir::pool_tests
