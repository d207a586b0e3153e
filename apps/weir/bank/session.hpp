#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <weir/core/assert.hpp>
#include <weir/postgres/postgres.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/sql/db.hpp>
#include <weir/sqlite/sqlite.hpp>
#include <weir/stopper/signal_shutdown.hpp>
#include <weir/stopper/stopper.hpp>

#include "dialect.hpp"
#include "options.hpp"

namespace weir::bank {

/// Ends the process as `kill -9` would, in the middle of a commit; for tests.
class kill_switch {
 public:
  explicit kill_switch(std::uint64_t commit) noexcept : commit_(commit) {}

  /// Commits are counted from here on.
  void arm() noexcept { armed_.store(true); }

  [[nodiscard]] sqlite::commit_hook hook() noexcept {
    if (commit_ == 0) return {};
    return {[](void* self) noexcept { static_cast<kill_switch*>(self)->count(); }, this};
  }

 private:
  void count() noexcept {
    if (armed_.load() && ++seen_ == commit_) std::raise(SIGKILL);
  }

  const std::uint64_t commit_;
  std::atomic<bool> armed_{false};
  std::atomic<std::uint64_t> seen_{0};
};

/// A stopper that signals stop, and a database that closes with it.
class session {
 public:
  session(runtime& where, const char* name, const options& how)
      : stop(where, {.name = name}),
        signals(std::in_place, stop, signal_options{.drain = how.drain, .cancel = how.cancel}) {}

  /// Does not connect yet.
  result<void> open(const options& how, kill_switch& in_commit, kill_switch& after_log) {
    const sql::db_options limits{.name = "bank", .max_open = how.connections};
    const sqlite::options as_file{
        .synchronous = how.synchronous.value_or(sqlite::synchronous::normal),
        .before_commit = in_commit.hook(),
        .after_log = after_log.hook()};
    const auto where = find_place(how.database);
    if (!where) return std::unexpected(where.error());
    auto opened = where->speaks->is_file ? sqlite::open(stop, how.database, limits, as_file)
                                         : postgres::open(stop, how.database, limits,
                                                          {.application_name = "weir bank"});
    if (!opened) return std::unexpected(std::move(opened).error());
    database_.emplace(*std::move(opened));
    return {};
  }

  /// Requires: opened.
  [[nodiscard]] sql::db& database() noexcept {
    WEIR_ASSERT(database_.has_value(), "a session's database was used before it was opened");
    return *database_;
  }

  stopper stop;
  std::optional<signal_shutdown> signals;

 private:
  std::optional<sql::db> database_;  // last: it goes before the stopper
};

}  // namespace weir::bank
