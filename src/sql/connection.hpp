#pragma once

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <weir/context/context.hpp>
#include <weir/pool/pool.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/sql/driver.hpp>
#include <weir/sql/frame_allocator.hpp>

namespace weir::core {

/// Goes to an executor, unless the task is there already or `where` is null.
class hop_if_elsewhere {
 public:
  explicit hop_if_elsewhere(executor* where) noexcept : where_(where) {}
  hop_if_elsewhere(const hop_if_elsewhere&) = delete;
  hop_if_elsewhere& operator=(const hop_if_elsewhere&) = delete;

  [[nodiscard]] bool await_ready() const noexcept {
    return where_ == nullptr || where_ == &this_executor();
  }
  template <awaiting_promise P>
  void await_suspend(std::coroutine_handle<P> self) noexcept {
    resume_on(*where_).await_suspend(self);
  }
  static void await_resume() noexcept {}

 private:
  executor* where_;
};

/// The statements prepared on one connection, the recently used ones kept.
///
/// One execution per prepared statement at a time: a second one of the same text, while the first
/// is being read, is prepared apart and not kept. Used on the connection's home only.
class statement_cache {
 public:
  struct entry {
    std::string text;
    std::unique_ptr<sql::driver_statement> made;
    bool busy = false;       // somebody runs it, or reads its rows
    bool abandoned = false;  // its reader is gone: to be stopped
    bool kept = false;       // in the index
  };
  using place = std::list<entry>::iterator;

  explicit statement_cache(std::size_t most) noexcept : most_(most) {}

  /// An idle prepared statement of this text, marked busy.
  task<result<place>> take(context ctx, sql::driver_connection* on, std::string_view text);
  /// It is idle again; the driver has reset it.
  void put_back(place used) noexcept;
  /// Stops the statements whose readers are gone.
  task<void> stop_abandoned();
  /// Stops all. Whoever still has a place must not use it: `epoch` has changed.
  task<void> stop_all();
  void clear() noexcept;

  [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
  [[nodiscard]] bool any_busy() const noexcept { return busy_ != 0; }
  void note_abandoned(place one) noexcept {
    one->abandoned = true;
    any_abandoned_ = true;
  }

 private:
  void make_room() noexcept;
  task<void> stop_some(bool all);

  const std::size_t most_;
  std::list<entry> entries_;  // most recently used first
  std::unordered_map<std::string_view, place> index_;
  std::uint64_t epoch_ = 0;
  std::size_t busy_ = 0;
  bool any_abandoned_ = false;
};

/// What the pool lends: a driver's connection with what is known about its state.
struct sql_connection {
  sql_connection(std::unique_ptr<sql::driver_connection> opened, sql::access mode_,
                 std::size_t most_statements) noexcept
      : driver(std::move(opened)), statements(most_statements), mode(mode_) {}

  std::unique_ptr<sql::driver_connection> driver;
  statement_cache statements;
  sql::access mode;
  std::uint64_t uses = 0;
  bool dirty = false;   // to be reset before the next caller
  bool broken = false;  // to be closed
};

using pooled_connection = std::unique_ptr<sql_connection>;

/// Opens, resets and closes connections of one kind, in the pool's tasks.
class connection_source final : public pool_source<pooled_connection> {
 public:
  connection_source(std::shared_ptr<sql::driver> kind, sql::access mode, std::size_t statements)
      : kind_(std::move(kind)), mode_(mode), statements_(statements) {}

  task<result<pooled_connection>> open(context ctx) override;
  task<void> close(pooled_connection one) override;
  bool usable(pooled_connection& one) noexcept override {
    return !one->broken && one->driver->usable();
  }
  bool needs_reset(pooled_connection& one) noexcept override { return one->dirty; }
  task<bool> reset(pooled_connection& one, context ctx) override;
  task<bool> validate(pooled_connection& one, context ctx) override;

 private:
  std::shared_ptr<sql::driver> kind_;
  sql::access mode_;
  std::size_t statements_;
};

}  // namespace weir::core
