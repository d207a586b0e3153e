#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <weir/core/sync/mutex.hpp>
#include <weir/sql/flusher.hpp>
#include <weir/sync/event.hpp>

#include "postgres/pump_queue.hpp"
#include "postgres/wire.hpp"

namespace weir::postgres {

/// Somebody's wait for the flusher. Held by the caller and, until it is answered, by the queue.
struct flush_request : pumped {
  explicit flush_request(bool flushes_) noexcept : flushes(flushes_) {}

  const bool flushes;               // false: asks for the connection alone
  sql::driver_flusher::mark given;  // the connection that answered
  std::optional<error> failed;
};

/// A connection that commits something of its own, and waits for the disk: a message in the log,
/// which nobody reads. The log is written in order, so that everything before it is there as well,
/// on synchronous standbys too.
///
/// Where it may not do that, it names no server, so that nobody counts on it.
///
/// A task, the pump, runs while anything is queued, and alone touches the connection: it takes all
/// who wait, flushes once, and answers them.
class flusher final : public sql::driver_flusher, public std::enable_shared_from_this<flusher> {
 public:
  explicit flusher(std::shared_ptr<server> at);
  ~flusher() override;
  flusher(const flusher&) = delete;
  flusher& operator=(const flusher&) = delete;

  task<result<mark>> ready(context ctx) override;
  task<result<void>> flush(context ctx, std::uint64_t connection) override;
  void begin_close() noexcept override;
  task<void> close(context ctx) override;

 private:
  using requests = std::vector<std::shared_ptr<flush_request>>;

  task<result<void>> ask(context ctx, std::shared_ptr<flush_request> mine);
  [[nodiscard]] std::optional<mark> known() noexcept;
  task<void> pump(std::shared_ptr<flusher> self);
  bool ended();
  task<result<void>> serve(bool flushes);
  task<result<void>> connected();
  requests take_all() noexcept;
  void answer(const requests& served, const result<void>& how) noexcept;

  const std::shared_ptr<server> server_;
  context_source source_;
  pump_queue queue_;
  event quiet_;  // closed, and the pump has ended

  // The pump's, and of whoever closes while none runs.
  std::unique_ptr<wire> wire_;
  mark current_;

  core::mutex mutex_;
  mark known_ WEIR_GUARDED_BY(mutex_);                             // the current one,
  time_point proved_ WEIR_GUARDED_BY(mutex_) = time_point::min();  // when it was last seen alive
};

}  // namespace weir::postgres
