#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <libpq-fe.h>

#include <weir/context/context.hpp>
#include <weir/core/error.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/errors.hpp>
#include <weir/sync/semaphore.hpp>

#include "postgres/errors.hpp"
#include "postgres/settings.hpp"

namespace weir::postgres {

/// What all connections of one database share.
struct server {
  server(runtime& where_, settings how) : where(where_), to(std::move(how)) {}

  runtime& where;
  const settings to;
  /// Each cancel request is a connection of its own at the server: one after the other, so that a
  /// thousand cancelled callers do not take what the server has left.
  semaphore cancelling{1};
};

struct result_deleter {
  void operator()(PGresult* r) const noexcept { PQclear(r); }
};
using pg_result = std::unique_ptr<PGresult, result_deleter>;

/// A connection in libpq's pipeline mode, without its blocking doors: what was queued ends in a
/// Sync, and the answers are read until that Sync's own.
///
///           send, sync()                 the Sync's answer
///   quiet ───────────────► answering ──────────────────────► quiet
///                              │ the caller's context ends
///                              ▼          settle(): cancelled, and everything was read
///                           in doubt ──────────────────────► quiet
///   any of them ──► dead: the connection broke, or did not settle in time
class wire {
 public:
  wire(std::shared_ptr<server> at, PGconn* connected);
  ~wire();
  wire(const wire&) = delete;
  wire& operator=(const wire&) = delete;

  /// Connects on a blocking thread. Errors: outcome `not_sent`.
  static task<result<std::unique_ptr<wire>>> connect(std::shared_ptr<server> at, context ctx);

  [[nodiscard]] PGconn* raw() const noexcept { return conn_; }
  [[nodiscard]] bool dead() const noexcept { return dead_ || PQstatus(conn_) != CONNECTION_OK; }
  [[nodiscard]] bool in_doubt() const noexcept { return syncs_ != 0; }
  /// The socket, to be watched.
  [[nodiscard]] int fd() const noexcept { return fd_; }
  [[nodiscard]] server& at() const noexcept { return *server_; }

  /// Before the first thing that is sent: settles what is in doubt, and finds out if the server has
  /// hung up meanwhile, while nothing is lost by it. Errors: outcome `not_sent`.
  [[nodiscard]] bool quick_ready() noexcept;
  task<result<void>> make_ready(context ctx);

  /// Ends what was queued.
  result<void> sync();
  /// Waits until the server has sent something, and sends what it was too slow to take.
  task<result<void>> wait(context ctx);

  /// Reads the answers up to the last Sync and gives each to `each(step, result)`, steps counted
  /// from 0. If the wait ends early the connection is in doubt.
  template <class F>
  task<result<void>> collect(context ctx, F* each);

  /// One statement without parameters whose rows nobody reads.
  task<result<void>> run(context ctx, std::string text);

  /// What distinguishes the server's life from all others; empty if it is a standby, or if a pooler
  /// in between gives each transaction another connection.
  task<result<std::string>> server_id(context ctx);

  /// Cancels what runs and reads it to its end. False: it did not end in time.
  task<bool> settle();

  /// Asks the server to cancel what runs, and waits until it has passed that on. False: whether it
  /// will ever arrive is not known.
  task<bool> ask_to_cancel(context ctx);

  /// A Sync's answer was read by other means than `collect`.
  void synced() noexcept { --syncs_; }
  [[nodiscard]] std::size_t syncs() const noexcept { return syncs_; }

  /// Out of pipeline mode, for the user's own calls of libpq.
  bool lend() noexcept;

  /// The connection is lost, because of what libpq says or said last.
  [[nodiscard]] error lost(bool sent);
  void kill() noexcept { dead_ = true; }

 private:
  bool enter_pipeline() noexcept;
  [[nodiscard]] bool hung_up() noexcept;
  static void on_notice(void* self, const PGresult* said);

  std::shared_ptr<server> server_;
  PGconn* conn_;
  int fd_;  // our own number for libpq's socket: libpq closes its one when it sees an error, and
            // may do so while another thread is still about to watch it
  std::shared_ptr<PGcancel> cancel_;
  std::size_t syncs_ = 0;  // sent and not answered
  bool dead_ = false;
  std::optional<error> last_words_;  // of a server that shuts down
};

template <class F>
task<result<void>> wire::collect(context ctx, F* each) {
  std::size_t step = 0;
  for (;;) {
    while (PQisBusy(conn_) != 0) {
      if (auto came = co_await wait(ctx); !came) co_return came;
    }
    pg_result r{PQgetResult(conn_)};
    if (r == nullptr) {
      if (dead()) co_return std::unexpected(lost(true));
      ++step;
      continue;
    }
    const ExecStatusType status = PQresultStatus(r.get());
    if (status == PGRES_PIPELINE_SYNC) {
      if (--syncs_ == 0) co_return result<void>{};
      continue;
    }
    if (PQstatus(conn_) != CONNECTION_OK) co_return std::unexpected(lost(true));
    if (status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
      kill();
      co_return std::unexpected(sql::with_outcome(
          error{errc::unsupported, "COPY from or to the client goes through the native handle"},
          sql::outcome::refused));
    }
    (*each)(step, std::move(r));
  }
}

}  // namespace weir::postgres
