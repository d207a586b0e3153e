#include "postgres/flusher.hpp"

#include <utility>

#include <weir/runtime/start.hpp>

namespace weir::postgres {
namespace {

/// For so long is a connection that answered taken for alive. If it is not, whoever committed
/// meanwhile is told that nobody knows.
constexpr duration believed = std::chrono::seconds{1};

/// It has to write to the log: a COMMIT of nothing waits for nothing.
constexpr const char* flushing = "SELECT pg_logical_emit_message(true, 'weir', '')";

}  // namespace

flusher::flusher(std::shared_ptr<server> at)
    : server_(std::move(at)), source_(server_->where.time()) {}

flusher::~flusher() {
  begin_close();
}

// ---- callers ------------------------------------------------------------------------------------

std::optional<flusher::mark> flusher::known() noexcept {
  const time_point now = server_->where.time().now();
  core::lock_guard guard{mutex_};
  if (known_.connection == 0 || now - proved_ >= believed) return std::nullopt;
  return known_;
}

task<result<flusher::mark>> flusher::ready(context ctx) {
  if (auto now = known()) co_return *std::move(now);
  const auto mine = std::make_shared<flush_request>(false);
  if (auto asked = co_await ask(std::move(ctx), mine); !asked) {
    co_return std::unexpected(std::move(asked.error()));
  }
  co_return std::move(mine->given);
}

task<result<void>> flusher::flush(context ctx, std::uint64_t connection) {
  const auto mine = std::make_shared<flush_request>(true);
  if (auto asked = co_await ask(std::move(ctx), mine); !asked) co_return asked;
  if (mine->given.connection == connection) co_return result<void>{};
  co_return fail(errc::closed, "the connection that would have seen the server lose it was lost");
}

task<result<void>> flusher::ask(context ctx, std::shared_ptr<flush_request> mine) {
  switch (queue_.submit(mine)) {
    case pump_queue::answer::closed:
      co_return fail(errc::closed, "the database is closed");
    case pump_queue::answer::start_the_pump: {
      auto run = [self = shared_from_this()] { return self->pump(self); };
      core::start(server_->where, {.name = "postgres flusher"}, source_.get(), std::move(run),
                  pump_tail{})
          .detach();
      break;
    }
    case pump_queue::answer::queued:
    case pump_queue::answer::queued_first:
      break;
  }
  if (auto waited = co_await mine->done.wait(ctx); !waited) {
    static_cast<void>(queue_.abandon(*mine));
    co_return std::unexpected(std::move(waited.error()));
  }
  if (auto failed = std::move(mine->failed)) co_return std::unexpected(*std::move(failed));
  co_return result<void>{};
}

void flusher::begin_close() noexcept {
  if (!queue_.begin_close()) return;  // the pump ends it
  wire_.reset();
  quiet_.set();
}

task<void> flusher::close(context ctx) {
  begin_close();
  if (auto done = co_await quiet_.wait(ctx); done) co_return;
  source_.cancel(error{errc::closed, "the database is closed"});
  static_cast<void>(co_await quiet_.wait(context{}));  // soon: every wait of the pump has ended
}

// ---- the pump -----------------------------------------------------------------------------------

task<void> flusher::pump(std::shared_ptr<flusher> self) {
  for (bool done = self->ended(); !done; done = self->ended()) {
    // Who comes from here on is not served by what begins now.
    const requests served = take_all();
    bool flushes = false;
    for (const auto& one : served) flushes = flushes || one->flushes;
    const auto how = co_await serve(flushes);
    answer(served, how);
  }
}

bool flusher::ended() {
  switch (queue_.try_end()) {
    case pump_queue::end::not_yet:
      return false;
    case pump_queue::end::quiet:
      return true;  // from here on another pump may run
    case pump_queue::end::closed:
      wire_.reset();
      quiet_.set();
      return true;
  }
  return true;
}

flusher::requests flusher::take_all() noexcept {
  requests all;
  while (auto one = queue_.take()) {
    all.push_back(std::static_pointer_cast<flush_request>(std::move(one)));
  }
  return all;
}

task<result<void>> flusher::serve(bool flushes) {
  auto done = co_await connected();
  if (done && flushes) done = co_await wire_->run(source_.get(), flushing);
  const time_point now = server_->where.time().now();
  core::lock_guard guard{mutex_};
  known_ = done ? current_ : mark{};
  proved_ = now;
  co_return done;
}

task<result<void>> flusher::connected() {
  if (wire_ != nullptr && wire_->quick_ready()) co_return result<void>{};
  wire_.reset();
  const context ctx = source_.get();
  auto made = co_await wire::connect(server_, ctx);
  if (!made) co_return std::unexpected(std::move(made.error()));
  auto server = co_await (*made)->server_id(ctx);
  if (!server) co_return std::unexpected(std::move(server.error()));
  // Found out before somebody counts on it: it may not be allowed to.
  if (auto can = co_await (*made)->run(ctx, flushing); !can) {
    if ((*made)->dead()) co_return can;
    server->clear();
  }
  wire_ = *std::move(made);
  current_ = {current_.connection + 1, *std::move(server)};
  co_return result<void>{};
}

void flusher::answer(const requests& served, const result<void>& how) noexcept {
  for (const auto& one : served) {
    if (how) {
      one->given = current_;
    } else {
      one->failed = how.error();
    }
    queue_.answered();
    one->done.set();
  }
}

}  // namespace weir::postgres
