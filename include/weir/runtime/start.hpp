#pragma once

#include <concepts>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <weir/runtime/task.hpp>
#include <weir/runtime/task_handle.hpp>

namespace weir {

/// What reports say of a task. Names are not copied, and whoever looks may read one after the task
/// has ended: pass literals, or strings that outlive the runtime or stopper (see stopper::intern).
struct task_info {
  const char* name = "task";
  std::source_location site = std::source_location::current();
};

/// A callable that makes a task, with or without the task's context.
template <class F>
concept task_source = (std::invocable<F&, context> && is_task<std::invoke_result_t<F&, context>>) ||
                      (std::invocable<F&> && is_task<std::invoke_result_t<F&>>);

namespace core {

template <class F>
auto call_with_context(F& fn, const context& ctx) {
  if constexpr (std::invocable<F&, context>) {
    return fn(ctx);
  } else {
    return fn();
  }
}

template <class F>
using task_of = decltype(call_with_context(std::declval<F&>(), std::declval<const context&>()));

/// What happens at the end of a task besides its outcome: quota and counts come home. `ended` runs
/// after the frame and the callable are destroyed, and before anybody learns that the task is done.
/// `unhandled` gets what the task threw if nobody can ask for it.
template <class T>
concept task_tail = std::is_nothrow_move_constructible_v<T> &&
                    requires(T& tail, task_record& record, std::exception_ptr thrown) {
                      { tail.ended(record) } noexcept;
                      { tail.unhandled(record, thrown) } noexcept;
                    };

/// The record of a root task: the callable, the coroutine it makes, and its outcome.
template <class F, class Tail>
class started_task final : public task_record, public outcome<typename task_of<F>::value_type> {
  using value = typename task_of<F>::value_type;
  using base = outcome<value>;

 public:
  template <class G>
  started_task(core::executor& where, task_info info, context bound, G&& fn, Tail tail)
      : task_record(where),
        base([](completion& self) noexcept { delete static_cast<started_task*>(&self); }),
        fn_(std::in_place, std::forward<G>(fn)),
        tail_(std::move(tail)) {
    name = info.name;
    site = info.site;
    ctx = std::move(bound);
  }
  ~started_task() {
    // Thrown, kept for a joiner, and never asked for.
    if (base::exception() && !base::taken() && !told_) tail_.unhandled(*this, base::exception());
  }

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* record, std::size_t size) noexcept { free_frame(record, size); }

 private:
  std::coroutine_handle<> begin() noexcept override {
    WEIR_ASSERT(fn_.has_value(), "a task was begun twice");
    try {
      auto frame = body_.emplace(call_with_context(*fn_, ctx)).frame();
      frame.promise().join_flow(*this, nullptr);
      return frame;
    } catch (...) {
      base::set_exception(std::current_exception());
      return nullptr;
    }
  }

  void finished() noexcept override {
    collect();
    // Parameters and captures may refer to what a joiner is about to destroy: they go first.
    body_.reset();
    fn_.reset();
    forget_context();
    ctx = context{};
    if (base::exception() && base::detached()) {
      told_ = true;
      tail_.unhandled(*this, base::exception());
    }
    tail_.ended(*this);
    base::end();
  }

  void collect() noexcept {
    if (!body_) return;
    try {
      if constexpr (std::is_void_v<value>) {
        body_->frame().promise().take();
        base::set_value();
      } else {
        base::set_value(body_->frame().promise().take());
      }
    } catch (...) {
      base::set_exception(std::current_exception());
    }
  }

  std::optional<F> fn_;
  std::optional<task_of<F>> body_;
  Tail tail_;
  bool told_ = false;
};

/// Starts `fn(ctx)` as a root task on `where`. The callable is stored in the task's record, so its
/// captures live as long as the task.
template <class F, task_tail Tail>
  requires task_source<std::decay_t<F>>
auto start(executor& where, task_info info, context ctx, F&& fn, Tail tail) {
  using record = started_task<std::decay_t<F>, Tail>;
  using value = typename task_of<std::decay_t<F>>::value_type;
  auto* made = new record{where, info, std::move(ctx), std::forward<F>(fn), std::move(tail)};
  task_handle<value> handle{*made};
  made->schedule();
  return handle;
}

}  // namespace core
}  // namespace weir
