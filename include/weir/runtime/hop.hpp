#pragma once

#include <coroutine>

#include <weir/context/task_record.hpp>

namespace weir {

/// `co_await resume_on(executor)`: the task goes on there, and stays there. To come back, keep
/// `this_executor()` and hop again.
class [[nodiscard]] hop_awaiter {
 public:
  explicit hop_awaiter(core::executor& where) noexcept : where_(where) {}
  hop_awaiter(const hop_awaiter&) = delete;
  hop_awaiter& operator=(const hop_awaiter&) = delete;

  [[nodiscard]] static bool await_ready() noexcept { return false; }
  template <awaiting_promise P>
  void await_suspend(std::coroutine_handle<P> self) noexcept {
    task_record& record = self.promise().record();
    record.suspend_at(self);
    record.move_to(where_);
    record.schedule();  // it may be running there already: nothing is touched after this
  }
  static void await_resume() noexcept {}

 private:
  core::executor& where_;
};

/// Moves the awaiting task to another executor.
inline hop_awaiter resume_on(core::executor& where) noexcept {
  return hop_awaiter{where};
}

/// Lets others run: the task goes to the end of its executor's queue.
inline hop_awaiter yield() noexcept {
  return hop_awaiter{task_record::current()->executor()};
}

/// The executor of the task that runs on this thread. Requires: called inside a task.
inline core::executor& this_executor() noexcept {
  return task_record::current()->executor();
}

}  // namespace weir
