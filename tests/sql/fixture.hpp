#pragma once

#include <memory>
#include <utility>

#include <gtest/gtest.h>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/core/clock.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/start.hpp>
#include <weir/sql/db.hpp>

#include "sql/fake_driver.hpp"

namespace weir {

using namespace std::chrono_literals;

struct silent_tail {
  static void ended(task_record&) noexcept {}
  static void unhandled(task_record&, const std::exception_ptr&) noexcept { std::terminate(); }
};

/// A fake database on one run loop and a manual clock. At the end every connection and every
/// statement that was made is closed, and no session was ever handed on dirty.
class fake_db : public testing::Test {
 protected:
  void open(sql::db_options options = {}) {
    options_ = options;
    db_.emplace(loop, std::make_shared<fake::driver>(server), options_);
  }

  void TearDown() override {
    if (db_) {
      auto closed = run(db_->close(ctx()));
      EXPECT_TRUE(closed) << closed.error().to_string();
      db_.reset();
    }
    loop.run_until_idle();
    EXPECT_EQ(server->open(), 0);
    EXPECT_EQ(server->statements_made(), server->statements_closed());
    EXPECT_EQ(server->dirty_sessions(), 0);
    EXPECT_EQ(server->statements_outside_of_their_transaction(), 0);
  }

  sql::db& db() {
    if (!db_) open();
    return *db_;
  }
  context ctx() const { return root.get(); }

  template <class T>
  T run(task<T> root_task) {
    return loop.run(std::move(root_task), time);
  }
  /// Starts a task beside the test's own.
  template <class F>
  auto start(F fn) {
    return core::start(loop, {.name = "beside"}, ctx(), std::move(fn), silent_tail{});
  }

  manual_clock time;
  run_loop loop{time};
  context_source root{time};
  std::shared_ptr<fake::server> server = std::make_shared<fake::server>();

 private:
  sql::db_options options_;
  std::optional<sql::db> db_;
};

/// A hook that fails calls of one kind.
inline fake::server::hook_t fails(fake::call which, error with) {
  return [which, with](context, fake::call c, fake::connection*) -> task<result<void>> {
    if (c == which) co_return std::unexpected(with);
    co_return result<void>{};
  };
}

/// A hook in which calls of one kind last as long as their context lets them.
inline fake::server::hook_t hangs(fake::call which) {
  return [which](context ctx, fake::call c, fake::connection*) -> task<result<void>> {
    if (c != which) co_return result<void>{};
    auto waited = co_await sleep_for(ctx, 24h);
    if (!waited)
      co_return std::unexpected(sql::with_outcome(waited.error(), sql::outcome::refused));
    co_return result<void>{};
  };
}

}  // namespace weir
