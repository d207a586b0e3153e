#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/core/sync/mutex.hpp>
#include <weir/sql/driver.hpp>

namespace weir::fake {

/// What a driver is asked to do; a hook gets it before it is done.
enum class call : std::uint8_t {
  connect,
  prepare,
  exec,
  start,
  fetch,
  stop,
  begin,
  commit,
  rollback,
  ping,
  reset,
  close,
  batch,
  ready,
  flush,
};
inline constexpr std::size_t calls = 15;

class connection;

/// A database of one table (id → value) in memory, with everything that tests want to see or break.
///
/// It speaks: "put ? ?", "txput ? ?" (only ever sent inside a transaction), "get ?", "all",
/// "count ?" (rows 1 to n), "echo ? …" (one row of its parameters), "clean?" (fails in a session
/// that somebody left something in), "refuse" (errc::constraint), and, in transactions,
/// SAVEPOINT, ROLLBACK TO SAVEPOINT and RELEASE SAVEPOINT with one level. Parameters may be named,
/// as in "get :id". One lock: not fast.
class server {
 public:
  using rows_t = std::vector<std::vector<sql::value>>;
  /// May wait, fail or throw. An empty one lets the call go on.
  using hook_t = std::function<task<result<void>>(context, call, connection*)>;

  hook_t hook;
  std::function<void()> on_return;  // a connection goes back to its pool, on the caller's stack
  core::executor* home = nullptr;
  bool single_writer = false;
  bool batches = false;              // run_batch is one call; BEGIN and COMMIT are statements
  bool lose_commit_answers = false;  // the commit happens, and its answer does not arrive
  bool refuse_commits = false;       // of more than one row, as a deferred constraint might
  int conflicts_to_come = 0;         // that many commits lose
  std::optional<error> refuse_connections;
  bool flushes = false;      // the driver has a flusher, of which this is
  int flusher = 1;           // the connection's number
  std::string name = "one";  // of the server that connections go to; the flusher's is "one"

  [[nodiscard]] int count(call c) const {
    core::lock_guard guard{mutex_};
    return counts_[static_cast<std::size_t>(c)];
  }
  [[nodiscard]] int open() const { return count(call::connect) - count(call::close); }
  [[nodiscard]] int statements_made() const { return read(made_); }
  [[nodiscard]] int statements_closed() const { return read(unmade_); }
  [[nodiscard]] int dirty_sessions() const { return read(dirty_); }
  [[nodiscard]] int statements_outside_of_their_transaction() const { return read(outside_); }
  /// Rows that were committed early and not flushed.
  [[nodiscard]] int unflushed() const { return read(unflushed_); }
  [[nodiscard]] std::size_t table_size() const {
    core::lock_guard guard{mutex_};
    return table_.size();
  }
  /// Every connection that is open now fails from now on; it turns out at its next use.
  void break_all();

 private:
  friend class connection;
  friend class statement;
  friend class driver;
  friend class flusher;

  [[nodiscard]] int read(const int& of) const {
    core::lock_guard guard{mutex_};
    return of;
  }
  void note(call c) {
    core::lock_guard guard{mutex_};
    ++counts_[static_cast<std::size_t>(c)];
  }
  void add(int& to) {
    core::lock_guard guard{mutex_};
    ++to;
  }
  task<result<void>> before(context ctx, call c, connection* from) {
    if (!hook) co_return result<void>{};
    co_return co_await hook(std::move(ctx), c, from);
  }

  mutable core::mutex mutex_;
  std::map<std::int64_t, sql::value> table_;
  std::set<connection*> live_;
  std::array<int, calls> counts_{};
  int made_ = 0;
  int unmade_ = 0;
  int dirty_ = 0;
  int outside_ = 0;
  int unflushed_ = 0;
};

class connection final : public sql::driver_connection {
 public:
  explicit connection(std::shared_ptr<server> to) : server_(std::move(to)) {
    core::lock_guard guard{server_->mutex_};
    server_->live_.insert(this);
  }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;
  ~connection() override {
    core::lock_guard guard{server_->mutex_};
    server_->live_.erase(this);
  }

  core::executor* home() noexcept override { return server_->home; }
  task<result<std::unique_ptr<sql::driver_statement>>> prepare(context ctx,
                                                               std::string_view text) override;

  task<result<void>> begin(context ctx, sql::tx_options options) override {
    if (auto ok = co_await enter(ctx, call::begin); !ok) co_return ok;
    if (options.level != sql::isolation::driver_default) {
      co_return fail(errc::unsupported, "the fake has no isolation levels");
    }
    if (in_transaction_) server_->add(server_->dirty_);
    in_transaction_ = true;
    co_return result<void>{};
  }
  task<result<void>> commit(context ctx) override {
    if (auto ok = co_await enter(ctx, call::commit); !ok) co_return ok;
    co_return commit_now();
  }
  result<void> commit_now() {
    if (server_->conflicts_to_come > 0) {
      --server_->conflicts_to_come;
      return std::unexpected(
          sql::with_outcome(error{errc::conflict, "somebody was faster"}, sql::outcome::refused));
    }
    if (server_->refuse_commits && written_.size() > 1) {
      return std::unexpected(
          sql::with_outcome(error{errc::constraint, "deferred"}, sql::outcome::refused));
    }
    {
      core::lock_guard guard{server_->mutex_};
      for (auto& [id, v] : written_) server_->table_[id] = v;
      if (early_) server_->unflushed_ += static_cast<int>(written_.size());
    }
    forget();
    if (!server_->lose_commit_answers) return {};
    broken_ = true;
    return std::unexpected(
        sql::with_outcome(error{errc::io, "the line went dead"}, sql::outcome::unknown));
  }
  task<result<void>> rollback(context ctx) override {
    if (auto ok = co_await enter(ctx, call::rollback); !ok) co_return ok;
    forget();
    co_return result<void>{};
  }
  [[nodiscard]] bool in_transaction() const noexcept override { return in_transaction_; }
  [[nodiscard]] bool batches() const noexcept override { return server_->batches; }
  task<sql::batch_end> run_batch(context ctx, std::span<sql::batch_step> steps) override;
  [[nodiscard]] result<std::string> begin_text(sql::tx_options options) const override {
    if (options.level != sql::isolation::driver_default) {
      return fail(errc::unsupported, "the fake has no isolation levels");
    }
    return std::string{"BEGIN"};
  }
  task<result<std::string_view>> early_release(context, std::string_view server) override {
    co_return server == server_->name ? std::string_view{"EARLY"} : std::string_view{};
  }
  task<result<void>> ping(context ctx) override { co_return co_await enter(ctx, call::ping); }
  task<bool> reset(context ctx) override {
    if (auto ok = co_await enter(ctx, call::reset); !ok) co_return false;
    forget();
    co_return active_ == 0;
  }
  [[nodiscard]] bool usable() const noexcept override {
    if (server_->on_return) server_->on_return();
    return !broken_;
  }
  task<void> close() override {
    server_->note(call::close);
    static_cast<void>(co_await server_->before({}, call::close, this));
  }
  void* native() noexcept override { return this; }

  /// As if the server had gone away: found out at the next call.
  void go_bad() noexcept { bad_ = true; }
  /// As if it had just been found out.
  void break_now() noexcept { broken_ = true; }
  /// As if the database itself had ended the transaction.
  void lose_transaction() noexcept { forget(); }

 private:
  friend class statement;

  task<result<void>> enter(context ctx, call what) {
    server_->note(what);
    if (bad_) {
      broken_ = true;
      co_return std::unexpected(
          sql::with_outcome(error{errc::closed, "the connection is gone"}, sql::outcome::not_sent));
    }
    co_return co_await server_->before(std::move(ctx), what, this);
  }
  /// BEGIN and the like, as statements of a batch; nothing if it is none of them.
  std::optional<result<void>> control(std::string_view verb);
  void forget() noexcept {
    in_transaction_ = false;
    early_ = false;
    written_.clear();
    saved_.clear();
  }

  std::shared_ptr<server> server_;
  std::map<std::int64_t, sql::value> written_;  // by the open transaction
  std::map<std::int64_t, sql::value> saved_;    // the same at its savepoint
  int active_ = 0;                              // statements whose rows are being read
  bool in_transaction_ = false;
  bool early_ = false;  // its COMMIT does not wait for the disk
  core::atomic<bool> bad_{false};
  bool broken_ = false;
};

class statement final : public sql::driver_statement {
 public:
  statement(connection& on, std::string verb, std::vector<std::string> names)
      : on_(on), verb_(std::move(verb)), names_(std::move(names)) {
    if (verb_ == "get" || verb_ == "all") columns_ = {"id", "value"};
    if (verb_ == "count") columns_ = {"n"};
    if (verb_ == "echo") {
      for (std::size_t i = 0; i < names_.size(); ++i)
        columns_.push_back("c" + std::to_string(i + 1));
    }
    on_.server_->add(on_.server_->made_);
  }
  statement(const statement&) = delete;
  statement& operator=(const statement&) = delete;
  ~statement() override { on_.server_->add(on_.server_->unmade_); }

  [[nodiscard]] std::size_t parameters() const noexcept override { return names_.size(); }
  [[nodiscard]] std::optional<std::size_t> position(std::string_view name) const noexcept override {
    const auto at = std::find(names_.begin(), names_.end(), name);
    if (at == names_.end()) return std::nullopt;
    return static_cast<std::size_t>(at - names_.begin());
  }
  [[nodiscard]] std::span<const std::string> columns() const noexcept override { return columns_; }
  [[nodiscard]] bool writes() const noexcept override {
    return verb_ == "put" || verb_ == "txput" || verb_ == "putget";
  }

  task<result<sql::exec_result>> exec(context ctx, std::span<const sql::value> values) override {
    if (auto ok = co_await on_.enter(ctx, call::exec); !ok) {
      co_return std::unexpected(std::move(ok.error()));
    }
    co_return run(values);
  }
  task<result<void>> start(context ctx, std::span<const sql::value> values) override {
    if (auto ok = co_await on_.enter(ctx, call::start); !ok) co_return ok;
    auto done = run(values);
    if (!done) co_return std::unexpected(std::move(done.error()));
    started_ = true;
    ++on_.active_;
    co_return result<void>{};
  }
  task<result<bool>> fetch(context ctx, sql::row_buffer* into, sql::fetch_limits limits) override {
    if (auto ok = co_await on_.enter(ctx, call::fetch); !ok) {
      end();
      co_return std::unexpected(std::move(ok.error()));
    }
    for (std::size_t i = 0; i < limits.rows && at_ < rows_.size(); ++i, ++at_) {
      for (const auto& v : rows_[at_]) into->add(sql::view(v));
      into->end_row();
    }
    if (at_ < rows_.size()) co_return true;
    end();
    co_return false;
  }
  task<void> stop() override {
    static_cast<void>(co_await on_.server_->before({}, call::stop, &on_));
    end();
  }

 private:
  friend class connection;

  void give_all(sql::row_buffer& into) {
    for (const auto& one : rows_) {
      for (const auto& v : one) into.add(sql::view(v));
      into.end_row();
    }
  }
  void end() noexcept {
    if (started_) --on_.active_;
    started_ = false;
  }

  result<sql::exec_result> run(std::span<const sql::value> values) {
    rows_.clear();
    at_ = 0;
    const auto number = [&](std::size_t i) { return std::get<std::int64_t>(values[i]); };
    server& s = *on_.server_;
    if (verb_ == "put" || verb_ == "txput") {
      if (verb_ == "txput" && !on_.in_transaction_) s.add(s.outside_);
      core::lock_guard guard{s.mutex_};
      (on_.in_transaction_ ? on_.written_ : s.table_)[number(0)] = values[1];
      return sql::exec_result{.rows_affected = 1, .last_insert_id = number(0)};
    }
    if (verb_ == "refuse") {
      return std::unexpected(
          sql::with_outcome(error{errc::constraint, "refused"}, sql::outcome::refused));
    }
    if (auto ran = on_.control(verb_))
      return *ran ? result<sql::exec_result>{} : std::unexpected(ran->error());
    if (verb_ == "clean?") {
      if (on_.in_transaction_ || on_.active_ != 0) s.add(s.dirty_);
    } else if (verb_ == "echo") {
      rows_.emplace_back(values.begin(), values.end());
    } else if (verb_ == "count") {
      for (std::int64_t n = 1; n <= number(0); ++n) rows_.push_back({sql::value{n}});
    } else {
      core::lock_guard guard{s.mutex_};
      auto seen = s.table_;
      for (const auto& [id, v] : on_.written_) seen[id] = v;
      for (const auto& [id, v] : seen) {
        if (verb_ == "all" || id == number(0)) rows_.push_back({sql::value{id}, v});
      }
    }
    return sql::exec_result{};
  }

  connection& on_;
  std::string verb_;
  std::vector<std::string> names_;  // of the parameters; empty for a plain '?'
  std::vector<std::string> columns_;
  server::rows_t rows_;
  std::size_t at_ = 0;
  bool started_ = false;
};

inline task<result<std::unique_ptr<sql::driver_statement>>> connection::prepare(
    context ctx, std::string_view text) {
  if (auto ok = co_await enter(ctx, call::prepare); !ok) {
    co_return std::unexpected(std::move(ok.error()));
  }
  static constexpr std::string_view verbs[] = {
      "put",    "txput", "get",    "all",       "count",   "echo",     "clean?",
      "refuse", "BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "ROLLBACK", "EARLY"};
  std::istringstream words{std::string{text}};
  std::string verb;
  words >> verb;
  std::vector<std::string> names;
  const bool control = verb[0] >= 'A' && verb[0] <= 'Z';
  for (std::string word; !control && words >> word;) {
    names.push_back(word[0] == ':' ? word.substr(1) : std::string{});
  }
  if (std::find(std::begin(verbs), std::end(verbs), verb) == std::end(verbs)) {
    co_return std::unexpected(sql::with_outcome(
        error{errc::invalid_argument, "no such verb: " + verb}, sql::outcome::refused));
  }
  co_return std::make_unique<statement>(*this, std::move(verb), std::move(names));
}

inline std::optional<result<void>> connection::control(std::string_view verb) {
  if (verb == "BEGIN") {
    in_transaction_ = true;
  } else if (verb == "COMMIT") {
    return commit_now();
  } else if (verb == "EARLY") {
    early_ = in_transaction_;
  } else if (verb == "SAVEPOINT") {
    saved_ = written_;
  } else if (verb == "ROLLBACK") {
    written_ = saved_;
  } else if (verb != "RELEASE") {
    return std::nullopt;
  }
  return result<void>{};
}

inline task<sql::batch_end> connection::run_batch(context ctx, std::span<sql::batch_step> steps) {
  if (auto ok = co_await enter(ctx, call::batch); !ok) {
    co_return sql::batch_end{0, std::move(ok.error())};
  }
  for (std::size_t i = 0; i < steps.size(); ++i) {
    auto& made = static_cast<statement&>(*steps[i].made);
    auto done = made.run(steps[i].values);
    if (!done) co_return sql::batch_end{i, std::move(done.error())};
    steps[i].done = *done;
    if (steps[i].rows != nullptr) made.give_all(*steps[i].rows);
  }
  co_return sql::batch_end{steps.size(), std::nullopt};
}

inline void server::break_all() {
  core::lock_guard guard{mutex_};
  for (connection* one : live_) one->go_bad();
}

class flusher final : public sql::driver_flusher {
 public:
  explicit flusher(std::shared_ptr<server> to) : server_(std::move(to)) {}

  task<result<mark>> ready(context ctx) override {
    server_->note(call::ready);
    if (auto ok = co_await server_->before(std::move(ctx), call::ready, nullptr); !ok) {
      co_return std::unexpected(std::move(ok.error()));
    }
    co_return mark{static_cast<std::uint64_t>(server_->flusher), "one"};
  }
  task<result<void>> flush(context ctx, std::uint64_t connection) override {
    server_->note(call::flush);
    if (closed_.load()) co_return fail(errc::closed, "the flusher is closed");
    if (auto ok = co_await server_->before(std::move(ctx), call::flush, nullptr); !ok) co_return ok;
    if (connection != static_cast<std::uint64_t>(server_->flusher)) {
      co_return fail(errc::closed, "the flusher's connection was lost");
    }
    core::lock_guard guard{server_->mutex_};
    server_->unflushed_ = 0;
    co_return result<void>{};
  }
  void begin_close() noexcept override { closed_.store(true); }
  task<void> close(context) override {
    closed_.store(true);
    co_return;
  }

 private:
  std::shared_ptr<server> server_;
  core::atomic<bool> closed_{false};
};

class driver final : public sql::driver {
 public:
  explicit driver(std::shared_ptr<server> to) : server_(std::move(to)) {}

  [[nodiscard]] layout connections(std::size_t max_open) const noexcept override {
    if (!server_->single_writer) return {.writers = max_open, .readers = 0};
    return {.writers = 1, .readers = std::max<std::size_t>(max_open, 2) - 1};
  }
  task<result<std::unique_ptr<sql::driver_connection>>> connect(context ctx, sql::access) override {
    if (auto ok = co_await server_->before(std::move(ctx), call::connect, nullptr); !ok) {
      co_return std::unexpected(std::move(ok.error()));
    }
    if (server_->refuse_connections) co_return std::unexpected(*server_->refuse_connections);
    server_->note(call::connect);
    co_return std::make_unique<connection>(server_);
  }
  std::shared_ptr<sql::driver_flusher> open_flusher() override {
    return server_->flushes ? std::make_shared<flusher>(server_) : nullptr;
  }
  [[nodiscard]] std::string describe() const override { return "fake:"; }

 private:
  std::shared_ptr<server> server_;
};

}  // namespace weir::fake
