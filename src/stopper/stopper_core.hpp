#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include <weir/core/sync/mutex.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/task.hpp>
#include <weir/stopper/deferred_call.hpp>
#include <weir/stopper/gate.hpp>
#include <weir/stopper/options.hpp>
#include <weir/stopper/shutdown_report.hpp>
#include <weir/sync/event.hpp>

#include "stopper/exit_times.hpp"

namespace weir::core {

/// Who asks for a stop, and how long it may take. Without budgets: quiesce only.
struct stop_request {
  stop_request() noexcept = default;  // no aggregate: g++ 12 destroys those twice in co_await
  stop_request(shutdown_origin by, const char* why, std::source_location where) noexcept
      : origin(by), reason(why), site(where) {}

  shutdown_origin origin = shutdown_origin::call;
  const char* reason = "";
  std::source_location site;
  int signal = 0;
  std::optional<stop_options> budgets;
};

/// Tells somebody else that a stop has come further: the thread of signal_shutdown. May be called
/// once more right after it was taken away.
using stop_listener = void (*)() noexcept;

/// What became of one closer.
struct closer_note : list_hook {
  const char* name;
  std::source_location site;
  shutdown_report::closer_state state = shutdown_report::closer_state::running;
  time_point began{};
  duration took{};
  std::string failure;
};

struct stop_progress;

/// The whole of a stopper: the gate, and the machine that takes it down.
///
/// The machine is passive. `advance` does what is due, and says when it wants to be called again;
/// whoever waits for the stop calls it (a thread in wait(), a coroutine, the signal thread), and if
/// one of them is stuck the others go on. `version` changes whenever there may be something to do.
///
/// Locks: mutex_, then a shard of live_tasks, or a primitive's own. User code runs under none.
class stopper_core final : public stopper_gate, public registry_entry {
 public:
  /// The task that nobody waits for is woken before those whose return may end the runtime.
  enum class driver : std::uint8_t { somebody, background };
  enum class phase : std::uint8_t { running, draining, cancelling, closing, stopped };

  /// `parent` may be null. `options.executor` and `options.blocking` are set.
  stopper_core(runtime& where, stopper_core* parent, const stopper_options& options,
               std::source_location site);

  [[nodiscard]] runtime& host() const noexcept { return runtime_; }
  [[nodiscard]] const stopper_options& options() const noexcept { return options_; }

  /// Begins to quiesce, and to stop if the request has budgets; tightens those of a stop that has
  /// begun. Calls on_quiesce functions.
  void begin(const stop_request& request);
  /// Goes on to cancel at once.
  void hurry() noexcept;

  /// Does everything that is due. Gives when to call again if nothing else happens. `closing`:
  /// whether closers run on a thread for that, or within this call.
  enum class closing : std::uint8_t { elsewhere, here };
  time_point advance(closing where = closing::elsewhere) noexcept;

  /// begin, then advance until stopped. Requires: not inside a task of this stopper.
  static task<void> drive(gate_reference held, stop_request request, driver who = driver::somebody);
  /// begin, then a task that drives. For those who do not wait.
  void drive_in_background(const stop_request& request);
  /// Waits until no task is left.
  static task<result<void>> drain(gate_reference held, context ctx, stop_request request,
                                  bool from_own_task);
  static task<result<shutdown_report>> stop(gate_reference held, stop_request request,
                                            bool from_own_task);

  /// True on a thread, or in a flow, that a stop would wait for.
  [[nodiscard]] bool inside_own_task() const noexcept;

  registration add_closer(deferred_call& call);
  registration add_quiesce_call(deferred_call& call);
  bool cancel_call(deferred_call& call) noexcept;
  void keep_call(deferred_call& call) noexcept;

  /// The stopper object is being destroyed.
  void end_of_object();

  void leaves_late(bool cancelled_early) noexcept;
  void last_has_left() noexcept;
  void unhandled(const char* task, std::source_location site, std::exception_ptr thrown) noexcept;

  /// A delayed task was not due when the stop began.
  void dropped(const char* task, std::source_location site);

  [[nodiscard]] event& quiescing() noexcept { return quiescing_; }
  [[nodiscard]] event& stopped() noexcept { return stopped_; }
  /// Once this is true the report is there, and nothing is left to drive.
  [[nodiscard]] bool done() noexcept;
  /// Requires: done.
  [[nodiscard]] const shutdown_report& report() const noexcept { return report_; }
  [[nodiscard]] stop_progress progress();
  /// As things stand: for those who do not wait any longer.
  [[nodiscard]] shutdown_report make_report();

  /// Null: nobody.
  void set_listener(stop_listener listener) noexcept;

  [[nodiscard]] std::string_view kind() const noexcept override { return "stopper"; }
  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] const std::string& full_name() const noexcept { return name_; }
  [[nodiscard]] const char* intern(std::string_view text);
  [[nodiscard]] std::string describe() const override;
  [[nodiscard]] std::source_location site() const noexcept override { return site_; }
  void look(snapshot_entry& into, snapshot_detail detail) const override;
  bool find_running(const work& item, held_worker& into) const override;
  /// What lives on the whole runtime, a line at a time.
  void dump(log_sink& sink) const;

 private:
  friend class progress_operation;
  enum class step : std::uint8_t { rest, again, cancel, close, finish, heartbeat };

  /// Told after the lock is released: declared before its guard.
  struct news {
    wake_list wakes;
    stop_listener listener = nullptr;
    stopper_core* parent = nullptr;
    news() noexcept = default;
    news(const news&) = delete;
    news& operator=(const news&) = delete;
    ~news() {
      if (listener != nullptr) listener();
      if (parent != nullptr) parent->child_changed();
    }
  };

  ~stopper_core();

  void changed(news& out) noexcept WEIR_REQUIRES(mutex_);
  [[nodiscard]] std::uint64_t version() noexcept;
  [[nodiscard]] bool drained() noexcept;
  [[nodiscard]] bool keep_failure(const std::exception_ptr& thrown, bool& stop) noexcept;

  // The subtree. Locks of parents and children are never held together.
  [[nodiscard]] static std::string joined_name(const stopper_core* parent, const char* name);
  void adopt(stopper_core& child);
  void child_changed() noexcept;
  void child_stopped(const stopper_core& child);
  [[nodiscard]] std::vector<gate_reference> children() const;
  [[nodiscard]] stop_request rest_of_request(time_point now) const noexcept WEIR_REQUIRES(mutex_);

  void refuse_and_tell();
  step decide(time_point now, time_point& next) noexcept WEIR_REQUIRES(mutex_);
  step decide_phase(time_point now, time_point& next) noexcept WEIR_REQUIRES(mutex_);
  step enter_cancelling(time_point now) noexcept WEIR_REQUIRES(mutex_);
  step enter_closing(time_point now) noexcept WEIR_REQUIRES(mutex_);
  void finish() noexcept;
  void beat(time_point now) noexcept;
  [[nodiscard]] std::string beat_line(time_point now);
  void log(log_level level, const char* what) noexcept;

  void run_closers() noexcept;
  void run_quiesce_calls() noexcept;
  enum class mention : std::uint8_t { always, failed };  // in the report
  void run_call(deferred_call& call, const context& ctx, mention when) noexcept;
  void run_late(deferred_call& call, mention when) noexcept;
  [[nodiscard]] context_source closing_context() noexcept;
  void drop_calls(intrusive_list<deferred_call>& calls) noexcept;

  /// Runs the closers on a thread that may block.
  struct closing_work final : work {
    explicit closing_work(stopper_core& owner) noexcept;
    stopper_core& core;
  };

  runtime& runtime_;
  const gate_reference parent_;  // empty: none
  const std::string name_;
  const stopper_options options_;
  const std::source_location site_;
  context_source ladder_;  // never ends: whose clock the waits of drivers go by
  event quiescing_;
  event stopped_;
  shutdown_report report_;  // written before stopped_ is set
  closing_work closing_{*this};
  const time_point made_ = time().coarse_now();  // as coarse as the ages of tasks
  exit_times exits_;

  mutable mutex mutex_;
  phase phase_ WEIR_GUARDED_BY(mutex_) = phase::running;
  bool stopping_ WEIR_GUARDED_BY(mutex_) = false;  // stop, not only quiesce, has begun
  bool told_ WEIR_GUARDED_BY(mutex_) = false;      // on_quiesce has run, contexts drain
  bool drained_ WEIR_GUARDED_BY(mutex_) = false;   // refused, and nobody is left
  bool closers_ran_ WEIR_GUARDED_BY(mutex_) = false;
  bool finishing_up_ WEIR_GUARDED_BY(mutex_) = false;   // somebody makes the report
  std::exception_ptr failure_ WEIR_GUARDED_BY(mutex_);  // the first, under that policy
  bool hurried_ WEIR_GUARDED_BY(mutex_) = false;
  stop_request request_ WEIR_GUARDED_BY(mutex_);

  stop_options budgets_ WEIR_GUARDED_BY(mutex_);  // of the first stop; meaningful once stopping_
  time_point drain_until_ WEIR_GUARDED_BY(mutex_) = time_point::max();
  time_point cancel_until_ WEIR_GUARDED_BY(mutex_) = time_point::max();
  time_point close_until_ WEIR_GUARDED_BY(mutex_) = time_point::max();
  time_point next_beat_ WEIR_GUARDED_BY(mutex_) = time_point::max();
  std::optional<time_point> began_ WEIR_GUARDED_BY(mutex_);
  std::optional<time_point> cancelled_ WEIR_GUARDED_BY(mutex_);
  std::optional<time_point> closing_at_ WEIR_GUARDED_BY(mutex_);
  std::size_t at_begin_ WEIR_GUARDED_BY(mutex_) = 0;
  std::size_t at_cancel_ WEIR_GUARDED_BY(mutex_) = 0;

  std::vector<stopper_core*> children_ WEIR_GUARDED_BY(mutex_);  // that have not stopped
  std::vector<shutdown_report::dropped_task> dropped_ WEIR_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> interned_ WEIR_GUARDED_BY(mutex_);
  std::vector<shutdown_report> child_reports_ WEIR_GUARDED_BY(mutex_);

  std::uint64_t version_ WEIR_GUARDED_BY(mutex_) = 0;
  intrusive_list<wait_node> waiting_ WEIR_GUARDED_BY(mutex_);
  stop_listener listener_ WEIR_GUARDED_BY(mutex_) = nullptr;
  intrusive_list<deferred_call> closers_ WEIR_GUARDED_BY(mutex_);  // the last registered first
  intrusive_list<deferred_call> quiesce_calls_ WEIR_GUARDED_BY(mutex_);
  intrusive_list<closer_note> notes_ WEIR_GUARDED_BY(mutex_);
};

/// How far a stop has come, for those who tell others.
struct stop_progress {
  stopper_core::phase at = stopper_core::phase::running;
  std::size_t left = 0;
  const char* oldest = nullptr;
  time_point oldest_since{};
  const char* closer = nullptr;  // that runs now
  time_point until{};            // the phase's budget
  time_point end{};              // of all budgets
};

/// The name, as in "draining".
const char* name_of(stopper_core::phase phase) noexcept;

/// Waits until a stopper's machine may have something to do.
class [[nodiscard]] progress_operation : public wait_node {
 public:
  using value_type = void;

  progress_operation(stopper_core& core, std::uint64_t seen, context_state* bound,
                     stopper_core::driver who) noexcept
      : core_(core), seen_(seen), bound_(bound), who_(who) {}
  progress_operation(const progress_operation&) = delete;
  progress_operation& operator=(const progress_operation&) = delete;

  context_state* bound() noexcept { return bound_; }
  mutex& guard() noexcept WEIR_RETURN_CAPABILITY(core_.mutex_) { return core_.mutex_; }
  bool try_locked(wake_list&) noexcept WEIR_REQUIRES(core_.mutex_) {
    return core_.version_ != seen_;
  }
  void enqueue(waiter& who, std::uint32_t index, wake_list&) noexcept WEIR_REQUIRES(core_.mutex_) {
    set(who, index);
    if (who_ == stopper_core::driver::background) {
      core_.waiting_.push_front(*this);
    } else {
      core_.waiting_.push_back(*this);
    }
  }
  void withdraw(wake_list&) noexcept WEIR_REQUIRES(core_.mutex_) {
    if (linked()) intrusive_list<wait_node>::unlink(*this);
  }
  result<void> take() noexcept { return {}; }

 private:
  stopper_core& core_;
  std::uint64_t seen_;
  context_state* bound_;
  stopper_core::driver who_;
};

}  // namespace weir::core
