#pragma once

#include <concepts>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <weir/context/span.hpp>
#include <weir/core/assert.hpp>
#include <weir/runtime/start.hpp>
#include <weir/stopper/gate.hpp>
#include <weir/stopper/quiesce_context.hpp>
#include <weir/sync/semaphore.hpp>

namespace weir::core {

/// What a callable makes of a context: a task<T> or, in spawn_blocking, any value.
template <class F>
concept context_callable = std::invocable<F&, context> || std::invocable<F&>;

template <class F>
using called = decltype(call_with_context(std::declval<F&>(), std::declval<const context&>()));

template <class R>
struct value_of_call {
  using type = R;
};
template <class T>
struct value_of_call<task<T>> {
  using type = T;
};

/// What joining a spawned F gives.
template <class F>
using spawned_value = typename value_of_call<called<F>>::type;

/// The span that a task will get, if there is a tracer.
struct span_plan {
  span_relation relation = span_relation::child;
  span_context related = {};  // of whoever spawns
};

/// What a spawned task brings besides its callable.
struct tracked_parts {
  context bound;  // empty: the stopper's own
  units quota;
  quiesce_context link;  // empty if `bound` descends from the stopper's own
  quiesce_action on_quiesce = quiesce_action::finish;
  span_plan span;
};

/// What all records of spawned tasks share.
class tracked_record : public task_record {
 public:
  /// True if it is counted from now on; false: refused, delete it. May throw std::bad_alloc, as a
  /// refusal.
  [[nodiscard]] bool enter() {
    thread_calls* const mine = gate_.calls_of_this_thread();
    if (mine == nullptr) [[unlikely]]
      return enter_listed();
    place_ = gate_.enter(*mine, {name, site, {}, &item(), early_});
    return place_ != nullptr;
  }

  /// After enter, before it is scheduled. Throws std::bad_alloc: it is not counted any more, delete
  /// it.
  void begin_span(const span_plan& plan);

  void set_note(const std::shared_ptr<const std::string>& text) override;

 protected:
  /// One with the stopper's own context and nothing besides.
  tracked_record(stopper_gate& gate, core::executor& where, const char* called_,
                 std::source_location made, quiesce_action on_quiesce) noexcept
      : task_record(where), gate_(gate), early_(on_quiesce == quiesce_action::cancel) {
    name = called_;
    site = made;
    borrow_context((early_ ? gate.leaving() : gate.finishing()).state());
  }
  tracked_record(stopper_gate& gate, core::executor& where, const char* called_,
                 std::source_location made, tracked_parts&& parts);
  ~tracked_record() {
    if (borrows_) return_context();
    if (keeps_gate_) gate_.release();
  }

  /// After frame and callable are gone: the span, the context, the link and the quota, in this
  /// order.
  void let_go(span_status status) noexcept {
    if (gate_.trace() != nullptr) [[unlikely]]
      end_span(status);
    let_go_of_context();
  }

  /// The stopper may be gone when this returns.
  void leave() noexcept {
    if (place_ != nullptr) [[likely]] {
      gate_.leave(*place_);
    } else {
      leave_listed();
    }
  }

  void unhandled(const std::exception_ptr& thrown) noexcept { gate_.unhandled(name, site, thrown); }
  /// For an exception that may have to be handed over after leave().
  void keep_gate() noexcept {
    gate_.retain();
    keeps_gate_ = true;
  }

 private:
  /// What few tasks have.
  struct rare {
    units quota;
    quiesce_context link;
    std::unique_ptr<live_task> listed;  // if its thread had no room for it
  };

  void let_go_of_context() noexcept {
    forget_context();
    if (borrows_) [[likely]] {
      return_context();
      borrows_ = false;
    } else {
      ctx = context{};
    }
    if (rare_ != nullptr) [[unlikely]]
      let_go_rare();
  }

  [[nodiscard]] bool enter_listed();
  void leave_listed() noexcept;
  void end_span(span_status status) noexcept;
  void let_go_rare() noexcept;

  stopper_gate& gate_;
  task_place* place_ = nullptr;
  std::unique_ptr<rare> rare_;
  const bool early_;     // its context is cancelled when the stop begins
  bool borrows_ = true;  // the stopper's own context, which outlives what is counted
  bool keeps_gate_ = false;
};

/// The record of one spawned task: the callable, the coroutine it makes (none for spawn_blocking),
/// its outcome, its place in the stopper's list.
///
///   made ──enter()──► listed ──last coroutine returned──► frame and callable destroyed
///     │ (refused)                                              │ quota home, off the list
///     ▼                                                        ▼
///   deleted                                     done (joiner woken) ──handle dropped──► deleted
///
/// The exception of a task goes to whoever joins, or to the stopper's policy as soon as it is known
/// that nobody will; that may be after the stopper is gone, so such a record keeps the gate.
template <class F>
class tracked_task final : public tracked_record, public outcome<spawned_value<F>> {
  using value = spawned_value<F>;
  using base = outcome<value>;
  static constexpr bool is_coroutine = is_task<called<F>>;
  struct no_body {};
  using body = std::conditional_t<is_coroutine, called<F>, no_body>;

 public:
  /// `parts`: tracked_parts, or a quiesce_action alone.
  template <class Parts, class G>
  tracked_task(stopper_gate& gate, core::executor& where, const char* called_,
               std::source_location made, Parts parts, G&& fn)
      : tracked_record(gate, where, called_, made, std::move(parts)),
        base([](completion& self) noexcept { delete static_cast<tracked_task*>(&self); }),
        fn_(std::in_place, std::forward<G>(fn)) {}

  ~tracked_task() {
    if (base::exception() && !base::taken() && !told_) unhandled(base::exception());
  }

  static void* operator new(std::size_t size) { return allocate_frame(size); }
  static void operator delete(void* record, std::size_t size) noexcept { free_frame(record, size); }

 private:
  std::coroutine_handle<> begin() noexcept override {
    WEIR_ASSERT(fn_, "a task was begun twice");
    try {
      if constexpr (is_coroutine) {
        body_.emplace(call_with_context(*fn_, ctx));
        auto frame = body_->frame();
        frame.promise().join_flow(*this, nullptr);
        return frame;
      } else {
        keep([this]() -> decltype(auto) { return call_with_context(*fn_, ctx); });
      }
    } catch (...) {
      base::set_exception(std::current_exception());
    }
    return nullptr;
  }

  void finished() noexcept override {
    if constexpr (is_coroutine) {
      try {
        if (body_) keep([this]() -> decltype(auto) { return body_->frame().promise().take(); });
      } catch (...) {
        base::set_exception(std::current_exception());
      }
      body_.reset();  // parameters and captures may refer to what a joiner is about to destroy
    }
    fn_.reset();
    if (base::exception()) settle_exception();
    let_go(base::exception() ? span_status::failed : span_status::ok);
    leave();
    base::end();
  }

  template <class Make>
  void keep(Make make) {
    if constexpr (std::is_void_v<value>) {
      make();
      base::set_value();
    } else {
      base::set_value(make());
    }
  }

  void settle_exception() noexcept {
    told_ = base::detached();
    if (told_) {
      unhandled(base::exception());
    } else {
      keep_gate();
    }
  }

  std::optional<F> fn_;
  std::optional<body> body_;
  bool told_ = false;
};

}  // namespace weir::core
