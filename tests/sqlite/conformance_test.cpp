#include "sqlite/fixture.hpp"

namespace weir {

struct conforming_database : public sqlite_file {
  sql::db& open_db(sql::db_options limits) { return open("sqlite:" + path(), limits); }
  static constexpr const char* endless =
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
  static constexpr sql::isolation unsupported = sql::isolation::read_committed;
  static constexpr bool cancels_by_message = false;
};

}  // namespace weir

#include "sql/conformance.hpp"
#include "sql/mixes.hpp"
