#include "postgres/wire.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <weir/context/select.hpp>
#include <weir/runtime/blocking.hpp>
#include <weir/runtime/fd.hpp>

namespace weir::postgres {
namespace {

using namespace std::chrono_literals;

using owned_connection = std::unique_ptr<PGconn, decltype(&PQfinish)>;

bool ready_now(int fd, short what, duration longest) noexcept {
  pollfd one{.fd = fd, .events = what, .revents = 0};
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(longest).count();
  return ::poll(&one, 1, static_cast<int>(ms)) > 0;
}

/// On a blocking thread: libpq blocks for names and for TLS even in its non-blocking form.
result<owned_connection> dial(const settings& to, const context& ctx) {
  std::vector<const char*> names;
  std::vector<const char*> values;
  for (const auto& [name, value] : to.keywords) {
    names.push_back(name.c_str());
    values.push_back(value.c_str());
  }
  names.push_back(nullptr);
  values.push_back(nullptr);
  owned_connection conn{PQconnectStartParams(names.data(), values.data(), 0), &PQfinish};
  if (conn == nullptr) return fail(errc::exhausted, "there is no memory for a connection");
  context_scope bound{ctx, {.timeout = to.connect_timeout}};
  PostgresPollingStatusType next = PGRES_POLLING_WRITING;
  while (PQstatus(conn.get()) != CONNECTION_BAD && next != PGRES_POLLING_OK &&
         next != PGRES_POLLING_FAILED) {
    // In slices, so that the thread is soon free when nobody waits any more.
    const short what = next == PGRES_POLLING_READING ? POLLIN : POLLOUT;
    const bool ready = ready_now(PQsocket(conn.get()), what, 20ms);
    if (auto alive = bound.get().check(); !alive) {
      if (auto outer = ctx.check(); !outer) {
        return std::unexpected(sql::with_outcome(std::move(outer.error()), sql::outcome::not_sent));
      }
      return std::unexpected(
          connect_error(to, "the server did not answer within " + to_text(to.connect_timeout)));
    }
    if (ready) next = PQconnectPoll(conn.get());
  }
  if (PQstatus(conn.get()) != CONNECTION_OK) {
    return std::unexpected(connect_error(to, PQerrorMessage(conn.get())));
  }
  return conn;
}

}  // namespace

task<result<std::unique_ptr<wire>>> wire::connect(std::shared_ptr<server> at, context ctx) {
  // The thread may outlast the wait: it owns what it uses.
  auto attempt = [at, ctx] { return dial(at->to, ctx); };
  auto conn = co_await run_blocking(at->where, ctx, attempt);
  if (!conn) {
    co_return std::unexpected(
        conn.error().text("outcome")
            ? std::move(conn.error())
            : sql::with_outcome(std::move(conn.error()), sql::outcome::not_sent));
  }
  auto made = std::make_unique<wire>(at, conn->release());
  if (made->fd_ < 0) {
    co_return std::unexpected(sql::with_outcome(
        error{errc::exhausted, "this process has no file descriptor left for a connection"},
        sql::outcome::not_sent));
  }
  if (!made->enter_pipeline()) {
    co_return std::unexpected(connect_error(at->to, PQerrorMessage(made->raw())));
  }
  co_return made;
}

wire::wire(std::shared_ptr<server> at, PGconn* connected)
    : server_(std::move(at)),
      conn_(connected),
      fd_(::fcntl(PQsocket(connected), F_DUPFD_CLOEXEC, 0)),
      cancel_(PQgetCancel(connected), [](PGcancel* c) { PQfreeCancel(c); }) {
  PQsetNoticeReceiver(conn_, &wire::on_notice, this);
}

wire::~wire() {
  if (fd_ >= 0) {
    forget_fd(server_->where, fd_);
    ::close(fd_);
  }
  PQfinish(conn_);
}

bool wire::enter_pipeline() noexcept {
  return PQsetnonblocking(conn_, 1) == 0 && PQenterPipelineMode(conn_) == 1;
}

bool wire::lend() noexcept {
  return !dead() && PQexitPipelineMode(conn_) == 1 && PQsetnonblocking(conn_, 0) == 0;
}

void wire::on_notice(void* self, const PGresult* said) {
  wire& w = *static_cast<wire*>(self);
  const char* severity = PQresultErrorField(said, PG_DIAG_SEVERITY_NONLOCALIZED);
  const char* text = PQresultErrorField(said, PG_DIAG_MESSAGE_PRIMARY);
  if (severity == nullptr || text == nullptr) return;
  const bool fatal = std::strcmp(severity, "FATAL") == 0 || std::strcmp(severity, "PANIC") == 0;
  if (fatal) w.last_words_ = server_error(said);
  const bool warns = fatal || std::strcmp(severity, "WARNING") == 0;
  w.server_->where.log().write(
      warns ? log_level::warning : log_level::info,
      std::string{"PostgreSQL "} + severity + ": " + w.server_->to.without_secrets(text));
}

error wire::lost(bool sent) {
  dead_ = true;
  error why = lost_error(conn_, server_->to, sent);
  if (last_words_) return std::move(why).caused_by(*last_words_);
  return why;
}

bool wire::hung_up() noexcept {
  // What an idle server sends is that it ends, a notice or a notification.
  for (int i = 0; i < 4 && ready_now(fd_, POLLIN, 0ms); ++i) {
    if (PQconsumeInput(conn_) == 0 || PQstatus(conn_) != CONNECTION_OK) return true;
    const pg_result none{PQisBusy(conn_) == 0 ? PQgetResult(conn_) : nullptr};
  }
  // After its last words the end itself may come a moment later.
  return last_words_.has_value() || PQstatus(conn_) != CONNECTION_OK;
}

bool wire::quick_ready() noexcept {
  if (dead_ || syncs_ != 0 || PQpipelineStatus(conn_) == PQ_PIPELINE_OFF) return false;
  // In a transaction nothing would be gained by knowing.
  return PQtransactionStatus(conn_) == PQTRANS_INTRANS || !hung_up();
}

task<result<void>> wire::make_ready(context ctx) {
  if (dead() || hung_up()) co_return std::unexpected(lost(false));
  if (syncs_ != 0) {
    const bool settled = co_await settle();
    if (!settled) co_return std::unexpected(lost(false));
  }
  if (auto alive = ctx.check(); !alive) co_return alive;
  if (PQpipelineStatus(conn_) == PQ_PIPELINE_OFF && !enter_pipeline()) {
    co_return std::unexpected(lost(false));
  }
  co_return result<void>{};
}

result<void> wire::sync() {
  if (PQpipelineSync(conn_) != 1) return std::unexpected(lost(true));
  ++syncs_;
  return {};
}

task<result<void>> wire::wait(context ctx) {
  const int unsent = PQflush(conn_);
  if (unsent < 0) co_return std::unexpected(lost(true));
  if (unsent > 0) {
    // Both ways: a server that waits for us to read does not read either.
    auto in = readable(server_->where, ctx, fd_);
    auto out = writable(server_->where, ctx, fd_);
    auto first = co_await select(in, out);
    auto ended = std::visit([](auto& of) { return of; }, first);
    if (!ended && ctx.cancelled()) {
      co_return std::unexpected(sql::with_outcome(std::move(ended.error()), sql::outcome::unknown));
    }
  } else {
    auto came = co_await readable(server_->where, ctx, fd_);
    if (!came) {
      co_return std::unexpected(sql::with_outcome(std::move(came.error()), sql::outcome::unknown));
    }
  }
  if (PQconsumeInput(conn_) == 0) co_return std::unexpected(lost(true));
  co_return result<void>{};
}

task<result<void>> wire::run(context ctx, std::string text) {
  if (!quick_ready()) {
    if (auto ok = co_await make_ready(ctx); !ok) co_return ok;
  }
  const bool queued =
      PQsendQueryParams(conn_, text.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0) == 1;
  if (!queued) co_return std::unexpected(lost(false));
  if (auto sent = sync(); !sent) co_return sent;
  std::optional<error> refused;
  auto each = [&](std::size_t, pg_result r) {
    if (PQresultStatus(r.get()) == PGRES_FATAL_ERROR && !refused) refused = server_error(r.get());
  };
  auto read = co_await collect(ctx, &each);
  if (!read) co_return read;
  if (refused) co_return std::unexpected(*std::move(refused));
  co_return result<void>{};
}

task<result<std::string>> wire::server_id(context ctx) {
  if (!quick_ready()) {
    if (auto ok = co_await make_ready(ctx); !ok) co_return std::unexpected(std::move(ok.error()));
  }
  static constexpr const char* asks =
      "SELECT pg_backend_pid(), extract(epoch FROM pg_postmaster_start_time()), "
      "pg_is_in_recovery()";
  const bool queued = PQsendQueryParams(conn_, asks, 0, nullptr, nullptr, nullptr, nullptr, 0) == 1;
  if (!queued) co_return std::unexpected(lost(false));
  if (auto sent = sync(); !sent) co_return std::unexpected(std::move(sent.error()));
  result<std::string> id;
  auto each = [&](std::size_t, pg_result r) {
    if (PQresultStatus(r.get()) == PGRES_FATAL_ERROR) id = std::unexpected(server_error(r.get()));
    if (PQresultStatus(r.get()) != PGRES_TUPLES_OK || PQntuples(r.get()) != 1) return;
    const bool direct = std::to_string(PQbackendPID(conn_)) == PQgetvalue(r.get(), 0, 0);
    const bool writes = std::string_view{PQgetvalue(r.get(), 0, 2)} == "f";
    if (direct && writes) id = PQgetvalue(r.get(), 0, 1);
  };
  if (auto read = co_await collect(ctx, &each); !read) {
    co_return std::unexpected(std::move(read.error()));
  }
  co_return id;
}

task<bool> wire::ask_to_cancel(context ctx) {
  auto turn = co_await server_->cancelling.acquire(ctx);
  if (!turn) co_return false;
  auto request = [to = cancel_] {
    std::array<char, 256> why{};
    return PQcancel(to.get(), why.data(), static_cast<int>(why.size())) == 1;
  };
  auto asked = co_await run_blocking(server_->where, ctx, request);
  co_return asked && *asked;
}

task<bool> wire::settle() {
  context_source bound{server_->where.time(), {.timeout = server_->to.cancel_timeout}};
  const context& ctx = bound.get();
  // The answer may be here already. If not, one cancel at a time, and its end is waited for: the
  // server closes the cancel's connection when it has passed it on.
  const auto drop = [](std::size_t, pg_result) {};
  if (PQconsumeInput(conn_) == 0 || dead()) co_return false;
  if (PQisBusy(conn_) != 0) {
    const bool passed_on = co_await ask_to_cancel(ctx);
    if (!passed_on) {
      kill();  // it may still arrive, and must meet nobody
      co_return false;
    }
  }
  auto read = co_await collect(ctx, &drop);
  if (!read) kill();
  co_return read.has_value();
}

}  // namespace weir::postgres
