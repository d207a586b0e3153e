#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include <weir/context/context.hpp>
#include <weir/core/error.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sql/db.hpp>
#include <weir/stopper/stopper.hpp>

#include "histogram.hpp"
#include "journal.hpp"
#include "transfer.hpp"

namespace weir::bank {

/// What one client did: written by its task, read by the reporter.
struct client_figures {
  static constexpr std::size_t causes = static_cast<std::size_t>(errc::failed) + 1;

  latency_recorder latencies;         ///< from the draw to the acknowledgement, retries included
  tally acknowledged;                 ///< transfers whose line is in the journal
  std::array<tally, causes> retries;  ///< by the error that made one necessary
  tally given_up;                     ///< not done, because the run ended first
  tally unknown_happened;             ///< whose lost answer was "committed", as the history says
  tally unknown_not_happened;         ///< and those that had to be made again
};

/// A copy of the figures of all clients, and their sum.
struct workload_figures {
  histogram latencies;
  std::uint64_t acknowledged = 0;
  std::uint64_t given_up = 0;
  std::uint64_t unknown_happened = 0;
  std::uint64_t unknown_not_happened = 0;
  std::uint64_t least_per_client = 0;
  std::uint64_t most_per_client = 0;
  duration longest{};
  std::array<std::uint64_t, client_figures::causes> retries{};

  [[nodiscard]] std::uint64_t all_retries() const noexcept;
};

/// The clients of one run: each a task that makes transfers, one after another, until its context
/// drains. The first failure that a retry cannot cure ends the run.
///
/// A transfer whose answer was lost is looked for in the history by its id, once the database can
/// be reached again: there it is done, and acknowledged; else it is made again, with the same id.
///
///     made ──ok──► acknowledged ◄──found── in doubt ◄──answer lost── made
///      ▲  └─ lost a race, server down: again         │
///      └──────────────── not found ──────────────────┘
///
/// Requires: outlives the tasks; the database and the journal outlive it.
/// Thread safety: `figures` and `failure`, at any time.
class workload {
 public:
  struct settings {
    std::size_t clients;
    std::int64_t scale;
    std::uint64_t seed;
    sql::commit_mode commit;
    sql::lock_release release;
    std::uint64_t run;  ///< what makes the ids of this run's transfers unlike all others
    sql::isolation level;
    bool waits_for_ever;  ///< see dialect
  };

  workload(stopper& owner, sql::db& database, journal& log, settings how);

  /// Starts the tasks, or those that the stopper does not refuse because a stop has begun.
  void start();

  [[nodiscard]] workload_figures figures() const;
  [[nodiscard]] std::optional<error> failure() const;

 private:
  task<void> client(context ctx, std::size_t number);
  task<result<void>> perform(const context& ctx, client_figures& figures, const transfer_id& id,
                             const transfer& what);
  task<result<bool>> settled(const context& ctx, client_figures& figures, const transfer_id& id);
  void fail(error why);

  stopper& owner_;
  sql::db& database_;
  journal& log_;
  const settings how_;
  std::vector<std::unique_ptr<client_figures>> clients_;

  mutable core::mutex mutex_;
  std::optional<error> failure_ WEIR_GUARDED_BY(mutex_);
};

}  // namespace weir::bank
