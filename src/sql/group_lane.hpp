#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <vector>

#include <weir/context/context.hpp>
#include <weir/context/operation.hpp>
#include <weir/core/list.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/sync/wait_group.hpp>

#include "sql/script_job.hpp"

namespace weir::core {

class group_operation;
struct group_run;

/// A caller's script in the group lane. Shared by the caller, who may leave, and by the group.
///
///          enqueue, by the caller      take, by the lane           finish, by the lane
///   fresh ───────────────────► queued ──────────────────► taken ──────────────────► done
///                                │                                                   ▲
///                                ├─── cancelled: withdraw, by the caller ► fresh      │
///                                └─── the lane closes ────────────────────────────────┘
struct group_job : list_hook {
  group_job(sql::script what, const sql::run_options& how)
      : script(std::move(what)), options(how) {}

  enum class place : std::uint8_t { fresh, queued, taken, done };

  script_job script;  // touched by the lane alone while taken
  const sql::run_options options;

  // Guarded by the lane.
  place where = place::fresh;
  bool closed = false;                // done without having been sent
  group_operation* caller = nullptr;  // who waits; null: has left
  std::shared_ptr<group_job> self;    // while queued
  std::shared_ptr<group_run> run;     // once taken
};

/// The scripts that are committed together. Its context ends when nobody waits for any of them.
struct group_run final : wakeable {
  explicit group_run(clock& time)
      : wakeable([](wakeable& self) noexcept {
          static_cast<group_run&>(self).source.cancel(
              error{errc::cancelled, "nobody waits for this group of scripts any more"});
        }),
        source(time) {}

  context_source source;
  std::vector<std::shared_ptr<group_job>> jobs;
  std::size_t waiting = 0;  // callers; guarded by the lane
};

/// Problem: each durable transaction waits for the disk or the network once, and hundreds of
/// callers wait behind each other for that.
///
/// A queue of scripts, and one task that commits whatever has queued while its last commit ran. The
/// task exists while there is something to do.
///
/// Guarantees: strictly first in, first out, of the same options in one group; bounded. A caller
/// who leaves while queued is taken out; one who leaves later leaves its job's memory behind for
/// the group. Closing fails what is queued and lets what runs end. Thread safety: all members.
/// Source: PostgreSQL's commit_delay and the group commit of MySQL's binary log, done by the
/// client.
class group_lane {
 public:
  /// How the task is started. Called without locks, once for each time there is none.
  struct starter {
    void (*start)(void* owner) noexcept;
    void* owner;
  };

  group_lane(const sql::group_limits& limits, starter how) noexcept
      : limits_(limits), start_(how) {}
  group_lane(const group_lane&) = delete;
  group_lane& operator=(const group_lane&) = delete;

  // ---- for the task
  /// Takes what waits, up to the limit, into an empty run.
  void take(const std::shared_ptr<group_run>& into);
  /// All scripts of the run are settled: tells their callers.
  void finish(group_run& run) noexcept;
  /// False: nothing waits, and the task is to end. Another one is started when needed.
  [[nodiscard]] bool more() noexcept;
  /// Something goes on that `ended` has to wait for, until its `at_end`.
  void begin_task() noexcept { tasks_.add(); }
  /// It is past its last use of the database.
  void at_end() noexcept { tasks_.done(); }

  // ---- for the owner
  /// Refuses what is new and fails what is queued.
  void close() noexcept;
  /// Waits until there is no task. Requires: closed.
  wait_group_operation ended(const context& ctx) noexcept { return tasks_.wait(ctx); }

 private:
  friend class group_operation;

  struct start_wake final : wakeable {
    explicit start_wake(group_lane& owner) noexcept
        : wakeable([](wakeable& self) noexcept {
            const starter how = static_cast<start_wake&>(self).lane.start_;
            how.start(how.owner);
          }),
          lane(owner) {}
    group_lane& lane;
  };

  void unqueue(group_job& job) noexcept WEIR_REQUIRES(mutex_);
  void answer(group_job& job, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);

  const sql::group_limits limits_;
  const starter start_;
  mutex mutex_;
  intrusive_list<group_job> queue_ WEIR_GUARDED_BY(mutex_);
  std::size_t queued_ WEIR_GUARDED_BY(mutex_) = 0;
  std::size_t queued_bytes_ WEIR_GUARDED_BY(mutex_) = 0;
  bool serving_ WEIR_GUARDED_BY(mutex_) = false;  // a task will look at the queue again
  bool closed_ WEIR_GUARDED_BY(mutex_) = false;
  wait_group tasks_;  // a second one may begin while the first is on its way out
  start_wake start_wake_{*this};
};

/// A caller's wait for its script.
class [[nodiscard]] group_operation : public wait_node {
 public:
  using value_type = sql::script_result;

  group_operation(group_lane& lane, std::shared_ptr<group_job> job, const context& ctx) noexcept
      : lane_(lane), job_(std::move(job)), bound_(ctx.state()) {}
  group_operation(const group_operation&) = delete;
  group_operation& operator=(const group_operation&) = delete;

  context_state* bound() noexcept { return bound_; }
  mutex& guard() noexcept WEIR_RETURN_CAPABILITY(lane_.mutex_) { return lane_.mutex_; }
  bool try_locked(wake_list&) noexcept WEIR_REQUIRES(lane_.mutex_);
  void enqueue(waiter& who, std::uint32_t index, wake_list& wakes) noexcept
      WEIR_REQUIRES(lane_.mutex_);
  void withdraw(wake_list& wakes) noexcept WEIR_REQUIRES(lane_.mutex_);
  result<sql::script_result> take();
  [[nodiscard]] error explain(error why) const;

 private:
  friend class group_lane;
  enum class refusal : std::uint8_t { none, closed, full };

  group_lane& lane_;
  std::shared_ptr<group_job> job_;
  context_state* bound_;
  refusal refused_ = refusal::none;
  bool sent_ = false;  // it was taken when its caller left
};

}  // namespace weir::core
