#pragma once

#include <utility>

#include <gtest/gtest.h>

#include <weir/runtime/run_loop.hpp>
#include <weir/sql/db.hpp>

namespace weir {

/// What the tests of every real database say most.
class real_database : public testing::Test {
 protected:
  /// Opened when first asked for.
  virtual sql::db& db() = 0;

  /// Runs one statement that has to succeed.
  template <class... P>
  sql::exec_result exec(sql::statement_text text, P&&... p) {
    auto done = weir::wait(db().exec({}, std::move(text), std::forward<P>(p)...));
    EXPECT_TRUE(done) << (done ? "" : done.error().to_string());
    return done.value_or(sql::exec_result{});
  }
  template <class... T, class... P>
  result<sql::row_of<T...>> row(sql::statement_text text, P&&... p) {
    return weir::wait(db().query_row<T...>({}, std::move(text), std::forward<P>(p)...));
  }
};

}  // namespace weir
