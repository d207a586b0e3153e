#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/pool/pool.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/stopper/stopper.hpp>

namespace weir::pool_tests {

using namespace std::chrono_literals;

struct connection {
  int number = 0;
  bool broken = false;
  bool dirty = false;
};
using conn = std::unique_ptr<connection>;

/// A server made of counters. What the test wants to happen while opening, it says here.
struct server {
  int opened = 0;
  int closed = 0;
  int peak = 0;
  int resets = 0;
  duration open_time = 0ms;
  int failing = 0;  // this many opens fail
  int attempts = 0;
  int opening = 0;  // under way now
  int most_opening = 0;
  bool throwing = false;
  int stuck = 0;      // that many first attempts do not end, whatever their context says
  bool alive = true;  // what validation finds
  int validated = 0;
  bool resets_cleanly = true;
};

class source final : public pool_source<conn> {
 public:
  explicit source(server& s) : server_(s) {}

  task<result<conn>> open(context ctx) override {
    const int number = ++server_.attempts;
    while (number <= server_.stuck) (void)co_await after(10ms);
    server_.most_opening = std::max(server_.most_opening, ++server_.opening);
    auto made = co_await answer(ctx);
    --server_.opening;
    co_return made;
  }
  task<result<conn>> answer(const context& ctx) {
    if (server_.open_time > 0ms) {
      auto slept = co_await sleep_for(ctx, server_.open_time);
      if (!slept) co_return std::unexpected(slept.error());
    }
    if (server_.throwing) throw std::runtime_error{"no route"};
    if (server_.failing > 0) {
      --server_.failing;
      co_return fail(errc::server_down, "refused");
    }
    ++server_.opened;
    server_.peak = std::max(server_.peak, server_.opened - server_.closed);
    co_return std::make_unique<connection>(connection{.number = server_.opened});
  }
  task<void> close(conn c) override {
    ++server_.closed;
    c.reset();
    co_return;
  }
  bool usable(conn& c) noexcept override { return !c->broken; }
  bool needs_reset(conn& c) noexcept override { return c->dirty; }
  task<bool> reset(conn& c, context) override {
    ++server_.resets;
    c->dirty = false;
    co_return server_.resets_cleanly;
  }
  task<bool> validate(conn&, context) override {
    ++server_.validated;
    co_return server_.alive;
  }

 private:
  server& server_;
};

struct no_tail {
  static void ended(task_record&) noexcept {}
  static void unhandled(task_record&, const std::exception_ptr&) noexcept { std::abort(); }
};

/// One thread, one clock: what happens when is the test's decision.
class pool_test : public testing::Test {
 protected:
  template <class F>
  void run(F body) {
    loop.run(body(), time);
  }
  std::unique_ptr<source> make_source() { return std::make_unique<source>(backend); }
  pool<conn>& make(pool_options options) {
    pool_.emplace(static_cast<core::executor&>(loop), options, make_source());
    return *pool_;
  }
  template <class F>
  auto spawn(F fn) {
    return core::start(loop, {.name = "caller"}, {}, std::move(fn), no_tail{});
  }
  /// `n` callers at once, each of whom holds what it gets for a while.
  std::vector<task_handle<result<void>>> callers(int n, duration hold, const context& ctx,
                                                 acquire_options how = {}) {
    std::vector<task_handle<result<void>>> all;
    for (int i = 0; i < n; ++i) {
      all.push_back(spawn([this, hold, ctx, how]() -> task<result<void>> {
        auto lent = co_await pool_->acquire(ctx, how);
        if (!lent) co_return std::unexpected(lent.error());
        (void)co_await sleep_for(root.get(), hold);
        co_return result<void>{};
      }));
    }
    return all;
  }
  void TearDown() override {
    backend.stuck = 0;
    if (!pool_) return;
    EXPECT_TRUE(loop.run(pool_->close({}), time));
    const pool_stats end = pool_->stats();
    EXPECT_EQ(end.open + end.opening + end.in_use + end.idle + end.waiting + end.closing, 0U);
    EXPECT_EQ(backend.opened, backend.closed);
  }

  manual_clock time;
  run_loop loop{time};
  server backend;
  context_source root{time};
  std::optional<pool<conn>> pool_;
};

}  // namespace weir::pool_tests
