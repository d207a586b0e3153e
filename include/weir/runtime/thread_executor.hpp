#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include <weir/core/executor.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/runtime/run_loop.hpp>

namespace weir {

/// Whether what runs on a thread executor may block its thread.
enum class blocking_policy : std::uint8_t {
  forbidden,  ///< `wait()` there is misuse, as on a worker
  allowed,    ///< the thread is there to block: everything else on it waits meanwhile
};

struct thread_executor_options {
  /// The thread's name, of which the system shows 15 characters.
  std::string_view name = "weir-thread";
  blocking_policy blocking = blocking_policy::forbidden;
  /// Null: the steady clock.
  clock* time = nullptr;
  /// How long to look for work before sleeping, when work came soon the last time: spares callers
  /// who come one after the other the wake-up (5 to 35 µs), for that much processor time.
  duration linger = duration::zero();
};
static_assert(std::is_trivially_destructible_v<thread_executor_options>);

/// Problem: some things belong to one thread: a database handle that is not thread-safe, a library
/// with thread-local state.
///
/// An executor that is one thread of its own: a run loop with its queue and its timers. Tasks come
/// to it by `resume_on`, or are started on it.
///
/// Requires: outlives what runs on it; nobody schedules onto it while it is destroyed.
/// Guarantees: items run one at a time, in order of scheduling. The destructor lets queued items
/// run, and joins; timers that are left expire early.
/// Blocks: the constructor until the thread runs, the destructor until it has ended.
/// Thread safety: `execute`, `timers`, `time`, `name`. Cost: a wake-up from another thread is one
/// futex call.
class thread_executor final : public core::executor {
 public:
  explicit thread_executor(thread_executor_options options = {});
  ~thread_executor();
  thread_executor(const thread_executor&) = delete;
  thread_executor& operator=(const thread_executor&) = delete;

  void execute(core::work& item) noexcept override { loop_.execute(item); }
  core::timer_service& timers() noexcept override { return loop_.timers(); }
  [[nodiscard]] clock& time() noexcept override { return loop_.time(); }
  [[nodiscard]] const char* name() const noexcept override { return name_.c_str(); }

  /// True on its own thread.
  [[nodiscard]] bool is_own_thread() const noexcept {
    return core::this_thread_id() == thread_id_.load();
  }

 private:
  void run() noexcept;

  const std::string name_;
  run_loop loop_;
  core::atomic<bool> stopping_{false};
  core::atomic<std::uintptr_t> thread_id_{0};
  core::park started_;
  core::thread thread_;
};

}  // namespace weir
