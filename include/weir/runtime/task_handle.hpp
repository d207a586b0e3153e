#pragma once

#include <concepts>
#include <exception>
#include <optional>
#include <utility>
#include <variant>

#include <weir/context/operation.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/runtime/task.hpp>

namespace weir {

namespace core {

/// The end of a task, as seen by the one who may wait for it. Owned by two: the task until it has
/// ended, and its handle.
///
///   running ──finish()──► done        (owner: the thread that ran the last coroutine)
class completion {
 public:
  explicit completion(void (*free)(completion&) noexcept) noexcept : free_(free) {}
  completion(const completion&) = delete;
  completion& operator=(const completion&) = delete;

  [[nodiscard]] mutex& guard() noexcept WEIR_RETURN_CAPABILITY(mutex_) { return mutex_; }
  [[nodiscard]] bool done_locked() const noexcept WEIR_REQUIRES(mutex_) { return done_; }
  [[nodiscard]] bool done() noexcept {
    lock_guard guard{mutex_};
    return done_;
  }
  void set_joiner(wait_node* joiner) noexcept WEIR_REQUIRES(mutex_) { joiner_ = joiner; }

  /// True if the handle was dropped: nobody will ask how it ended.
  [[nodiscard]] bool detached() noexcept { return owners_.load() == 1; }

  /// The task's last act: wakes the joiner and gives its own ownership up. Without a handle there
  /// is no joiner and nobody to share with, which spares three locked instructions.
  void end() noexcept {
    if (!detached()) finish();
    drop();
  }

  /// Gives up one of the two ownerships; the last one frees.
  void drop() noexcept {
    if (detached() || owners_.fetch_sub(1) == 1) free_(*this);
  }

 private:
  void finish() noexcept;

  void (*free_)(completion&) noexcept;
  atomic<std::uint32_t> owners_{2};
  mutex mutex_;
  bool done_ WEIR_GUARDED_BY(mutex_) = false;
  wait_node* joiner_ WEIR_GUARDED_BY(mutex_) = nullptr;
};

/// A completion with what came of the task: its value, or what it threw.
template <class T>
class outcome : public completion {
 public:
  using completion::completion;
  using stored = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

  void set_exception(std::exception_ptr thrown) noexcept { exception_ = std::move(thrown); }
  template <class... U>
  void set_value(U&&... value) {
    value_.emplace(std::forward<U>(value)...);
  }

  [[nodiscard]] const std::exception_ptr& exception() const noexcept { return exception_; }
  [[nodiscard]] bool taken() const noexcept { return taken_; }

  /// The value once, or a rethrow of what the task threw. Requires: done.
  T take() {
    WEIR_ASSERT(!taken_, "a task was joined twice");
    taken_ = true;
    if (exception_) std::rethrow_exception(exception_);
    if constexpr (!std::is_void_v<T>) {
      WEIR_ASSERT(value_.has_value(), "a task was joined before its end");
      return std::move(*value_);
    }
  }

 private:
  std::optional<stored> value_;
  std::exception_ptr exception_;
  bool taken_ = false;
};

template <class T>
struct joined {
  using value_type = T;
};
template <class T>
struct joined<result<T>> {
  using value_type = T;
};

}  // namespace core

/// Waits for the end of a task. A task that returns `result<T>` gives that; others give
/// `result<T>` too, in which the error can only be that of the wait.
template <class T>
class [[nodiscard]] join_operation : public core::wait_node {
 public:
  using value_type = typename core::joined<T>::value_type;

  join_operation(core::context_state* bound, core::outcome<T>& task) noexcept
      : bound_(bound), task_(task) {}
  join_operation(const join_operation&) = delete;
  join_operation& operator=(const join_operation&) = delete;

  core::context_state* bound() noexcept { return bound_; }
  core::mutex& guard() noexcept { return task_.guard(); }
  bool try_locked(core::wake_list&) noexcept WEIR_REQUIRES(task_.guard()) {
    return task_.done_locked();
  }
  void enqueue(core::waiter& who, std::uint32_t index, core::wake_list&) noexcept
      WEIR_REQUIRES(task_.guard()) {
    set(who, index);
    task_.set_joiner(this);
  }
  void withdraw(core::wake_list&) noexcept WEIR_REQUIRES(task_.guard()) {
    task_.set_joiner(nullptr);
  }
  result<value_type> take() {
    if constexpr (std::is_void_v<T>) {
      task_.take();
      return {};
    } else {
      return task_.take();
    }
  }

 private:
  core::context_state* bound_;
  core::outcome<T>& task_;
};

/// The other end of a task that runs: join it, or let it go.
///
/// Dropping the handle detaches the task: it goes on, and its stopper still waits for it. What a
/// detached task throws goes to its stopper's policy; an exception never disappears.
/// Thread safety: one owner, movable. Cost: none beyond the task's own record.
template <class T = void>
class [[nodiscard]] task_handle {
 public:
  task_handle() noexcept = default;
  explicit task_handle(core::outcome<T>& adopted) noexcept : task_(&adopted) {}
  task_handle(task_handle&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
  task_handle& operator=(task_handle&& other) noexcept {
    if (this != &other) {
      detach();
      task_ = std::exchange(other.task_, nullptr);
    }
    return *this;
  }
  ~task_handle() { detach(); }

  [[nodiscard]] bool valid() const noexcept { return task_ != nullptr; }
  /// True once the task has ended and everything it owned is destroyed.
  [[nodiscard]] bool done() const noexcept { return task_ != nullptr && task_->done(); }

  /// Waits for its end, not longer than `ctx`; the task itself goes on if the wait ends first.
  /// Requires: valid; one wait at a time; joined at most once.
  join_operation<T> join(const context& ctx) noexcept {
    WEIR_ASSERT(task_ != nullptr, "joined a task handle that is empty");
    return {ctx.state(), *task_};
  }

  /// Lets the task go on alone.
  void detach() noexcept {
    if (task_ != nullptr) std::exchange(task_, nullptr)->drop();
  }

 private:
  template <class U>
  friend class join_awaiter;

  core::outcome<T>* task_ = nullptr;
};

/// `co_await handle`: joins, bounded by the awaiting task's own context.
template <class T>
class join_awaiter {
 public:
  explicit join_awaiter(core::outcome<T>& task) noexcept
      : join_(task_record::current()->ctx.state(), task) {}
  join_awaiter(const join_awaiter&) = delete;
  join_awaiter& operator=(const join_awaiter&) = delete;

  bool await_ready() noexcept { return waiting_.await_ready(); }
  template <awaiting_promise P>
  bool await_suspend(std::coroutine_handle<P> self) noexcept {
    return waiting_.await_suspend(self);
  }
  auto await_resume() { return waiting_.await_resume(); }

  static join_awaiter of(task_handle<T>& handle) noexcept {
    WEIR_ASSERT(handle.task_ != nullptr, "joined a task handle that is empty");
    return join_awaiter{*handle.task_};
  }

 private:
  join_operation<T> join_;
  core::operation_awaiter<join_operation<T>> waiting_{join_};
};

template <class T>
[[nodiscard]] join_awaiter<T> operator co_await(task_handle<T>& handle) noexcept {
  return join_awaiter<T>::of(handle);
}
template <class T>
[[nodiscard]] join_awaiter<T> operator co_await(task_handle<T>&& handle) noexcept {
  return join_awaiter<T>::of(handle);
}

}  // namespace weir
