#include "postgres/line.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <weir/context/select.hpp>
#include <weir/runtime/fd.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/start.hpp>

namespace weir::postgres {
namespace {

/// So often is a request moved to a new connection before it is sent.
constexpr std::uint8_t most_connections = 3;

}  // namespace

line::line(std::shared_ptr<server> at, const sql::lane_limits& limits)
    : server_(std::move(at)), limits_(limits), source_(server_->where.time()) {}

line::~line() = default;

// ---- callers ------------------------------------------------------------------------------------

result<void> line::submit(const std::shared_ptr<line_request>& one) {
  switch (queue_.submit_reserved(one)) {
    case pump_queue::answer::closed:
      return fail(errc::closed, "the database is closed");
    case pump_queue::answer::queued:
      return {};
    case pump_queue::answer::queued_first:
      static_cast<void>(poke_.try_send('\0'));  // one that waits already is enough
      return {};
    case pump_queue::answer::start_the_pump:
      break;
  }
  auto run = [self = shared_from_this()] { return self->pump(self); };
  core::start(server_->where, {.name = "postgres lane"}, source_.get(), std::move(run), pump_tail{})
      .detach();
  return {};
}

void line::begin_close() noexcept {
  if (!queue_.begin_close()) return;  // the pump ends it
  wire_.reset();
  quiet_.set();
}

task<void> line::close(context ctx) {
  begin_close();
  const auto alive = shared_from_this();
  if (auto done = co_await quiet_.wait(ctx); done) co_return;
  source_.cancel(error{errc::closed, "the database is closed"});
  static_cast<void>(co_await quiet_.wait(context{}));  // soon: every wait of the pump has ended
}

// ---- the pump -----------------------------------------------------------------------------------

task<void> line::pump(std::shared_ptr<line> self) {
  // Plain steps: g++ 12 loses its way when a co_await is part of a condition here.
  for (bool done = self->ended(); !done; done = self->ended()) {
    const bool up = co_await connected();
    if (up) {
      // Those who have just got their answers come first: what they ask next goes with this Sync.
      const bool first_come = std::exchange(answered_, false);
      if (first_come) {
        co_await yield();
      }
      take_and_send();
      receive();
      const bool cancelled = source_.get().cancelled();
      if (cancelled && !wire_->dead()) {
        co_await hurry();
      }
      if (wire_->dead() || cancelled) {
        lose_connection();
      } else if (!flights_.empty() && !answered_) {
        co_await wait();
      }
    }
  }
}

/// What nobody waits for any more need not run on at the server. The server does not notice that we
/// have gone before a statement ends.
task<void> line::hurry() {
  const context_source patience{server_->where.time(), {.timeout = std::chrono::seconds{1}}};
  static_cast<void>(co_await wire_->ask_to_cancel(patience.get()));
}

bool line::ended() {
  if (!flights_.empty() || !again_.empty()) return false;
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

task<bool> line::connected() {
  if (wire_ != nullptr && !flights_.empty()) co_return true;
  if (wire_ != nullptr && wire_->quick_ready()) co_return true;
  lose_connection();
  auto made = co_await wire::connect(server_, source_.get());
  if (made) {
    wire_ = *std::move(made);
    co_return true;
  }
  refuse_queued(made.error());
  co_return false;
}

/// Until the server has sent something, or somebody has queued what could be sent now. While reads
/// are on their way it is not: what comes meanwhile waits for them, and wakes nobody.
task<void> line::wait() {
  const context ctx = source_.get();
  const int unsent = PQflush(wire_->raw());
  if (unsent < 0) {
    wire_->kill();
    co_return;
  }
  auto in = readable(server_->where, ctx, wire_->fd());
  auto out = writable(server_->where, ctx, wire_->fd());
  auto poked = poke_.recv(ctx);
  if (unsent > 0) {
    static_cast<void>(co_await select(in, out));
  } else if (shared_ > 0) {
    static_cast<void>(co_await in);
  } else {
    static_cast<void>(co_await select(in, poked));
  }
  if (PQconsumeInput(wire_->raw()) == 0) wire_->kill();
}

// ---- the end of a request -----------------------------------------------------------------------

void line::finish(const std::shared_ptr<line_request>& one) {
  queue_.answered();
  answered_ = true;
  one->done.set();
}

void line::refuse(const std::shared_ptr<line_request>& one, error why) {
  one->failed = std::move(why);
  finish(one);
}

void line::refuse_queued(const error& why) {
  for (const auto& one : std::exchange(again_, {})) refuse(one, why);
  // About those that are here now: one that comes later gets a new attempt.
  for (std::size_t left = queue_.load(); left > 0; --left) {
    const auto one = std::static_pointer_cast<line_request>(queue_.take());
    if (one == nullptr) return;
    refuse(one, why);
  }
}

void line::lose_connection() {
  if (wire_ == nullptr) return;
  const bool cancelled = source_.get().cancelled();
  const error sent = cancelled ? sql::with_outcome(error{errc::closed, "the database is closed"},
                                                   sql::outcome::unknown)
                               : wire_->lost(true);
  wire_.reset();
  shared_ = units_ = bytes_ = unsealed_ = 0;
  statements_.clear();
  auto lost = std::exchange(flights_, {});
  lost.push_back(std::exchange(open_, {}));
  for (flight& one : lost) {
    for (const unit& of : one.units) {
      const bool its_own =
          of.request != nullptr && one.failed && !one.stale && &of == &one.units[one.failed_at];
      of.each([&](const auto& request) { refuse(request, its_own ? *one.failed : sent); });
    }
    if (one.preparation == nullptr) continue;
    // Never sent: they go to the next connection, unless it is they that end it.
    for (auto& request : std::exchange(one.preparation->waiting, {})) {
      if (++request->connections < most_connections) {
        again_.push_back(std::move(request));
      } else {
        refuse(request, sql::with_outcome(sent, sql::outcome::not_sent));
      }
    }
  }
  if (cancelled) refuse_queued(error{errc::closed, "the database is closed"});
}

}  // namespace weir::postgres
