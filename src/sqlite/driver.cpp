#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include <weir/core/sync/mutex.hpp>
#include <weir/retry/retry.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/thread_executor.hpp>
#include <weir/sql/driver.hpp>
#include <weir/sqlite/sqlite.hpp>

#include "sqlite/connection.hpp"
#include "sqlite/settings.hpp"

namespace weir::sqlite {
namespace {

/// The threads that connections live on: one for the writer, one per reader. A thread whose
/// connection is closed waits for the next one, so that nobody joins it in the middle of work.
class threads {
  /// Transactions come one after the other, and are shorter than a wake-up.
  static constexpr thread_executor_options options_for(std::string_view name) noexcept {
    return {.name = name, .linger = std::chrono::microseconds{50}};
  }

 public:
  threads() = default;
  threads(const threads&) = delete;
  threads& operator=(const threads&) = delete;
  ~threads() {
    for (reader* one = all_readers(); one != nullptr;) {
      const std::unique_ptr<reader> ended{one};
      one = ended->next;
    }
  }

  core::executor& writer() noexcept { return writer_; }

  /// A thread for one reader, until the pointer and its copies are gone.
  std::shared_ptr<core::executor> take() {
    reader* found = nullptr;
    {
      core::lock_guard guard{mutex_};
      found = idle_;
      if (found != nullptr) idle_ = found->next_idle;
    }
    if (found == nullptr) {
      auto made = std::make_unique<reader>();
      found = made.release();
      core::lock_guard guard{mutex_};
      found->next = all_;
      all_ = found;
    }
    return {&found->thread, [this, found](core::executor*) { give_back(*found); }};
  }

 private:
  struct reader {
    thread_executor thread{options_for("sqlite-read")};
    reader* next = nullptr;
    reader* next_idle = nullptr;
  };

  reader* all_readers() noexcept {
    core::lock_guard guard{mutex_};
    return all_;
  }
  void give_back(reader& one) noexcept {
    core::lock_guard guard{mutex_};
    one.next_idle = idle_;
    idle_ = &one;
  }

  thread_executor writer_{options_for("sqlite-write")};
  core::mutex mutex_;
  reader* all_ WEIR_GUARDED_BY(mutex_) = nullptr;
  reader* idle_ WEIR_GUARDED_BY(mutex_) = nullptr;
};

class sqlite_driver final : public sql::driver {
 public:
  explicit sqlite_driver(settings how) : how_(std::move(how)) {}

  [[nodiscard]] layout connections(std::size_t max_open) const noexcept override {
    // A database in memory is its one connection.
    if (how_.in_memory) return {.writers = 1, .readers = 0};
    return {.writers = 1, .readers = max_open > 1 ? max_open - 1 : 1};
  }

  core::executor* home(sql::access mode) noexcept override {
    return mode == sql::access::read_write || how_.in_memory ? &threads_.writer() : nullptr;
  }

  task<result<std::unique_ptr<sql::driver_connection>>> connect(context ctx,
                                                                sql::access mode) override {
    core::executor& back = this_executor();
    // The writer's thread belongs to the driver: its one connection needs no turn-taking.
    std::shared_ptr<core::executor> home =
        mode == sql::access::read_write
            ? std::shared_ptr<core::executor>{std::shared_ptr<void>{}, &threads_.writer()}
            : threads_.take();
    co_await resume_on(*home);
    auto opened = co_await open_patiently(ctx, mode, home);
    co_await resume_on(back);
    co_return opened;
  }

  [[nodiscard]] std::string describe() const override { return "sqlite:" + how_.path; }

 private:
  using opened_connection = result<std::unique_ptr<sql::driver_connection>>;

  /// Making the log needs the file for itself for a moment; several that open a new file at once
  /// find each other there.
  task<opened_connection> open_patiently(context ctx, sql::access mode,
                                         std::shared_ptr<core::executor> home) {
    retry attempts{ctx,
                   {.initial_backoff = std::chrono::milliseconds{1},
                    .max_backoff = std::chrono::milliseconds{50},
                    .max_duration = std::chrono::seconds{5}}};
    while (const auto attempt = co_await attempts.next()) {
      auto opened = connection::open(how_, mode, home);
      if (opened) co_return opened_connection{*std::move(opened)};
      const bool again = opened.error().code() == errc::busy;
      if (!again) co_return std::unexpected(std::move(opened.error()));
      attempts.failed(std::move(opened.error()));
    }
    co_return attempts.failure();
  }

  const settings how_;
  threads threads_;
};

}  // namespace

result<std::shared_ptr<sql::driver>> make_driver(const sql::url& address,
                                                 const options& settings_given) {
  auto how = settings::from(address, settings_given);
  if (!how) return std::unexpected(std::move(how.error()));
  return std::make_shared<sqlite_driver>(*std::move(how));
}

result<std::shared_ptr<sql::driver>> make_default_driver(stopper&, const sql::url& address) {
  return make_driver(address, options{});
}

result<sql::db> open(stopper& owner, std::string_view address, const sql::db_options& limits,
                     const options& settings_given) {
  auto parsed = sql::url::parse(address);
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  if (parsed->scheme() != scheme.name) {
    return std::unexpected(error{errc::invalid_argument, "'" + parsed->scheme() +
                                                             ":' is no SQLite address; write "
                                                             "sqlite:ledger.db"});
  }
  if (limits.max_open == 0) {
    return fail(errc::invalid_argument, "a database needs max_open of at least 1");
  }
  auto made = make_driver(*parsed, settings_given);
  if (!made) return std::unexpected(std::move(made.error()));
  return sql::db{owner, *std::move(made), limits};
}

}  // namespace weir::sqlite
