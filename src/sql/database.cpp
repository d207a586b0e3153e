#include "sql/database.hpp"

namespace weir::core {

pool_options sql_db::limits(const sql::db_options& options, sql::access mode) const noexcept {
  const auto layout = kind_->connections(options.max_open);
  const bool readers = mode == sql::access::read_only;
  return {.name = options.name,
          .max_open = readers ? layout.readers : layout.writers,
          .max_idle = options.max_idle,
          .min_idle = options.min_idle,
          .max_lifetime = options.max_lifetime,
          .max_idle_time = options.max_idle_time,
          .acquire_timeout = options.acquire_timeout,
          .max_waiters = options.max_waiters,
          .hopeless = options.hopeless,
          .busy = options.busy,
          .max_opening = options.max_opening,
          .open_timeout = options.open_timeout,
          .validate_after = options.validate_after,
          .leak_after = options.leak_after,
          .deadlock_after = options.deadlock_after,
          .hooks = options.hooks,
          .seed = options.seed + (readers ? 1 : 0)};
}

task<result<std::shared_ptr<sql_session>>> sql_db::session(context ctx, sql::access mode,
                                                           bool fresh, std::source_location site) {
  if (inside_of_own(mode)) {
    co_return fail(errc::would_deadlock,
                   "this task waits for the connection that its own transaction holds: use the "
                   "transaction's functions, or the database after it has ended");
  }
  co_await hop_if_elsewhere{kind_->home(mode)};
  for (;;) {
    auto lent = co_await pool_for(mode).acquire(ctx, site);
    if (!lent) co_return std::unexpected(std::move(lent.error()));
    auto s = std::allocate_shared<sql_session>(frame_allocator<sql_session>{}, shared_from_this(),
                                               *std::move(lent));
    if (!fresh || s->uses() == 0) {
      co_await hop_if_elsewhere{s->home()};
      co_return s;
    }
    s->discard();  // two broke in a row: the server has gone away and come back under all of them
  }
}

task<result<sql::tx>> sql_db::begin(context ctx, sql::tx_options options,
                                    std::source_location site) {
  const auto body = [ctx, options](const std::shared_ptr<sql_session>& s) {
    return s->begin(ctx, options, true);
  };
  co_return co_await on_connection<sql::tx>(ctx, options.access, site, body);
}

task<result<void>> run_and_end(sql::tx* t, transaction_code* fn) {
  result<void> done;
  std::exception_ptr thrown;
  executor& home = this_executor();
  try {
    done = co_await fn->run(t);
  } catch (...) {
    thrown = std::current_exception();
  }
  co_await hop_if_elsewhere{&home};  // the closure may have gone elsewhere
  if (done && !thrown) {
    auto ended = co_await t->commit();
    // The closure may have ended it by itself.
    if (!ended && ended.error().code() == errc::already_done) ended = {};
    co_return ended;
  }
  if (t->open()) static_cast<void>(co_await t->rollback());  // the first error is the one to tell
  if (thrown) std::rethrow_exception(thrown);
  co_return done;
}

/// Marks the task that is in a transaction on the only connection that writes.
class sql_db::inside_scope {
 public:
  explicit inside_scope(sql_db* db) noexcept : db_(db) {
    if (db_ != nullptr) db_->inside_.store(task_record::current());
  }
  inside_scope(const inside_scope&) = delete;
  inside_scope& operator=(const inside_scope&) = delete;
  ~inside_scope() {
    if (db_ != nullptr) db_->leave(task_record::current());
  }

 private:
  sql_db* db_;
};

void sql_db::leave(task_record* who) noexcept {
  // The next transaction may have begun: the connection was given back before this.
  inside_.compare_exchange_strong(who, nullptr);
}

task<result<void>> sql_db::transact(context ctx, sql::tx_options options, transaction_code* fn,
                                    std::source_location site) {
  const auto once = [&](bool* began) -> task<result<void>> {
    auto t = co_await begin(ctx, options, site);
    if (!t) co_return std::unexpected(std::move(t.error()));
    *began = true;
    const inside_scope mark{one_writer_ && options.access == sql::access::read_write ? this
                                                                                     : nullptr};
    co_return co_await run_and_end(&*t, fn);
  };
  co_return co_await repeat_transaction(ctx, options, once);
}

void sql_db::begin_close() noexcept {
  groups_.close();
  writers_.begin_close();
  if (readers_) readers_->begin_close();
  if (lane_ != nullptr) lane_->begin_close();
}

task<result<void>> sql_db::close(context ctx) {
  begin_close();
  if (lane_ != nullptr) co_await lane_->close(ctx);
  const auto ended = co_await groups_.ended(ctx);
  // Also when the time is over: then for who holds what.
  auto closed = co_await writers_.close(ctx);
  result<void> read;
  if (readers_) read = co_await readers_->close(ctx);
  if (flusher_ != nullptr) {
    // Whoever has given its connection back may still have to ask it.
    static_cast<void>(co_await early_.wait(ctx));
    co_await flusher_->close(ctx);
  }
  if (closed) co_return !read ? read : ended;
  if (read) co_return closed;
  co_return std::unexpected(
      std::move(closed.error())
          .with("readers held by", std::string{read.error().text("held by").value_or("nobody")}));
}

sql::db_stats sql_db::stats() const noexcept {
  sql::db_stats all{.writers = writers_.stats(), .readers = std::nullopt};
  if (readers_) all.readers = readers_->stats();
  return all;
}

void sql_db::set_max_open(std::size_t max_open) noexcept {
  const auto layout = kind_->connections(max_open);
  writers_.set_max_open(layout.writers);
  if (readers_) readers_->set_max_open(layout.readers);
}

}  // namespace weir::core
