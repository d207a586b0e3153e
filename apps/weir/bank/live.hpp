#pragma once

#include <string>

#include <weir/context/context.hpp>
#include <weir/sql/db.hpp>
#include <weir/stopper/stopper.hpp>

#include "../terminal.hpp"
#include "clients.hpp"

namespace weir::bank {

/// What the pools of a database have now, readers and writers together.
struct pool_now {
  std::size_t in_use = 0;
  std::size_t idle = 0;
  std::size_t waiting = 0;

  static pool_now of(const sql::db_stats& stats) noexcept;
};

/// Prints a line each second until `ctx` is cancelled: how many transfers, how long they took, what
/// was repeated, what the pool has. The columns' names come again every 20 lines.
///
/// Blocks: it is for a thread that may. Requires: what it is given outlives it.
class live_lines {
 public:
  live_lines(app::terminal& out, const stopper& owner, const sql::db& database,
             const workload& clients) noexcept
      : out_(out), owner_(owner), database_(database), clients_(clients) {}

  void run(const context& ctx);

 private:
  void print(duration elapsed, duration since_last);

  app::terminal& out_;
  const stopper& owner_;
  const sql::db& database_;
  const workload& clients_;
  workload_figures before_;
  unsigned lines_ = 0;
};

}  // namespace weir::bank
