#include "postgres/line.hpp"

#include <cstdlib>
#include <utility>

#include <weir/context/select.hpp>
#include <weir/runtime/fd.hpp>
#include <weir/runtime/start.hpp>

namespace weir::postgres {
namespace {

/// More texts than this are no fixed set of statements: they are forgotten all at once.
constexpr std::size_t most_statements = 512;
/// So often is a request moved to a new connection before it is sent.
constexpr std::uint8_t most_connections = 3;

struct pump_tail {
  static void ended(task_record&) noexcept {}
  static void unhandled(task_record&, const std::exception_ptr&) noexcept {
    core::misuse("a lane's own task threw");
  }
};

}  // namespace

line::line(std::shared_ptr<server> at, const sql::lane_limits& limits)
    : server_(std::move(at)), limits_(limits), source_(server_->where.time()) {}

line::~line() = default;

// ---- callers ------------------------------------------------------------------------------------

result<void> line::submit(const std::shared_ptr<line_request>& one) {
  bool start = false;
  {
    core::lock_guard guard{mutex_};
    if (closed_) return fail(errc::closed, "the database is closed");
    one->self = one;
    queue_.push_back(*one);
    start = !std::exchange(running_, true);
  }
  load_.fetch_add(1);
  if (start) {
    auto run = [self = shared_from_this()] { return self->pump(self); };
    core::start(server_->where, {.name = "postgres lane"}, source_.get(), std::move(run),
                pump_tail{})
        .detach();
  } else {
    static_cast<void>(poke_.try_send('\0'));  // one that waits already is enough
  }
  return {};
}

bool line::abandon(line_request& one) noexcept {
  std::shared_ptr<line_request> last;
  core::lock_guard guard{mutex_};
  if (!one.linked()) return true;
  core::intrusive_list<line_request>::unlink(one);
  last = std::move(one.self);
  load_.fetch_sub(1);
  return false;
}

void line::begin_close() noexcept {
  std::unique_ptr<wire> idle;
  {
    core::lock_guard guard{mutex_};
    if (std::exchange(closed_, true)) return;
    if (running_) return;  // the pump ends it
    idle = std::move(wire_);
  }
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

task<void> line::pump(std::shared_ptr<line>) {
  while (!ended()) {
    if (!co_await connected()) continue;
    take_and_send();
    receive();
    if (source_.get().cancelled() && !wire_->dead()) co_await hurry();
    if (wire_->dead() || source_.get().cancelled()) {
      lose_connection();
    } else if (!flights_.empty()) {
      co_await wait();
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
  std::unique_ptr<wire> last;
  bool told = false;
  {
    core::lock_guard guard{mutex_};
    if (!queue_.empty() || !flights_.empty() || !again_.empty()) return false;
    running_ = false;
    told = closed_;
    if (closed_) last = std::move(wire_);
  }
  last.reset();
  if (told) quiet_.set();
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

std::shared_ptr<line_request> line::take() noexcept {
  if (flights_.size() >= limits_.depth || bytes_ >= limits_.bytes) return nullptr;
  if (!again_.empty()) {
    auto first = std::move(again_.front());
    again_.erase(again_.begin());
    return first;
  }
  core::lock_guard guard{mutex_};
  line_request* first = queue_.pop_front();
  return first != nullptr ? std::move(first->self) : nullptr;
}

void line::take_and_send() {
  if (statements_.size() > most_statements) {
    if (!flights_.empty()) return;
    forget_statements();
  }
  while (!wire_->dead() && statements_.size() <= most_statements) {
    auto one = take();
    if (one == nullptr) return;
    const auto statement = statement_of(one->text.view());
    if (statement->ready) {
      send(std::move(one), statement);
    } else {
      statement->waiting.push_back(std::move(one));
    }
  }
}

std::shared_ptr<line::prepared> line::statement_of(std::string_view text) {
  if (const auto found = statements_.find(text); found != statements_.end()) return found->second;
  auto made = std::make_shared<prepared>();
  made->text = text;
  made->name = "weir_lane_" + std::to_string(++names_);
  statements_.emplace(made->text, made);
  const bool queued =
      PQsendPrepare(wire_->raw(), made->name.c_str(), made->text.c_str(), 0, nullptr) == 1 &&
      PQsendDescribePrepared(wire_->raw(), made->name.c_str()) == 1 && wire_->sync().has_value();
  if (!queued) wire_->kill();
  flights_.push_back({.request = nullptr, .statement = made, .failed = std::nullopt});
  return made;
}

void line::send(std::shared_ptr<line_request> one, const std::shared_ptr<prepared>& statement) {
  const auto no_names = [](std::string_view) { return std::optional<std::size_t>{}; };
  auto fits = one->values.arrange(statement->what.parameters.size(), no_names);
  if (fits) fits = parameters_.encode(one->values.values(), statement->what);
  if (!fits) return refuse(one, std::move(fits.error()));
  const bool queued =
      PQsendQueryPrepared(wire_->raw(), statement->name.c_str(), parameters_.size(),
                          parameters_.pointers(), parameters_.lengths(), parameters_.formats(),
                          statement->what.binary ? 1 : 0) == 1 &&
      wire_->sync().has_value();
  if (!queued) wire_->kill();
  one->bytes = parameters_.size_bytes() + 64;
  bytes_ += one->bytes;
  flights_.push_back({.request = std::move(one), .statement = statement, .failed = std::nullopt});
}

void line::forget_statements() {
  statements_.clear();
  const bool queued = PQsendQueryParams(wire_->raw(), "DEALLOCATE ALL", 0, nullptr, nullptr,
                                        nullptr, nullptr, 0) == 1 &&
                      wire_->sync().has_value();
  if (!queued) wire_->kill();
  flights_.push_back({.request = nullptr, .statement = nullptr, .failed = std::nullopt});
}

void line::receive() {
  PGconn* const raw = wire_->raw();
  while (!flights_.empty() && PQisBusy(raw) == 0) {
    pg_result r{PQgetResult(raw)};
    if (PQstatus(raw) != CONNECTION_OK) return wire_->kill();
    if (r == nullptr) {
      ++flights_.front().step;
    } else if (PQresultStatus(r.get()) == PGRES_PIPELINE_SYNC) {
      wire_->synced();
      flight done = std::move(flights_.front());
      flights_.pop_front();
      landed(std::move(done));
    } else {
      answer(flights_.front(), std::move(r));
    }
  }
}

void line::answer(flight& front, pg_result r) {
  const ExecStatusType status = PQresultStatus(r.get());
  switch (status) {
    case PGRES_FATAL_ERROR:
    case PGRES_BAD_RESPONSE:
      if (front.failed) return;
      front.stale = front.request != nullptr && wants_new_plan(r.get());
      front.failed = server_error(r.get());
      return;
    case PGRES_COPY_IN:
    case PGRES_COPY_OUT:
    case PGRES_COPY_BOTH:
      front.failed = sql::with_outcome(
          error{errc::unsupported, "COPY from or to the client goes through the native handle"},
          sql::outcome::refused);
      return wire_->kill();
    default:
      break;
  }
  if (front.request == nullptr) {
    if (front.statement != nullptr && front.step == 1) {
      front.statement->what = description::of(r.get());
    }
    return;
  }
  sql::lane_reply& reply = front.request->reply;
  const char* count = PQcmdTuples(r.get());
  if (*count != '\0') reply.done.rows_affected = std::strtoll(count, nullptr, 10);
  if (status != PGRES_TUPLES_OK) return;
  const description& what = front.statement->what;
  reply.names = what.columns;
  reply.rows.start(what.columns.size());
  for (int row = 0; row < PQntuples(r.get()) && !front.failed; ++row) {
    auto added = add_row(reply.rows, r.get(), row, what);
    if (!added) front.failed = std::move(added.error());
  }
}

void line::landed(flight done) {
  if (done.request != nullptr) {
    bytes_ -= done.request->bytes;
    if (done.stale && !done.request->renewed) {
      // Refused before it did anything: prepared again, under another name.
      done.request->renewed = true;
      const auto known = statements_.find(done.statement->text);
      if (known != statements_.end() && known->second == done.statement) statements_.erase(known);
      const auto fresh = statement_of(done.statement->text);
      if (fresh->ready) return send(std::move(done.request), fresh);
      fresh->waiting.push_back(std::move(done.request));
      return;
    }
    if (done.failed) done.request->failed = std::move(done.failed);
    return finish(done.request);
  }
  if (done.statement == nullptr) return;
  auto waiting = std::exchange(done.statement->waiting, {});
  if (done.failed) {
    statements_.erase(done.statement->text);
    for (const auto& one : waiting) refuse(one, *done.failed);
    return;
  }
  done.statement->ready = true;
  for (auto& one : waiting) send(std::move(one), done.statement);
}

task<void> line::wait() {
  const context ctx = source_.get();
  auto poked = poke_.recv(ctx);
  auto in = readable(server_->where, ctx, PQsocket(wire_->raw()));
  const int unsent = PQflush(wire_->raw());
  if (unsent < 0) {
    wire_->kill();
    co_return;
  }
  if (unsent > 0) {
    auto out = writable(server_->where, ctx, PQsocket(wire_->raw()));
    static_cast<void>(co_await select(in, poked, out));
  } else {
    static_cast<void>(co_await select(in, poked));
  }
  if (PQconsumeInput(wire_->raw()) == 0) wire_->kill();
}

// ---- the end of a request -----------------------------------------------------------------------

void line::finish(const std::shared_ptr<line_request>& one) {
  load_.fetch_sub(1);
  one->done.set();
}

void line::refuse(const std::shared_ptr<line_request>& one, error why) {
  one->failed = std::move(why);
  finish(one);
}

void line::refuse_queued(const error& why) {
  for (const auto& one : std::exchange(again_, {})) refuse(one, why);
  // Only those that are here now: one that comes later gets a new attempt.
  core::intrusive_list<line_request> refused;
  {
    core::lock_guard guard{mutex_};
    refused.splice_back(queue_);
  }
  while (line_request* one = refused.pop_front()) refuse(std::move(one->self), why);
}

void line::lose_connection() {
  if (wire_ == nullptr) return;
  const bool cancelled = source_.get().cancelled();
  const error sent = cancelled ? sql::with_outcome(error{errc::closed, "the database is closed"},
                                                   sql::outcome::unknown)
                               : wire_->lost(true);
  wire_.reset();
  bytes_ = 0;
  statements_.clear();
  for (flight& one : std::exchange(flights_, {})) {
    if (one.request != nullptr) {
      refuse(one.request, one.failed && !one.stale ? *std::move(one.failed) : sent);
    } else if (one.statement != nullptr) {
      // Never sent: they go to the next connection, unless it is they that end it.
      for (auto& request : std::exchange(one.statement->waiting, {})) {
        if (++request->connections < most_connections) {
          again_.push_back(std::move(request));
        } else {
          refuse(request, sql::with_outcome(sent, sql::outcome::not_sent));
        }
      }
    }
  }
  if (cancelled) refuse_queued(error{errc::closed, "the database is closed"});
}

}  // namespace weir::postgres
