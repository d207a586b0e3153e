#pragma once

#include <cstdint>
#include <string_view>

namespace weir::core {

/// A named thread of the operating system. weir starts none that its user did not ask for, and
/// each has a name of at most 15 characters that `top -H` and a debugger show.
///
/// Requires: `join` before destruction (asserted): a thread left behind is a bug, not a detail.
/// Thread safety: one owner.
class thread {
 public:
  using entry = void (*)(void*);

  thread() noexcept = default;
  thread(thread&& other) noexcept;
  thread& operator=(thread&& other) noexcept;
  ~thread();

  /// Starts `run(argument)` on a new thread. Returns 0, or the errno of the failure.
  int start(std::string_view name, entry run, void* argument) noexcept;

  [[nodiscard]] bool joinable() const noexcept { return started_; }

  /// Waits until the thread's entry has returned.
  void join() noexcept;

 private:
  std::uintptr_t handle_ = 0;
  bool started_ = false;
};

/// A value that is unique among the threads alive now, and never 0. Cheap (an address).
std::uintptr_t this_thread_id() noexcept;

/// Gives the processor away once.
void yield_thread() noexcept;

/// Waits a little for what another thread is about to do within some instructions. `round` counts
/// from 0: spins briefly, then yields, then sleeps for growing slices of up to 100 µs, so that a
/// thread which was preempted gets the processor back whatever the scheduling policy.
void wait_a_little(int round) noexcept;

/// Processors this process may run on, at least 1 (honours affinity).
unsigned available_processors() noexcept;

}  // namespace weir::core
