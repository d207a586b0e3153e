#pragma once

#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <weir/context/task_record.hpp>
#include <weir/core/assert.hpp>
#include <weir/runtime/frame_cache.hpp>

namespace weir {

template <class T = void>
class task;

namespace core {

/// What the promises of all tasks share.
class task_promise_base {
 public:
  [[nodiscard]] task_record& record() noexcept { return *record_; }

  /// The frame joins the flow of `record`, and returns to `continuation`; null: it is the root.
  void join_flow(task_record& record, std::coroutine_handle<> continuation) noexcept {
    record_ = &record;
    continuation_ = continuation;
  }

  [[nodiscard]] static std::suspend_always initial_suspend() noexcept { return {}; }

  /// Returns to the record's loop, which resumes the parent or finishes the task.
  struct final_awaiter {
    [[nodiscard]] static bool await_ready() noexcept { return false; }
    template <class P>
    void await_suspend(std::coroutine_handle<P> self) noexcept {
      task_promise_base& promise = self.promise();
      if (promise.continuation_) {
        promise.record_->continue_with(promise.continuation_);
      } else {
        promise.record_->finish();
      }
    }
    static void await_resume() noexcept {}
  };
  [[nodiscard]] static final_awaiter final_suspend() noexcept { return {}; }

  void unhandled_exception() noexcept { exception_ = std::current_exception(); }
  [[nodiscard]] std::exception_ptr exception() const noexcept { return exception_; }

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { free_frame(frame, size); }

 private:
  task_record* record_ = nullptr;
  std::coroutine_handle<> continuation_;
  std::exception_ptr exception_;
};

template <class T>
class task_promise final : public task_promise_base {
 public:
  [[nodiscard]] task<T> get_return_object() noexcept;

  template <class U>
    requires std::constructible_from<T, U&&>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }

  /// The value, or what the coroutine threw. Once.
  T take() {
    if (exception()) std::rethrow_exception(exception());
    WEIR_ASSERT(value_.has_value(), "a task was asked for its value before it had one");
    return std::move(*value_);
  }

 private:
  std::optional<T> value_;
};

template <>
class task_promise<void> final : public task_promise_base {
 public:
  [[nodiscard]] task<void> get_return_object() noexcept;
  static void return_void() noexcept {}
  void take() const {
    if (exception()) std::rethrow_exception(exception());
  }
};

}  // namespace core

/// Problem: a unit of sequential work that may wait without holding a thread.
///
/// A coroutine that starts when it is awaited, by another task or, as a root, by `wait(task)`,
/// `run_loop::run` or a stopper. The awaiting task goes on with its value; what it threw is
/// rethrown there.
///
/// Requires: awaited at most once. Its parameters live in its frame: a lambda's captures do *not*,
/// so a capturing lambda must outlive the task (`spawn` stores it in the task's record).
/// Guarantees: the frame is destroyed with the task object: by-value parameters and locals are gone
/// before the awaiting task goes on with the next full expression.
/// Thread safety: one owner. Cost: one frame from a per-thread cache; 11 ns.
/// Cancellation: has no say of its own; pass a context to what it waits for.
///
///     weir::task<int> twice(weir::task<int> inner) { co_return 2 * co_await std::move(inner); }
///
///     auto f = [&x] () -> weir::task<int> { co_return x; };
///     co_await f();                      // OK: f outlives the task
///     auto t = [x] () -> weir::task<int> { co_return x; }();
///     co_await std::move(t);             // BUG: the lambda, and its x, are gone
template <class T>
class [[nodiscard]] task {
 public:
  using value_type = T;
  using promise_type = core::task_promise<T>;

  task(task&& other) noexcept : frame_(std::exchange(other.frame_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      reset();
      frame_ = std::exchange(other.frame_, nullptr);
    }
    return *this;
  }
  ~task() { reset(); }

  class awaiter {
   public:
    explicit awaiter(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {
      WEIR_ASSERT(frame_, "a task was awaited after it was moved from");
    }
    awaiter(const awaiter&) = delete;
    awaiter& operator=(const awaiter&) = delete;

    [[nodiscard]] static bool await_ready() noexcept { return false; }
    template <awaiting_promise P>
    void await_suspend(std::coroutine_handle<P> parent) noexcept {
      task_record& record = parent.promise().record();
      frame_.promise().join_flow(record, parent);
      record.continue_with(frame_);
    }
    T await_resume() { return frame_.promise().take(); }

   private:
    std::coroutine_handle<promise_type> frame_;
  };

  [[nodiscard]] awaiter operator co_await() && noexcept { return awaiter{frame_}; }

  /// The frame, for those who run root tasks. Stays owned by this object.
  [[nodiscard]] std::coroutine_handle<promise_type> frame() const noexcept { return frame_; }

  /// Destroys the frame.
  void reset() noexcept {
    if (frame_) std::exchange(frame_, nullptr).destroy();
  }

 private:
  friend promise_type;

  explicit task(std::coroutine_handle<promise_type> frame) noexcept : frame_(frame) {}

  std::coroutine_handle<promise_type> frame_;
};

template <class T>
task<T> core::task_promise<T>::get_return_object() noexcept {
  return task<T>{std::coroutine_handle<task_promise>::from_promise(*this)};
}
inline task<void> core::task_promise<void>::get_return_object() noexcept {
  return task<void>{std::coroutine_handle<task_promise>::from_promise(*this)};
}

/// True for `task<T>` of any T.
template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

}  // namespace weir
