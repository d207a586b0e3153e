#include <memory>
#include <string>
#include <utility>

#include <weir/postgres/postgres.hpp>
#include <weir/stopper/stopper.hpp>

#include "postgres/connection.hpp"
#include "postgres/flusher.hpp"
#include "postgres/lane.hpp"
#include "postgres/settings.hpp"
#include "postgres/wire.hpp"

namespace weir::postgres {
namespace {

class postgres_driver final : public sql::driver {
 public:
  postgres_driver(runtime& where, settings how)
      : server_(std::make_shared<server>(where, std::move(how))) {}

  task<result<std::unique_ptr<sql::driver_connection>>> connect(context ctx, sql::access) override {
    const auto at = server_;  // the driver may go while this waits
    auto made = co_await wire::connect(at, std::move(ctx));
    if (!made) co_return std::unexpected(std::move(made.error()));
    co_return std::make_unique<connection>(*std::move(made));
  }

  std::unique_ptr<sql::driver_lane> open_lane(const sql::lane_limits& limits) override {
    return std::make_unique<lane>(server_, limits);
  }

  std::shared_ptr<sql::driver_flusher> open_flusher() override {
    return std::make_shared<flusher>(server_);
  }

  [[nodiscard]] std::string describe() const override { return server_->to.describe(); }

 private:
  std::shared_ptr<server> server_;
};

}  // namespace

result<std::shared_ptr<sql::driver>> make_driver(stopper& owner, const sql::url& address,
                                                 const options& given) {
  auto how = settings::from(address, given);
  if (!how) return std::unexpected(std::move(how.error()));
  return std::make_shared<postgres_driver>(owner.where(), *std::move(how));
}

result<std::shared_ptr<sql::driver>> make_default_driver(stopper& owner, const sql::url& address) {
  return make_driver(owner, address, options{});
}

result<sql::db> open(stopper& owner, std::string_view address, const sql::db_options& limits,
                     const options& given) {
  auto parsed = sql::url::parse(address);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  if (parsed->scheme() != scheme.name && parsed->scheme() != long_scheme.name) {
    return std::unexpected(error{errc::invalid_argument, "'" + parsed->scheme() +
                                                             ":' is no PostgreSQL address; write "
                                                             "postgres://user@host/database"});
  }
  if (limits.max_open == 0) {
    return fail(errc::invalid_argument, "a database needs max_open of at least 1");
  }
  auto made = make_driver(owner, *parsed, given);
  if (!made) return std::unexpected(std::move(made.error()));
  return sql::db{owner, *std::move(made), limits};
}

}  // namespace weir::postgres
