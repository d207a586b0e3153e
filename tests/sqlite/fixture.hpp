#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <weir/context/sleep.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/sqlite/sqlite.hpp>
#include <weir/stopper/stopper.hpp>

#include "sql/real_database.hpp"

namespace weir {

using namespace std::chrono_literals;

/// A folder of its own, a runtime with two workers, and a stopper that closes the database.
class sqlite_file : public real_database {
 protected:
  sqlite_file() {
    std::string pattern = testing::TempDir() + "weir-sqlite-XXXXXX";
    folder_ = mkdtemp(pattern.data()) != nullptr ? pattern : std::string{};
  }
  ~sqlite_file() override { std::filesystem::remove_all(folder_); }

  void TearDown() override {
    auto report = weir::wait(stop_.stop());
    EXPECT_TRUE(report);
    db_.reset();
  }

  [[nodiscard]] std::string path(const std::string& name = "test.db") const {
    return folder_ + "/" + name;
  }
  sql::db& open(const std::string& address, sql::db_options limits = {},
                sqlite::options settings = {}) {
    auto opened = sqlite::open(stop_, address, limits, settings);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().to_string());
    db_.emplace(*std::move(opened));
    return *db_;
  }
  sql::db& db() override { return db_ ? *db_ : open("sqlite:" + path()); }

  /// What the first statement on a database at this address says.
  error first_error(const std::string& address) {
    auto opened = sqlite::open(stop_, address);
    if (!opened) return opened.error();
    auto done = weir::wait(opened->exec({}, "CREATE TABLE IF NOT EXISTS t(a)"));
    EXPECT_TRUE(weir::wait(opened->close({})));
    EXPECT_FALSE(done);
    return done ? error{errc::failed, "there was none"} : done.error();
  }

  runtime rt_{{.workers = 2}};
  stopper stop_{rt_, {.name = "sqlite_test"}};

 private:
  std::string folder_;
  std::optional<sql::db> db_;
};

/// Somebody else's connection to the same file.
class outsider {
 public:
  explicit outsider(const std::string& path) {
    EXPECT_EQ(sqlite3_open(path.c_str(), &db_), SQLITE_OK);
  }
  outsider(const outsider&) = delete;
  outsider& operator=(const outsider&) = delete;
  ~outsider() { sqlite3_close(db_); }
  void run(const char* text) {
    EXPECT_EQ(sqlite3_exec(db_, text, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db_);
  }

 private:
  sqlite3* db_ = nullptr;
};

}  // namespace weir
