#include <utility>

#include <weir/runtime/run_loop.hpp>
#include <weir/stopper/stopper.hpp>

#include "sql/database.hpp"

namespace weir::core {
namespace {

/// Once more if its answer was lost.
task<result<sql::reply>> run_twice(std::shared_ptr<sql::driver_lane> on, context ctx,
                                   sql::statement_text text, sql::arguments a) {
  auto done = co_await on->run(ctx, text, a);
  if (done || sql::outcome_of(done.error()) != sql::outcome::unknown || !ctx.check()) {
    co_return done;
  }
  co_return co_await on->run(ctx, std::move(text), std::move(a));
}

}  // namespace

/// No coroutine of its own for what is asked once, which is nearly everything.
task<result<sql::reply>> lane_run(const std::shared_ptr<sql::driver_lane>& on, context&& ctx,
                                  sql::statement_text&& text, sql::arguments&& a) {
  if (text.is_idempotent()) {
    return run_twice(on, std::move(ctx), std::move(text), std::move(a));
  }
  return on->run(std::move(ctx), std::move(text), std::move(a));
}

task<result<sql::exec_result>> lane_exec(std::shared_ptr<sql::driver_lane> on, context ctx,
                                         sql::statement_text text, sql::arguments a) {
  auto done = co_await lane_run(on, std::move(ctx), std::move(text), std::move(a));
  if (!done) co_return std::unexpected(std::move(done.error()));
  co_return done->done;
}

namespace {

template <class T>
void defer_close(stopper& owner, const char* name, std::shared_ptr<T> one) {
  // Kept: of a database that goes before the stop, what is still unanswered is waited for here.
  owner
      .defer(name,
             [one = std::move(one)](const context& ctx) -> result<void> {
               weir::wait(one->close(ctx));
               return {};
             })
      .keep();
}

}  // namespace

void close_with(stopper& owner, std::shared_ptr<sql::driver_lane> one) {
  defer_close(owner, "db lane", std::move(one));
}

std::shared_ptr<sql::driver_flusher> closed_with(stopper& owner,
                                                 std::shared_ptr<sql::driver_flusher> one) {
  if (one != nullptr) defer_close(owner, "db flusher", one);
  return one;
}

}  // namespace weir::core
