#include <utility>

#include <weir/pool/core.hpp>

#include "runtime/site_text.hpp"

namespace weir::core {

void acquire_base::limit_wait(const context& ctx, duration longest) {
  // A context that never ends has no clock of its own to speak of: the pool's counts.
  if (ctx.state() != nullptr) {
    timeout_.emplace(ctx, context_options{.timeout = longest});
  } else {
    timeout_.emplace(pool_.where().time(), context_options{.timeout = longest});
  }
  bound_ = timeout_->get().state();
}

// guard_ is the pool's lock under another name, which the analysis cannot know.
bool acquire_base::try_locked(wake_list&) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  return pool_.try_acquire_locked(*this);
}
void acquire_base::enqueue(waiter& who, std::uint32_t index,
                           wake_list& wakes) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  pool_.enqueue(*this, who, index, wakes);
}
void acquire_base::withdraw(wake_list&) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  pool_.withdraw(*this);
}

error acquire_base::refused() const {
  const std::string name = "'" + pool_.pool_name() + "'";
  switch (refusal_) {
    case refusal::closed:
      return {errc::closed, "the pool " + name + " is closed"};
    case refusal::queue_full:
      return pool_.with_figures(
          error{errc::throttled, "too many callers wait for the pool " + name + " already"});
    case refusal::hopeless:
      return pool_
          .with_figures(error{errc::throttled, "the wait for the pool " + name +
                                                   " would be longer than the time that is left"})
          .with("predicted wait", predicted_);
    case refusal::none:
    case refusal::open_failed:
    case refusal::deadlock:
      break;
  }
  error why = why_.value_or(error{errc::failed, "opening failed"});
  if (refusal_ != refusal::deadlock) return why;
  return pool_.with_figures(std::move(why))
      .with("holds one since", text_of(holder_))
      .with("waits at", text_of(site_));
}

error acquire_base::explain(error why) const {
  const std::string name = "'" + pool_.pool_name() + "'";
  const errc code = why.code();
  auto unserved = pool_.why_unserved(code, waiting_since_);
  const auto describe = [&] {
    if (unserved.nothing_open) {
      return error{errc::server_down, "nothing could be opened for the pool " + name + " in time"};
    }
    return error{code, code == errc::deadline_exceeded
                           ? "nothing in the pool " + name + " became free in time"
                           : "the wait for the pool " + name + " was cut short"};
  };
  error told = pool_.with_figures(describe());
  if (waiting_since_ != time_point{}) {
    told = std::move(told).with("waited", pool_.where().time().now() - waiting_since_);
  }
  return std::move(told).caused_by(unserved.why ? *std::move(unserved.why) : std::move(why));
}

error pool_core::with_figures(error why) const {
  const pool_stats now = stats();
  const auto number = [](std::size_t n) { return static_cast<std::int64_t>(n); };
  return std::move(why)
      .with("max", number(now.max_open))
      .with("in use", number(now.in_use))
      .with("idle", number(now.idle))
      .with("opening", number(now.opening))
      .with("waiting", number(now.waiting));
}

pool_core::unserved pool_core::why_unserved(errc ended_by, time_point since) noexcept {
  lock_guard guard{mutex_};
  if (ended_by != errc::deadline_exceeded) return {};
  if (since != time_point{}) ++stats_.timeouts;
  const bool tried = opening_.last_error() || opening_.hangs(clock_.now());
  return {.nothing_open = tried && stats_.open == stats_.closing, .why = opening_.last_error()};
}

error open_ended(const context& bound, error why) {
  const auto cause = bound.cancel_cause();
  if (why.code() != errc::deadline_exceeded || !cause || cause->what.code() != why.code()) {
    return why;
  }
  return error{errc::server_down, "opening a pooled resource took longer than open_timeout"}
      .caused_by(std::move(why));
}

error open_threw(const std::exception_ptr& thrown) {
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& e) {
    return {errc::failed, std::string{"opening a pooled resource threw: "} + e.what()};
  } catch (...) {
    return {errc::failed, "opening a pooled resource threw something that is no std::exception"};
  }
}

void close_threw(pool_core& pool, const std::exception_ptr& thrown) {
  pool.log().write(log_level::warning, "pool '" + pool.pool_name() +
                                           "': closing threw: " + open_threw(thrown).to_string());
}

}  // namespace weir::core
