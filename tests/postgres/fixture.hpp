#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include <weir/context/sleep.hpp>
#include <weir/postgres/postgres.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/stopper/stopper.hpp>

#include "sql/real_database.hpp"

namespace weir {

using namespace std::chrono_literals;

/// A runtime with two workers, a stopper that closes the database, and the server that
/// tests/postgres/cluster has started for this program.
class postgres_server : public real_database {
 protected:
  void TearDown() override {
    auto report = weir::wait(stop_.stop());
    EXPECT_TRUE(report);
    db_.reset();
  }

  static std::string environment(const char* name) {
    const char* value = std::getenv(name);
    if (value == nullptr) {
      ADD_FAILURE() << name << " is not set: run this by tests/postgres/cluster with";
      return {};
    }
    return value;
  }
  static std::string tcp_url() { return environment("WEIR_PG_URL"); }
  static std::string socket_url() { return environment("WEIR_PG_SOCKET_URL"); }

  sql::db& open(const std::string& address, sql::db_options limits = {},
                postgres::options settings = {}) {
    auto opened = postgres::open(stop_, address, limits, settings);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().to_string());
    db_.emplace(*std::move(opened));
    return *db_;
  }
  sql::db& db() override { return db_ ? *db_ : open(socket_url()); }

  /// Until the server is at that statement: one that is cancelled before that was never sent.
  /// Asks on a connection of its own: on a line of the same lane it could wait behind it.
  void await_start_of(const char* statement) {
    auto watch = postgres::open(stop_, socket_url(), {.max_open = 1});
    ASSERT_TRUE(watch) << watch.error().to_string();
    for (int running = 0; running == 0;) {
      auto asked = weir::wait(watch->query_row<int>(
          {}, "SELECT count(*)::int FROM pg_stat_activity WHERE state = 'active' AND query = $1",
          statement));
      ASSERT_TRUE(asked) << asked.error().to_string();
      running = *asked;
    }
  }

  runtime rt_{{.workers = 2}};
  stopper stop_{rt_, {.name = "postgres_test"}};

 private:
  std::optional<sql::db> db_;
};

}  // namespace weir
