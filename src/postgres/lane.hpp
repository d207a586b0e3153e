#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <weir/sql/driver.hpp>

#include "postgres/line.hpp"
#include "postgres/wire.hpp"

namespace weir::postgres {

using lines = std::vector<std::shared_ptr<line>>;

/// Single statements of many callers on one or a few lines, each on the one that has the least to
/// do when it begins.
class lane final : public sql::driver_lane {
 public:
  lane(const std::shared_ptr<server>& at, const sql::lane_limits& limits);
  ~lane() override { begin_close(); }
  lane(const lane&) = delete;
  lane& operator=(const lane&) = delete;

  task<result<sql::reply>> run(context ctx, sql::statement_text text,
                               sql::arguments values) override;
  void begin_close() noexcept override;
  task<void> close(context ctx) override;

 private:
  const std::shared_ptr<const lines> lines_;  // shared with what was asked and has not begun
};

}  // namespace weir::postgres
