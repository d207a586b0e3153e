#include "postgres/fixture.hpp"

namespace weir {

struct conforming_database : public postgres_server {
  sql::db& open_db(sql::db_options limits) {
    sql::db& opened = open(socket_url(), limits);
    exec("DROP TABLE IF EXISTS t");
    return opened;
  }
  static constexpr const char* endless = "SELECT 1::int8 FROM pg_sleep(86400)";
  static constexpr sql::isolation unsupported = sql::isolation::read_uncommitted;
  static constexpr bool cancels_by_message = true;
};

}  // namespace weir

#include "sql/conformance.hpp"
#include "sql/mixes.hpp"
