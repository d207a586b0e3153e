#pragma once

#include <concepts>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

#include <weir/context/operation.hpp>
#include <weir/core/assert.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/task_handle.hpp>

namespace weir {

namespace core {

/// A call on its way to a blocking thread. On the heap and owned by two, the wait and the call:
/// the waiting frame may be gone long before the call returns.
class blocking_call : public work, public wakeable {
 public:
  explicit blocking_call(runtime& where) noexcept
      : work([](work& self) noexcept { static_cast<blocking_call&>(self).run(); }),
        wakeable([](wakeable& self) noexcept {
          auto& call = static_cast<blocking_call&>(self);
          call.where_.execute_blocking(call);
        }),
        where_(where) {}

 protected:
  ~blocking_call() = default;
  virtual void run() noexcept = 0;
  /// Nobody waits any more who could be told.
  void report_lost(const std::exception_ptr& thrown) noexcept;

 private:
  runtime& where_;
};

template <class F>
class blocking_record final : public blocking_call, public outcome<std::invoke_result_t<F&>> {
  using value = std::invoke_result_t<F&>;
  using base = outcome<value>;

 public:
  template <class G>
  blocking_record(runtime& where, G&& fn)
      : blocking_call(where),
        base([](completion& self) noexcept { delete static_cast<blocking_record*>(&self); }),
        fn_(std::in_place, std::forward<G>(fn)) {}
  ~blocking_record() {
    if (base::exception() && !base::taken()) report_lost(base::exception());
  }

  /// With the guard held, when the wait begins.
  void submit_locked(wake_list& wakes) noexcept {
    if (std::exchange(submitted_, true)) return;
    wakes.push(*this);
  }

  /// The wait is over, whatever came of it.
  void leave() noexcept {
    bool submitted = false;
    {
      lock_guard guard{base::guard()};
      submitted = submitted_;
      left_ = true;
    }
    if (!submitted) base::drop();  // the call's ownership: it will never come
    base::drop();
  }

 private:
  void run() noexcept override {
    bool wanted = false;
    {
      lock_guard guard{base::guard()};
      wanted = !left_;
    }
    if (wanted) call();
    fn_.reset();  // captures may refer to what the waiter is about to destroy
    base::end();
  }

  void call() noexcept {
    WEIR_ASSERT(fn_.has_value(), "a blocking call ran twice");
    try {
      if constexpr (std::is_void_v<value>) {
        (*fn_)();
        base::set_value();
      } else {
        base::set_value((*fn_)());
      }
    } catch (...) {
      base::set_exception(std::current_exception());
    }
  }

  std::optional<F> fn_;
  bool submitted_ = false;  // both guarded by the completion's lock
  bool left_ = false;
};

/// g++ 12 destroys a temporary closure with owning captures twice inside a `co_await` operand.
#if defined(__GNUC__) && !defined(__clang__)
template <class F>
concept awaitable_callable =
    std::is_lvalue_reference_v<F> || std::is_trivially_destructible_v<std::remove_cvref_t<F>>;
#else
template <class F>
concept awaitable_callable = true;
#endif

}  // namespace core

/// Waits for a call that runs on a blocking thread. See run_blocking.
template <class F>
class [[nodiscard]] blocking_operation : public core::wait_node {
  using returned = std::invoke_result_t<F&>;

 public:
  using value_type = typename core::joined<returned>::value_type;

  template <class G>
  blocking_operation(runtime& where, core::context_state* bound, G&& fn)
      : bound_(bound), call_(new core::blocking_record<F>{where, std::forward<G>(fn)}) {}
  ~blocking_operation() { call_->leave(); }
  blocking_operation(const blocking_operation&) = delete;
  blocking_operation& operator=(const blocking_operation&) = delete;

  core::context_state* bound() noexcept { return bound_; }
  core::mutex& guard() noexcept { return call_->guard(); }
  bool try_locked(core::wake_list&) noexcept WEIR_REQUIRES(call_->guard()) {
    return call_->done_locked();
  }
  void enqueue(core::waiter& who, std::uint32_t index, core::wake_list& wakes) noexcept
      WEIR_REQUIRES(call_->guard()) {
    set(who, index);
    call_->set_joiner(this);
    call_->submit_locked(wakes);
  }
  void withdraw(core::wake_list&) noexcept WEIR_REQUIRES(call_->guard()) {
    call_->set_joiner(nullptr);
  }
  result<value_type> take() {
    if constexpr (std::is_void_v<returned>) {
      call_->take();
      return {};
    } else {
      return call_->take();
    }
  }

 private:
  core::context_state* bound_;
  core::blocking_record<F>* call_;
};

/// Problem: a call that blocks (a file, DNS, a C library) must not hold up a worker.
///
/// Runs `fn()` on one of the runtime's blocking threads and gives what it returned; what it threw
/// is rethrown. If `fn` returns `result<T>`, that is the result. `fn` may use `wait()`.
///
/// Requires: what `fn` refers to outlives `fn`, not only the wait: the wait may end first. On g++
/// 12 a lambda with owning captures needs a name (a compile error says so). Cancellation: ends the
/// wait, not the call. A call that has begun runs to its end and its value is dropped (what it
/// throws then goes to the log); one that has not begun when the operation is destroyed never does.
/// Blocks: no. Waits in: coroutines, threads, select. Starts when it is waited for.
/// Cost: one allocation and two thread switches, some 10 µs.
///
///     auto read = [path] { return read_file(path); };
///     auto text = co_await weir::run_blocking(rt, ctx, read);
template <class F>
  requires std::invocable<std::decay_t<F>&>
blocking_operation<std::decay_t<F>> run_blocking(runtime& rt, const context& ctx, F&& fn) {
  static_assert(core::awaitable_callable<F>,
                "g++ 12 destroys a temporary lambda with owning captures twice in a co_await: name "
                "the lambda first, and pass the name");
  return {rt, ctx.state(), std::forward<F>(fn)};
}

/// As above, for a call that is waited for to its end.
template <class F>
  requires std::invocable<std::decay_t<F>&>
blocking_operation<std::decay_t<F>> run_blocking(runtime& rt, F&& fn) {
  static_assert(core::awaitable_callable<F>,
                "g++ 12 destroys a temporary lambda with owning captures twice in a co_await: name "
                "the lambda first, and pass the name");
  return {rt, nullptr, std::forward<F>(fn)};
}

}  // namespace weir
