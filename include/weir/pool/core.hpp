#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <source_location>
#include <string>

#include <weir/context/context.hpp>
#include <weir/context/operation.hpp>
#include <weir/core/log.hpp>
#include <weir/pool/options.hpp>
#include <weir/runtime/registry.hpp>
#include <weir/runtime/start.hpp>
#include <weir/runtime/task.hpp>
#include <weir/stopper/permit.hpp>
#include <weir/sync/event.hpp>

namespace weir {
class registration;
class stopper;
}  // namespace weir

namespace weir::core {

class acquire_base;

/// One open resource. Idle in the pool's list, or with whoever holds its lease.
///
///            acquire             release, usable
///   idle ─────────────► leased ─────────────────► idle, or the next waiter
///     │                   │  │ release, needs reset
///     │ lifetime, idle    │  └────────────────► resetting ──► idle, waiter, or closing
///     │ time, surplus     │ discard, unusable, retired, pool closed
///     └───────────────────┴───────────────────────────────────► closing ──► gone
class pool_slot : public list_hook {
 public:
  virtual ~pool_slot() = default;

  std::source_location holder;  // where it was acquired; written by its holder

 private:
  friend class pool_core;

  time_point idle_since_{};
  time_point retire_at_ = time_point::max();
};

enum class close_cause : std::uint8_t { idle_time, lifetime, surplus, bad, shutdown };

/// The state machine of a pool, whatever it pools: limits, the queue, opening, closing, counting.
/// `pool<R>` adds the type and the calls into the user's source.
///
/// Shared by the pool and by its tasks and leases on their way home: the memory goes with the last.
/// One lock; under it no user code, no allocation and no wake-up. FIFO: a slot that comes home goes
/// to the first waiter, so that there is an idle slot only while nobody waits.
class pool_core : public std::enable_shared_from_this<pool_core>, private registry_entry {
 public:
  struct home {
    core::executor& where;     // runs the pool's tasks, and has its timers and clock
    registry* live = nullptr;  // where the pool is listed while it lives
    log_sink* log = nullptr;
    stopper* owner = nullptr;  // outlives the pool, but not its last resources
  };

  pool_core(const home& at, const pool_options& options);
  virtual ~pool_core();

  /// Registers with the runtime and opens what is kept warm. Call once, when shared.
  void start() noexcept;

  // What acquire_base and leases call.
  [[nodiscard]] mutex& guard() noexcept WEIR_RETURN_CAPABILITY(mutex_) { return mutex_; }
  bool try_acquire_locked(acquire_base& op, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void enqueue(acquire_base& op, waiter& who, std::uint32_t index, wake_list& wakes) noexcept
      WEIR_REQUIRES(mutex_);
  void withdraw(acquire_base& op) noexcept WEIR_REQUIRES(mutex_);
  pool_slot* try_acquire() noexcept;
  /// The holder is done with it. The slot is checked, reset, handed on, kept or closed.
  void release(pool_slot& slot) noexcept;
  void discard(pool_slot& slot) noexcept;
  /// The slot leaves the pool, which forgets it; its place is free.
  void detach(pool_slot& slot) noexcept;

  // What the typed part reports from its tasks.
  void opened(pool_slot& slot) noexcept;
  void open_failed(const error& why) noexcept;
  void closed() noexcept;
  void reset_done(pool_slot& slot, bool clean) noexcept;

  void set_max_open(std::size_t max_open) noexcept;
  void set_max_idle(std::size_t max_idle) noexcept;

  [[nodiscard]] pool_stats stats() const noexcept;
  [[nodiscard]] const std::string& pool_name() const noexcept { return name_; }
  [[nodiscard]] std::optional<duration> acquire_timeout() const noexcept {
    return options_.acquire_timeout;
  }
  [[nodiscard]] core::executor& where() noexcept { return home_.where; }
  [[nodiscard]] log_sink& log() noexcept { return home_.log != nullptr ? *home_.log : no_log(); }
  [[nodiscard]] const context& ctx() const noexcept { return source_.get(); }
  /// Adds the pool's figures to an error.
  [[nodiscard]] error with_figures(error why) const;

  /// Refuses acquires, fails waiters, closes what is idle. Returns at once; idempotent.
  void begin_close() noexcept;
  /// The pool's owner goes: closes, and makes the stopper wait until everything is. `closer` is
  /// what would have closed the pool with the stopper.
  void leave(registration& closer) noexcept;
  /// Waits until everything is closed.
  task<result<void>> close(context bound);

 protected:
  // Each starts a task on the pool's runtime. Called without locks.
  virtual void start_open() noexcept = 0;
  virtual void start_close(pool_slot& slot) noexcept = 0;
  virtual void start_reset(pool_slot& slot) noexcept = 0;
  // The holder's own last look at the resource, on its thread.
  [[nodiscard]] virtual bool usable(pool_slot& slot) noexcept = 0;
  [[nodiscard]] virtual bool needs_reset(pool_slot& slot) noexcept = 0;

 private:
  /// Things to do after the lock is released: open as many as are wanted, close what was taken out.
  struct errand final : wakeable {
    explicit errand(pool_core& owner) noexcept;
    pool_core& pool;
    bool pending = false;
    std::shared_ptr<pool_core> alive;  // while pending
  };
  struct maintenance_timer final : timer_node, wakeable {
    explicit maintenance_timer(pool_core& owner) noexcept;
    pool_core& pool;
  };

  /// Tells that the last resource is home, and lets the memory go.
  struct farewell final : wakeable {
    explicit farewell(pool_core& owner) noexcept;
    pool_core& pool;
    bool told = false;
  };

  [[nodiscard]] std::string_view kind() const noexcept override { return "pool"; }
  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] std::string describe() const override;

  void come_home(pool_slot& slot, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  bool hand_on(pool_slot& slot, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void retire(pool_slot& slot, close_cause cause, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void trim_idle(wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  [[nodiscard]] bool over_limit() const noexcept WEIR_REQUIRES(mutex_);
  [[nodiscard]] bool wants_open() const noexcept WEIR_REQUIRES(mutex_);
  void request_errand(wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void run_errand() noexcept;
  [[nodiscard]] time_point due_at(const pool_slot& slot) const noexcept;
  void arm_maintenance(wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void disarm_maintenance() noexcept WEIR_REQUIRES(mutex_);
  void maintain() noexcept;
  acquire_base* pop_waiter() noexcept WEIR_REQUIRES(mutex_);
  void check_home(wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);

  const home home_;
  clock& clock_;
  const std::string name_;
  const pool_options options_;
  const bool stamped_;  // a lifetime or idle time is set: returns look at the clock
  context_source source_;
  event all_home_;  // closed, and nothing is open

  mutable mutex mutex_;
  std::size_t max_open_ WEIR_GUARDED_BY(mutex_);
  std::size_t max_idle_ WEIR_GUARDED_BY(mutex_);
  bool closed_ WEIR_GUARDED_BY(mutex_) = false;
  intrusive_list<pool_slot> idle_ WEIR_GUARDED_BY(mutex_);      // newest first
  intrusive_list<pool_slot> to_close_ WEIR_GUARDED_BY(mutex_);  // for the errand
  intrusive_list<wait_node> waiters_ WEIR_GUARDED_BY(mutex_);
  pool_stats stats_ WEIR_GUARDED_BY(mutex_);
  std::uint64_t jitter_ WEIR_GUARDED_BY(mutex_);
  std::shared_ptr<pool_core> alive_ WEIR_GUARDED_BY(mutex_);  // until closed and all is home
  permit stay_ WEIR_GUARDED_BY(mutex_);  // of a pool that was destroyed before its stopper's stop
  farewell farewell_{*this};
  errand errand_{*this};
  maintenance_timer timer_{*this};
  timer_service* armed_on_ WEIR_GUARDED_BY(mutex_) = nullptr;
  time_point armed_for_ WEIR_GUARDED_BY(mutex_){};
  std::shared_ptr<pool_core> armed_alive_ WEIR_GUARDED_BY(mutex_);
};

/// The untyped part of a wait for a resource.
class acquire_base : public wait_node {
 public:
  acquire_base(pool_core& pool, const context& ctx, std::source_location site);
  acquire_base(const acquire_base&) = delete;
  acquire_base& operator=(const acquire_base&) = delete;

  context_state* bound() noexcept { return bound_; }
  mutex& guard() noexcept WEIR_RETURN_CAPABILITY(pool_.guard()) { return pool_.guard(); }
  bool try_locked(wake_list& wakes) noexcept WEIR_REQUIRES(pool_.guard()) {
    return pool_.try_acquire_locked(*this, wakes);
  }
  void enqueue(waiter& who, std::uint32_t index, wake_list& wakes) noexcept
      WEIR_REQUIRES(pool_.guard()) {
    pool_.enqueue(*this, who, index, wakes);
  }
  void withdraw(wake_list&) noexcept WEIR_REQUIRES(pool_.guard()) { pool_.withdraw(*this); }
  [[nodiscard]] error explain(error why) const;

 protected:
  [[nodiscard]] result<pool_slot*> take_slot();
  [[nodiscard]] pool_core& pool() const noexcept { return pool_; }

 private:
  friend class pool_core;

  pool_core& pool_;
  std::source_location site_;
  std::optional<context_source> timeout_;  // the pool's own limit on the wait, if it has one
  context_state* bound_;
  enum class refusal : std::uint8_t { none, closed, queue_full, open_failed };

  pool_slot* slot_ = nullptr;
  refusal refusal_ = refusal::none;
  std::optional<error> open_error_;
  time_point waiting_since_{};
};

/// What a pool's tasks leave behind: nothing. They catch what the user's source throws.
struct pool_tail {
  static void ended(task_record&) noexcept {}
  static void unhandled(task_record&, const std::exception_ptr&) noexcept {
    misuse("a pool's own task threw");
  }
};

template <class F>
void start_pool_task(pool_core& pool, F fn) {
  core::start(pool.where(), {.name = "pool"}, pool.ctx(), std::move(fn), pool_tail{}).detach();
}

/// Where the tasks of a stopper's pool run, and where the pool is listed.
[[nodiscard]] pool_core::home pool_home(stopper& owner) noexcept;
/// Closes the pool when the stopper closes.
[[nodiscard]] registration close_pool_with(stopper& owner, std::shared_ptr<pool_core> pool);

[[nodiscard]] error open_threw(const std::exception_ptr& thrown);
void close_threw(pool_core& pool, const std::exception_ptr& thrown);

}  // namespace weir::core
