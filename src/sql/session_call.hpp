#pragma once

#include <weir/retry/retry.hpp>

#include "sql/database.hpp"
#include "sql/session.hpp"

namespace weir::core {

/// One call of the owner: claims the connection, goes to it, and comes back.
template <class T, class F>
task<result<T>> sql_session::call(context ctx, std::uint64_t serial, purpose what, F body) {
  if (!claim()) co_return std::unexpected(why_gone(ctx));
  executor& back = this_executor();
  co_await hop_if_elsewhere{home_};
  std::optional<result<T>> out;
  std::exception_ptr thrown;
  try {
    auto ready = co_await prelude(ctx, serial, what);
    if (ready) {
      out.emplace(co_await body());
    } else {
      out.emplace(std::unexpected(std::move(ready.error())));
    }
  } catch (...) {
    thrown = std::current_exception();
    if (state_.load() == state::running) connection().broken = true;  // nobody knows its state
  }
  unclaim();
  co_await hop_if_elsewhere{&back};
  if (thrown) std::rethrow_exception(thrown);
  co_return *std::move(out);
}

/// Runs `once` again while it finds a lock held by somebody else. In a transaction only once: what
/// it has read is old by then, and the whole is to be run again.
template <class T, class F>
task<result<T>> sql_session::while_locked(context ctx, F once) {
  auto done = co_await once();
  const duration limit = db_->lock_timeout();
  if (done || done.error().code() != errc::busy || limit <= duration::zero() ||
      connection().driver->in_transaction()) {
    co_return done;
  }
  retry again{ctx,
              {.initial_backoff = std::chrono::milliseconds{1},
               .max_backoff = std::chrono::milliseconds{50},
               .max_duration = limit,
               .while_draining = while_draining::go_on,
               .nested = nested_retry::go_on}};  // it waits for a lock, inside whatever attempt
  static_cast<void>(co_await again.next());      // the attempt that was made
  again.failed(done.error());
  while (const auto attempt = co_await again.next()) {
    done = co_await once();
    if (done || done.error().code() != errc::busy) co_return done;
    again.failed(done.error());
  }
  co_return again.failure();
}

}  // namespace weir::core
