#include <utility>

#include <weir/pool/core.hpp>

namespace weir::core {

acquire_base::acquire_base(pool_core& pool, const context& ctx, std::source_location site)
    : pool_(pool), site_(site), bound_(ctx.state()) {
  if (const auto limit = pool.acquire_timeout()) {
    // A context that never ends has no clock of its own to speak of: the pool's counts.
    if (ctx.state() != nullptr) {
      timeout_.emplace(ctx, context_options{.timeout = limit});
    } else {
      timeout_.emplace(pool.where().time(), context_options{.timeout = limit});
    }
    bound_ = timeout_->get().state();
  }
}

result<pool_slot*> acquire_base::take_slot() {
  switch (refusal_) {
    case refusal::none:
      break;
    case refusal::closed:
      return std::unexpected(error{errc::closed, "the pool '" + pool_.pool_name() + "' is closed"});
    case refusal::queue_full:
      return std::unexpected(
          pool_.with_figures(error{errc::throttled, "too many callers wait for the pool '" +
                                                        pool_.pool_name() + "' already"}));
    case refusal::open_failed:
      return std::unexpected(open_error_.value_or(error{errc::failed, "opening failed"}));
  }
  slot_->holder = site_;
  return slot_;
}

error acquire_base::explain(error why) const {
  const std::string name = "'" + pool_.pool_name() + "'";
  const errc code = why.code();
  error told{code, code == errc::deadline_exceeded
                       ? "nothing in the pool " + name + " became free in time"
                       : "the wait for the pool " + name + " was cut short"};
  told = pool_.with_figures(std::move(told));
  if (waiting_since_ != time_point{}) {
    told = std::move(told).with("waited", pool_.where().time().now() - waiting_since_);
  }
  return std::move(told).caused_by(std::move(why));
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
