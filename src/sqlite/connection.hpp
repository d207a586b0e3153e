#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weir/sql/driver.hpp>

#include "sqlite/settings.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace weir::sqlite {

/// An open database file. Everything but `usable` and `native` runs on one thread.
class handle {
 public:
  handle(sqlite3* db, std::string path) noexcept : db_(db), path_(std::move(path)) {}
  handle(const handle&) = delete;
  handle& operator=(const handle&) = delete;
  ~handle();

  [[nodiscard]] sqlite3* get() const noexcept { return db_; }
  [[nodiscard]] error last(int code) const;

  /// Runs a statement without parameters to its end.
  result<void> run(const char* text);

  /// One step under a context: SQLite asks between its instructions whether to go on, so that a
  /// cancellation ends this step, and can meet no other.
  int step(sqlite3_stmt* statement, const context& ctx) noexcept;
  /// What a step's code means; the context's own error if it was that.
  [[nodiscard]] error explain(int code, const context& ctx) const;

  /// How many instructions pass between two looks at the context.
  void check_every(std::uint32_t instructions) noexcept;
  void call_during_commit(const commit_hook& before, const commit_hook& after) noexcept;

 private:
  static int keep_going(void* self) noexcept;
  static int before_commit(void* self) noexcept;
  static int after_log(void* self, sqlite3* db, const char* name, int pages) noexcept;

  sqlite3* db_;
  std::string path_;
  const context* running_ = nullptr;  // of the step that runs
  commit_hook before_commit_;
  commit_hook after_log_;
};

class statement final : public sql::driver_statement {
 public:
  statement(handle& db, sqlite3_stmt* made);
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;
  ~statement() override;

  [[nodiscard]] std::size_t parameters() const noexcept override { return parameters_; }
  [[nodiscard]] std::optional<std::size_t> position(std::string_view name) const noexcept override;
  [[nodiscard]] std::span<const std::string> columns() const noexcept override { return columns_; }
  [[nodiscard]] bool writes() const noexcept override { return writes_; }

  task<result<sql::exec_result>> exec(context ctx, std::span<const sql::value> values) override;
  task<result<void>> start(context ctx, std::span<const sql::value> values) override;
  task<result<bool>> fetch(context ctx, sql::row_buffer* into, sql::fetch_limits limits) override;
  task<void> stop() override;

 private:
  result<void> bind(std::span<const sql::value> values);
  void add_row(sql::row_buffer& into) const;
  void read_columns();
  void reset() noexcept;

  handle& db_;
  sqlite3_stmt* made_;
  std::size_t parameters_;
  std::vector<std::string> columns_;
  int prepared_again_ = 0;  // how often SQLite did so by itself, after a change of the schema
  bool writes_;
  bool borrowing_ = false;  // text or bytes of the caller are bound
  bool has_row_ = false;    // `start` has stepped to one
};

/// A connection on a thread of its own, which is lent to it by the driver.
class connection final : public sql::driver_connection {
 public:
  /// Opens the file. On the home thread.
  static result<std::unique_ptr<connection>> open(const settings& how, sql::access mode,
                                                  std::shared_ptr<core::executor> home);
  connection(std::unique_ptr<handle> db, std::shared_ptr<core::executor> home) noexcept
      : home_(std::move(home)), db_(std::move(db)) {}

  core::executor* home() noexcept override { return home_.get(); }
  task<result<std::unique_ptr<sql::driver_statement>>> prepare(context ctx,
                                                               std::string_view text) override;
  task<result<void>> begin(context ctx, sql::tx_options options) override;
  task<result<void>> commit(context ctx) override;
  task<result<void>> rollback(context ctx) override;
  [[nodiscard]] bool in_transaction() const noexcept override;
  task<result<void>> ping(context ctx) override;
  task<bool> reset(context ctx) override;
  [[nodiscard]] bool usable() const noexcept override { return true; }
  [[nodiscard]] void* native() noexcept override { return db_->get(); }

 private:
  struct finalizer {
    void operator()(sqlite3_stmt* made) const noexcept;
  };
  using kept_statement = std::unique_ptr<sqlite3_stmt, finalizer>;

  result<void> run_kept(kept_statement& kept, const char* text);

  std::shared_ptr<core::executor> home_;  // goes last: then another may have the thread
  std::unique_ptr<handle> db_;
  kept_statement begin_write_;
  kept_statement begin_read_;
  kept_statement commit_;
  kept_statement rollback_;
};

}  // namespace weir::sqlite
