#include "sql/connection.hpp"

#include <exception>
#include <utility>

namespace weir::core {

task<result<statement_cache::place>> statement_cache::take(context ctx, sql::driver_connection* on,
                                                           std::string_view text) {
  const auto known = index_.find(text);
  if (known != index_.end() && !known->second->busy) {
    const place found = known->second;
    entries_.splice(entries_.begin(), entries_, found);
    found->busy = true;
    ++busy_;
    co_return found;
  }
  auto made = co_await on->prepare(std::move(ctx), text);
  if (!made) co_return std::unexpected(std::move(made.error()));
  entries_.push_front({.text = std::string{text}, .made = *std::move(made), .busy = true});
  ++busy_;
  const place added = entries_.begin();
  if (most_ != 0 && !index_.contains(text)) {
    make_room();
    index_.emplace(added->text, added);
    added->kept = true;
  }
  co_return added;
}

void statement_cache::make_room() noexcept {
  if (index_.size() < most_) return;
  for (auto oldest = entries_.end(); oldest != entries_.begin();) {
    --oldest;
    if (!oldest->kept || oldest->busy) continue;
    index_.erase(oldest->text);
    entries_.erase(oldest);
    return;
  }
}

void statement_cache::put_back(place used) noexcept {
  used->busy = false;
  used->abandoned = false;
  --busy_;
  if (!used->kept) {
    entries_.erase(used);
  } else if (index_.size() > most_) {
    index_.erase(used->text);
    entries_.erase(used);
  }
}

task<void> statement_cache::stop_some(bool all) {
  for (auto at = entries_.begin(); at != entries_.end();) {
    const place one = at++;
    if (!one->busy || (!all && !one->abandoned)) continue;
    co_await one->made->stop();
    put_back(one);
  }
  any_abandoned_ = false;
}

task<void> statement_cache::stop_abandoned() {
  if (any_abandoned_) co_await stop_some(false);
}

task<void> statement_cache::stop_all() {
  ++epoch_;
  if (busy_ != 0) co_await stop_some(true);
}

void statement_cache::clear() noexcept {
  index_.clear();
  entries_.clear();
  busy_ = 0;
}

task<result<pooled_connection>> connection_source::open(context ctx) {
  auto opened = co_await kind_->connect(std::move(ctx), mode_);
  if (!opened) co_return std::unexpected(std::move(opened.error()));
  co_return std::make_unique<sql_connection>(*std::move(opened), mode_, statements_);
}

task<void> connection_source::close(pooled_connection one) {
  executor& back = this_executor();
  co_await hop_if_elsewhere{one->driver->home()};
  std::exception_ptr thrown;
  try {
    one->statements.clear();
    co_await one->driver->close();
  } catch (...) {
    thrown = std::current_exception();
  }
  one.reset();
  co_await hop_if_elsewhere{&back};
  if (thrown) std::rethrow_exception(thrown);
}

task<bool> connection_source::reset(pooled_connection& one, context ctx) {
  executor& back = this_executor();
  sql_connection* const c = one.get();
  co_await hop_if_elsewhere{c->driver->home()};
  bool clean = false;
  try {
    co_await c->statements.stop_all();
    // Two steps: g++ 12 may look at what follows an awaited operand of && before it.
    clean = co_await c->driver->reset(std::move(ctx));
    clean = clean && c->driver->usable() && !c->driver->in_transaction();
  } catch (...) {
    clean = false;
  }
  if (clean) c->dirty = false;
  co_await hop_if_elsewhere{&back};
  co_return clean;
}

task<bool> connection_source::validate(pooled_connection& one, context ctx) {
  executor& back = this_executor();
  co_await hop_if_elsewhere{one->driver->home()};
  bool alive = false;
  try {
    const auto answered = co_await one->driver->ping(std::move(ctx));
    alive = answered.has_value();
  } catch (...) {
    alive = false;
  }
  co_await hop_if_elsewhere{&back};
  co_return alive;
}

}  // namespace weir::core
