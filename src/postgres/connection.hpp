#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <weir/sql/driver.hpp>

#include "postgres/types.hpp"
#include "postgres/wire.hpp"

namespace weir::postgres {

class connection;

/// A statement prepared at the server, under a name of this connection.
class statement final : public sql::driver_statement {
 public:
  statement(connection& on, std::string name, std::string text, description what);
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;
  ~statement() override;

  [[nodiscard]] std::size_t parameters() const noexcept override { return what_.parameters.size(); }
  [[nodiscard]] std::span<const std::string> columns() const noexcept override {
    return what_.columns;
  }

  task<result<sql::exec_result>> exec(context ctx, std::span<const sql::value> values) override;
  task<result<void>> start(context ctx, std::span<const sql::value> values) override;
  task<result<bool>> fetch(context ctx, sql::row_buffer* into, sql::fetch_limits limits) override;
  task<void> stop() override;

  /// Queues one execution. Errors: as of the parameters, or a lost connection.
  result<void> send(std::span<const sql::value> values);
  /// Takes the rest of what is being read from the wire into memory, which others need now.
  task<result<void>> keep_rest(context ctx);
  [[nodiscard]] const description& what() const noexcept { return what_; }

 private:
  enum class step : std::uint8_t { row, more_to_come, end };

  task<result<void>> begin(context ctx, std::span<const sql::value> values, bool by_row);
  task<result<bool>> renew(context ctx, const PGresult* why);
  result<step> take_one(sql::row_buffer* into);
  [[nodiscard]] bool more() const noexcept { return reading_ || !kept_.empty(); }
  void read_to_the_end() noexcept;
  bool at_end();
  bool skip_what_is_here();

  connection& on_;
  std::string name_;
  const std::string text_;
  description what_;
  bool reading_ = false;        // its end has not been taken from the wire
  std::deque<pg_result> kept_;  // taken from the wire, and not looked at
  std::optional<error> refused_;
};

class connection final : public sql::driver_connection {
 public:
  explicit connection(std::unique_ptr<wire> over) noexcept : wire_(std::move(over)) {}

  task<result<std::unique_ptr<sql::driver_statement>>> prepare(context ctx,
                                                               std::string_view text) override;
  task<result<void>> begin(context ctx, sql::tx_options options) override;
  task<result<void>> commit(context ctx) override;
  task<result<void>> rollback(context ctx) override;
  [[nodiscard]] bool in_transaction() const noexcept override;

  [[nodiscard]] bool batches() const noexcept override { return true; }
  task<sql::batch_end> run_batch(context ctx, std::span<sql::batch_step> steps) override;
  [[nodiscard]] result<std::string> begin_text(sql::tx_options options) const override;
  task<result<std::string_view>> early_release(context ctx, std::string_view server) override;

  task<result<void>> ping(context ctx) override;
  task<bool> reset(context ctx) override;
  [[nodiscard]] bool in_doubt() const noexcept override { return wire_->in_doubt(); }
  [[nodiscard]] bool usable() const noexcept override { return !wire_->dead(); }
  [[nodiscard]] void* native() noexcept override;

 private:
  friend class statement;

  /// Before anything is sent: the wire is free, or made so.
  [[nodiscard]] bool quick_ready() noexcept {
    return streaming_ == nullptr && wire_->quick_ready();
  }
  task<result<void>> make_ready(context ctx);
  task<result<void>> run(context ctx, std::string text);

  task<result<description>> describe(context ctx, std::string name, std::string text);

  std::unique_ptr<wire> wire_;
  std::optional<std::string> server_id_;  // once asked for
  statement* streaming_ = nullptr;        // whose rows come next on the wire
  encoded parameters_;                    // of the execution that is being queued
  std::vector<std::string> unused_;  // names of statements to be closed with the next preparation
  std::uint64_t prepared_ = 0;
  mutable bool in_tx_ = false;  // as of the last answer
};

}  // namespace weir::postgres
