#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include <weir/sql/driver.hpp>

#include "postgres/line.hpp"
#include "postgres/wire.hpp"

namespace weir::postgres {

/// Single statements of many callers on one or a few lines.
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
  [[nodiscard]] const std::shared_ptr<line>& shortest() const noexcept;

  std::vector<std::shared_ptr<line>> lines_;
};

}  // namespace weir::postgres
