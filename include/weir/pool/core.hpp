#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <string>

#include <weir/context/context.hpp>
#include <weir/core/log.hpp>
#include <weir/pool/acquire.hpp>
#include <weir/pool/adaptive_limit.hpp>
#include <weir/pool/cells.hpp>
#include <weir/pool/opening.hpp>
#include <weir/pool/options.hpp>
#include <weir/pool/slot.hpp>
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

/// The state machine of a pool, whatever it pools: limits, the queue, opening, closing, counting.
/// `pool<R>` adds the type and the calls into the user's source.
///
/// Shared by the pool and by its tasks and leases on their way home: the memory goes with the last.
/// One lock; under it no user code, no allocation and no wake-up. FIFO: a slot that comes home goes
/// to the first waiter that may have it, so that there is an idle slot only while nobody waits who
/// may (or while it is too old to be lent unchecked).
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
  bool try_acquire_locked(acquire_base& op) noexcept WEIR_REQUIRES(mutex_);
  void enqueue(acquire_base& op, waiter& who, std::uint32_t index, wake_list& wakes) noexcept
      WEIR_REQUIRES(mutex_);
  void withdraw(acquire_base& op) noexcept WEIR_REQUIRES(mutex_);
  pool_slot* try_acquire() noexcept;
  /// One that this thread returned lately, without the lock; null if there is none.
  [[nodiscard]] pool_slot* take_near() noexcept { return cells_.take(); }
  /// The slot is its caller's from now on: notes who and where. It waited since then; zero: it did
  /// not wait.
  void lent(pool_slot& slot, const std::source_location& site, time_point waiting_since) noexcept;
  enum class then : std::uint8_t { ready, reset };
  /// The holder is done with it. The slot is reset, handed on, kept or closed.
  void release(pool_slot& slot, then next) noexcept;
  void discard(pool_slot& slot) noexcept;
  /// The slot leaves the pool, which forgets it; its place is free.
  void detach(pool_slot& slot) noexcept;

  // What the typed part reports from its tasks.
  void open_begins(open_attempt& attempt) noexcept;
  void opened(open_attempt& attempt, pool_slot& slot) noexcept;
  void open_failed(open_attempt& attempt, const error& why) noexcept;
  void closed(close_cause why) noexcept;
  void made_ready(pool_slot& slot, bool good) noexcept;
  [[nodiscard]] static close_cause cause_of(const pool_slot& slot) noexcept { return slot.cause_; }

  void set_max_open(std::size_t max_open) noexcept;
  void set_max_idle(std::size_t max_idle) noexcept;
  void flush() noexcept;
  void pause() noexcept;
  void resume() noexcept;

  [[nodiscard]] pool_stats stats() const noexcept;
  [[nodiscard]] pool_times times() const noexcept;
  [[nodiscard]] const std::string& pool_name() const noexcept { return name_; }
  [[nodiscard]] std::optional<duration> acquire_timeout() const noexcept {
    return options_.acquire_timeout;
  }
  [[nodiscard]] duration open_timeout() const noexcept { return options_.open_timeout; }
  [[nodiscard]] core::executor& where() noexcept { return home_.where; }
  [[nodiscard]] log_sink& log() noexcept { return home_.log != nullptr ? *home_.log : no_log(); }
  [[nodiscard]] const context& ctx() const noexcept { return source_.get(); }
  /// Adds the pool's figures to an error.
  [[nodiscard]] error with_figures(error why) const;
  struct unserved {
    bool nothing_open = false;                // and what was tried to open failed, or does not end
    std::optional<error> why = std::nullopt;  // the last open failed
  };
  /// Why a wait that has ended was not served; counts timeouts.
  [[nodiscard]] unserved why_unserved(errc ended_by, time_point since) noexcept;

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
  virtual void start_check(pool_slot& slot) noexcept = 0;

 private:
  /// Things to do after the lock is released: open as many as are wanted, close and check what was
  /// taken out, set the timer.
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
  /// A lease that is out: by whom, and at least for how long.
  struct loan {
    std::source_location site;
    duration held{};
  };

  [[nodiscard]] std::string_view kind() const noexcept override { return "pool"; }
  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] std::string describe() const override;

  // Lending.
  [[nodiscard]] pool_queue::limits busy_limits() const noexcept WEIR_REQUIRES(mutex_);
  [[nodiscard]] bool stale(const pool_slot& slot) const noexcept WEIR_REQUIRES(mutex_);
  [[nodiscard]] bool hopeless(acquire_base& op) noexcept WEIR_REQUIRES(mutex_);
  void open_cells() noexcept WEIR_REQUIRES(mutex_);
  void empty_cells(pool_cells::then next) noexcept WEIR_REQUIRES(mutex_);
  void serve(wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void serve_at(time_point now, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  bool refuse(acquire_base& op, acquire_base::refusal how, const error* why,
              wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void come_home(pool_slot& slot, time_point now, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void come_home_fresh(pool_slot& slot, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  // Those that one acquire of many needs are kept out of the others' way.
  [[gnu::noinline]] void measure_loan(pool_slot& slot, const std::source_location& site,
                                      time_point waiting_since) noexcept;
  static void end_turn(pool_slot& slot) noexcept;
  void end_loan(pool_slot& slot) noexcept;
  [[gnu::noinline]] void release_measured(pool_slot& slot, then next) noexcept;
  [[gnu::noinline]] void bring_home(pool_slot& slot) noexcept;
  /// The time, if it was looked at; it is if somebody waits or something depends on it.
  time_point note_return(pool_slot& slot) noexcept WEIR_REQUIRES(mutex_);
  void retire(pool_slot& slot, close_cause cause, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void trim_idle(wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  [[nodiscard]] bool over_limit() const noexcept WEIR_REQUIRES(mutex_);

  // Opening.
  [[nodiscard]] open_policy::figures open_figures() noexcept WEIR_REQUIRES(mutex_);
  [[nodiscard]] bool wants_open() noexcept WEIR_REQUIRES(mutex_);
  void draw_lifetime(pool_slot& slot, time_point now) noexcept WEIR_REQUIRES(mutex_);
  void tell_waiters(const open_attempt& attempt, const error& why, wake_list& wakes) noexcept
      WEIR_REQUIRES(mutex_);
  void request_errand(wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void run_errand() noexcept;

  // Maintenance.
  [[nodiscard]] time_point due_at(const pool_slot& slot) const noexcept;
  [[nodiscard]] time_point next_look() noexcept WEIR_REQUIRES(mutex_);
  void arm_for(time_point when, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void disarm_maintenance() noexcept WEIR_REQUIRES(mutex_);
  void maintain() noexcept;
  void close_what_is_due(time_point now, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  [[nodiscard]] std::optional<loan> next_leak(time_point now) noexcept WEIR_REQUIRES(mutex_);
  void report_leaks(time_point now) noexcept;
  void end_deadlock(time_point now, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  void check_home(wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);

  // Closing.
  /// Whether it is lent; `seen_at_` is then when that loan began, or was first looked at.
  static bool look_at(pool_slot& slot, time_point now) noexcept;
  [[nodiscard]] std::string holders();
  [[nodiscard]] std::source_location some_holder() noexcept;

  const home home_;
  clock& clock_;
  const std::string name_;
  const pool_options options_;
  const bool stamped_;  // something depends on how long a resource was idle or open
  const bool counted_;  // something depends on how many are idle or in use
  context_source source_;
  event all_home_;  // closed, and nothing is open

  pool_cells cells_;  // what is in them counts as in use, except in what stats() tells
  mutable mutex mutex_;
  bool cells_open_ WEIR_GUARDED_BY(mutex_) = false;
  int calm_ WEIR_GUARDED_BY(mutex_) = 0;  // returns in a row that nobody waited for
  std::size_t max_open_ WEIR_GUARDED_BY(mutex_);
  std::size_t max_idle_ WEIR_GUARDED_BY(mutex_);
  bool closed_ WEIR_GUARDED_BY(mutex_) = false;
  bool paused_ WEIR_GUARDED_BY(mutex_) = false;
  std::uint64_t epoch_ WEIR_GUARDED_BY(mutex_) = 0;             // how often it was flushed
  intrusive_list<pool_slot> idle_ WEIR_GUARDED_BY(mutex_);      // newest first
  intrusive_list<pool_slot> to_close_ WEIR_GUARDED_BY(mutex_);  // for the errand
  intrusive_list<pool_slot> to_check_ WEIR_GUARDED_BY(mutex_);  // for the errand
  intrusive_list<roll_entry> roll_ WEIR_GUARDED_BY(mutex_);     // all that are not being closed
  pool_queue queue_ WEIR_GUARDED_BY(mutex_);
  open_policy opening_ WEIR_GUARDED_BY(mutex_);
  std::optional<adaptive_limit> adaptive_ WEIR_GUARDED_BY(mutex_);
  std::size_t preparing_ WEIR_GUARDED_BY(mutex_) = 0;  // being reset or checked
  time_point last_served_ WEIR_GUARDED_BY(mutex_){};   // or when the first waiter came
  time_point look_for_deadlock_ WEIR_GUARDED_BY(mutex_) = time_point::max();
  time_point look_for_leaks_ WEIR_GUARDED_BY(mutex_) = time_point::max();
  pool_stats stats_ WEIR_GUARDED_BY(mutex_);
  pool_times times_ WEIR_GUARDED_BY(mutex_);
  std::uint64_t jitter_ WEIR_GUARDED_BY(mutex_);
  std::shared_ptr<pool_core> alive_ WEIR_GUARDED_BY(mutex_);  // until closed and all is home
  permit stay_ WEIR_GUARDED_BY(mutex_);  // of a pool that was destroyed before its stopper's stop
  farewell farewell_{*this};
  errand errand_{*this};
  maintenance_timer timer_{*this};
  timer_service* armed_on_ WEIR_GUARDED_BY(mutex_) = nullptr;
  time_point armed_for_ WEIR_GUARDED_BY(mutex_) = time_point::max();
  std::shared_ptr<pool_core> armed_alive_ WEIR_GUARDED_BY(mutex_);
};

inline acquire_base::acquire_base(pool_core& pool, const context& ctx, acquire_options how,
                                  std::source_location site)
    : pool_(pool), guard_(pool.guard()), site_(site), bound_(ctx.state()), how_(how) {
  if (const auto limit = pool.acquire_timeout()) limit_wait(ctx, *limit);
}

inline bool acquire_base::try_now() noexcept {
  slot_ = pool_.take_near();
  return slot_ != nullptr;
}

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

/// What an open that failed is told as; `bound` is the context that it was given.
[[nodiscard]] error open_ended(const context& bound, error why);
[[nodiscard]] error open_threw(const std::exception_ptr& thrown);
void close_threw(pool_core& pool, const std::exception_ptr& thrown);

}  // namespace weir::core
