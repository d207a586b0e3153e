#include "postgres/lane.hpp"

#include <algorithm>
#include <utility>

namespace weir::postgres {
namespace {

task<result<sql::reply>> answer_to(context ctx, std::shared_ptr<const lines> all,
                                   std::shared_ptr<line_request> mine) {
  if (auto bad = mine->values.failure()) co_return std::unexpected(*std::move(bad));
  line& on = reserve_least_loaded(*all);
  if (auto taken = on.submit(mine); !taken) co_return std::unexpected(std::move(taken.error()));
  auto waited = co_await mine->done.wait(ctx);
  if (!waited) {
    const bool sent = on.abandon(*mine);
    co_return std::unexpected(sql::with_outcome(
        std::move(waited.error()), sent ? sql::outcome::unknown : sql::outcome::not_sent));
  }
  if (auto failed = std::move(mine->failed)) co_return std::unexpected(*std::move(failed));
  co_return std::move(mine->reply);
}

std::shared_ptr<const lines> lines_to(const std::shared_ptr<server>& at,
                                      const sql::lane_limits& limits) {
  auto made = std::make_shared<lines>();
  for (std::size_t i = 0; i < std::max<std::size_t>(limits.connections, 1); ++i) {
    made->push_back(std::make_shared<line>(at, limits));
  }
  return made;
}

}  // namespace

lane::lane(const std::shared_ptr<server>& at, const sql::lane_limits& limits)
    : lines_(lines_to(at, limits)) {}

task<result<sql::reply>> lane::run(context ctx, sql::statement_text text, sql::arguments values) {
  return answer_to(std::move(ctx), lines_,
                   std::allocate_shared<line_request>(core::frame_allocator<line_request>{},
                                                      std::move(text), std::move(values)));
}

void lane::begin_close() noexcept {
  for (const auto& one : *lines_) one->begin_close();
}

task<void> lane::close(context ctx) {
  begin_close();
  for (const auto& one : *lines_) co_await one->close(ctx);
}

}  // namespace weir::postgres
