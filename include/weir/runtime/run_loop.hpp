#pragma once

#include <exception>
#include <optional>

#include <weir/core/executor.hpp>
#include <weir/core/sync/park.hpp>
#include <weir/runtime/linger.hpp>
#include <weir/runtime/task.hpp>

namespace weir {

/// An executor that is the calling thread: runs what is scheduled while somebody is in one of its
/// run functions. For `wait(task)`, for a thread of one's own, and for tests, which decide with it
/// and a manual clock what happens when.
///
/// Thread safety: `execute` and the timers from any thread; the run functions and the destructor
/// from the owner.
/// Blocks: `run` until the task has ended; `run_until_idle` never. Between items it parks, with the
/// next timer as deadline.
/// Cost: 55 ns around a task that is ready; a wake-up from another thread is one futex call.
class run_loop final : public core::executor {
 public:
  explicit run_loop(clock& time = steady_clock(), const char* name = "run loop") noexcept;
  ~run_loop();
  run_loop(const run_loop&) = delete;
  run_loop& operator=(const run_loop&) = delete;

  void execute(core::work& item) noexcept override;
  core::timer_service& timers() noexcept override;
  clock& time() noexcept override { return time_; }
  [[nodiscard]] const char* name() const noexcept override { return name_; }

  /// Runs the task to its end, and everything else that is scheduled meanwhile. Rethrows what it
  /// threw. Its own context, for this_context(), is `ctx`.
  template <class T>
  T run(task<T> root, const context& ctx = {});

  /// As run(), on a manual clock: whenever nothing is left to do, time jumps to the next timer.
  /// Misuse (asserted): nothing is left to do and no timer is armed, so the task would never end.
  template <class T>
  T run(task<T> root, manual_clock& time, const context& ctx = {});

  /// Runs what is scheduled and due until nothing is. Returns how many items ran.
  std::size_t run_until_idle() noexcept;

  /// Runs what is scheduled until `stop` says so, parking in between. Wake it with `wake`.
  void run_until(bool (*stop)(void*) noexcept, void* argument) noexcept;

  /// From now on what runs here may block the thread. Before the first run function.
  void allow_blocking() noexcept { may_block_ = true; }

  /// How long to look for work before parking, when work came soon the last time. Default: zero.
  /// Called by the owner before it runs.
  void set_linger(duration longest) noexcept { linger_ = core::linger{longest}; }

  /// Makes a parked run function look around. Any thread.
  void wake() noexcept;

 private:
  class root_record;
  struct own_timers final : core::timer_service {
    explicit own_timers(run_loop& owner) noexcept : loop(owner) {}
    core::mutex& guard() noexcept override { return loop.timer_mutex_; }
    void arm(core::timer_node& node, time_point when, core::wake_list& wakes) noexcept override;
    bool disarm(core::timer_node& node) noexcept override;
    run_loop& loop;
  };
  /// Wakes a parked loop when an earlier timer was armed. In one wake list at a time: `pending` is
  /// guarded by the timers' lock.
  struct timer_kick final : core::wakeable {
    explicit timer_kick(run_loop& owner) noexcept;
    run_loop& loop;
    bool pending = false;
  };

  void run_root(root_record& root, manual_clock* time) noexcept;
  bool run_some() noexcept;
  void expire_timers() noexcept;
  void park_until_work() noexcept;

  clock& time_;
  const char* name_;
  bool may_block_ = false;
  core::mutex mutex_;
  core::work* head_ WEIR_GUARDED_BY(mutex_) = nullptr;
  core::work* tail_ WEIR_GUARDED_BY(mutex_) = nullptr;
  core::park park_;
  core::linger linger_{duration::zero()};
  core::atomic<std::uint32_t> wakers_{0};  // threads inside park_.wake(): the loop outlives them
  core::mutex timer_mutex_;
  core::timer_heap timer_heap_ WEIR_GUARDED_BY(timer_mutex_);
  own_timers own_timers_{*this};
  timer_kick kick_{*this};
};

/// The root of a chain that the owner of the loop runs to its end.
class run_loop::root_record final : public task_record {
 public:
  root_record(run_loop& loop, core::task_promise_base& promise, std::coroutine_handle<> frame,
              const context& bound) noexcept;
  [[nodiscard]] bool done() const noexcept { return done_.load(); }

 private:
  std::coroutine_handle<> begin() noexcept override { return nullptr; }
  void finished() noexcept override;

  run_loop& loop_;
  core::atomic<bool> done_{false};  // the chain may end on another executor's thread
};

template <class T>
T run_loop::run(task<T> root, const context& ctx) {
  {
    root_record record{*this, root.frame().promise(), root.frame(), ctx};
    run_root(record, nullptr);
  }
  return root.frame().promise().take();
}

template <class T>
T run_loop::run(task<T> root, manual_clock& time, const context& ctx) {
  {
    root_record record{*this, root.frame().promise(), root.frame(), ctx};
    run_root(record, &time);
  }
  return root.frame().promise().take();
}

/// Runs a task on this plain thread, to its end, and gives its value. Its deadline is that of the
/// contexts it waits with. Requires: the thread is no worker (asserted).
template <class T>
T wait(task<T> root, const context& ctx = {}) {
  core::assert_may_block();
  run_loop loop{ctx.time(), "wait(task)"};
  return loop.run(std::move(root), ctx);
}

}  // namespace weir
