#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <source_location>
#include <type_traits>
#include <utility>

#include <weir/context/state.hpp>
#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>

namespace weir {

/// Names a value that travels with contexts; the address of the key is its identity.
///
///     inline constexpr weir::context_key<std::string> request_id;
template <class T>
class context_key {
 public:
  constexpr context_key() noexcept = default;
  context_key(const context_key&) = delete;
  context_key& operator=(const context_key&) = delete;

 private:
  char identity_ = 0;  // an empty object might share its address
};

/// Problem: work that nobody waits for any more should end, wherever it is, and say why.
///
/// A handle on one node of a cancellation tree: whether to end, why, and until when. Pass it as the
/// first parameter; every wait takes one.
///
/// Two levels: *draining* asks to come to an end (no new work, finish what was begun), *cancelled*
/// ends every wait at once. A child inherits levels, cause, deadline (the minimum) and values.
///
/// Guarantees: levels only rise; the first cause of a level wins and is visible when the level is.
/// A default-constructed context never ends.
/// Thread safety: distinct handles may be used at once. Blocks: never.
/// Cost: copying is one atomic increment; asking for the level is one load.
/// Source: Go's context; the two levels are folly's and Kotlin's lesson that "stop" means two
/// things.
class context {
 public:
  context() noexcept = default;
  context(const context& other) noexcept : state_(other.state_) {
    if (state_ != nullptr) state_->retain();
  }
  context(context&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  context& operator=(context other) noexcept {
    std::swap(state_, other.state_);
    return *this;
  }
  ~context() {
    if (state_ != nullptr) state_->release();
  }

  [[nodiscard]] context_level level() const noexcept {
    return state_ != nullptr ? state_->level() : context_level::running;
  }
  [[nodiscard]] bool draining() const noexcept { return level() >= context_level::draining; }
  [[nodiscard]] bool cancelled() const noexcept { return level() == context_level::cancelled; }

  /// Nothing, or the error that a wait would end with now. Reads the clock if there is a deadline,
  /// for loops that compute and never wait.
  [[nodiscard]] result<void> check() const noexcept;

  /// Why it began to drain, or was cancelled. Nothing before that.
  [[nodiscard]] std::optional<context_cause> drain_cause() const noexcept;
  [[nodiscard]] std::optional<context_cause> cancel_cause() const noexcept;

  /// The earliest deadline of this context and its ancestors; nothing if there is none.
  [[nodiscard]] std::optional<time_point> deadline() const noexcept;

  /// Time left until the deadline: not below zero, duration::max() without one.
  [[nodiscard]] duration remaining() const noexcept;

  /// The clock that deadlines of this tree are measured with.
  [[nodiscard]] clock& time() const noexcept {
    return state_ != nullptr ? state_->time() : steady_clock();
  }

  /// The nearest value given for `key`, or null. Lives as long as this handle.
  template <class T>
  [[nodiscard]] const T* value(const context_key<T>& key) const noexcept {
    return state_ != nullptr ? static_cast<const T*>(state_->find(&key)) : nullptr;
  }

  /// A child that carries one more value. Allocates.
  template <class T>
  [[nodiscard]] context with_value(const context_key<T>& key, std::type_identity_t<T> value) const {
    return with_erased(&key, std::make_shared<const T>(std::move(value)));
  }

  /// The node, for operations: borrowed, null for a context that never ends.
  [[nodiscard]] core::context_state* state() const noexcept { return state_; }

  friend bool operator==(const context& a, const context& b) noexcept = default;

 private:
  friend class context_source;
  friend class context_scope;
  friend class task_record;

  explicit context(core::context_state* adopted) noexcept : state_(adopted) {}
  [[nodiscard]] context with_erased(const void* key, std::shared_ptr<const void> value) const;

  core::context_state* state_ = nullptr;
};

/// Both empty: the child has its parent's deadline. Both given: the earlier counts.
struct context_options {
  std::optional<duration> timeout = std::nullopt;     ///< from now
  std::optional<time_point> deadline = std::nullopt;  ///< on the parent's clock
};
static_assert(std::is_trivially_destructible_v<context_options>);

/// Who may end a context: owns a child of `parent`, and cancels it when destroyed.
///
/// Copies of `get()` may outlive the source; they are cancelled then. Allocates once (on the heap);
/// `context_scope` is the same without an allocation, for a context that ends with a block.
/// Thread safety: `drain` and `cancel` may be called from any thread, any number of times.
///
///     weir::context_source request{parent, {.timeout = 2s}};
///     serve(request.get());
class context_source {
 public:
  /// A child of `parent`; with a default parent, a root on the steady clock.
  explicit context_source(const context& parent = {}, context_options options = {});

  /// A root on `time`, for tests and for programs with their own clock.
  explicit context_source(clock& time, context_options options = {});

  context_source(context_source&& other) noexcept = default;
  context_source& operator=(context_source&& other) noexcept;
  ~context_source();

  [[nodiscard]] const context& get() const noexcept { return context_; }

  /// Raises the level. True for the call that did it, whose cause counts.
  bool drain(error why = error{errc::unavailable, "draining"},
             std::source_location where = std::source_location::current()) noexcept;
  bool cancel(error why = error{errc::cancelled, "cancelled"},
              std::source_location where = std::source_location::current()) noexcept;

 private:
  context context_;
};

/// A child context that lives in this block, without an allocation.
///
/// Requires: no copy of `get()` outlives it (asserted in every build). Neither copied nor moved.
/// Cancels at its end, so that whatever was started with it comes to an end too.
class context_scope {
 public:
  explicit context_scope(const context& parent, context_options options = {}) noexcept;
  context_scope(const context_scope&) = delete;
  context_scope& operator=(const context_scope&) = delete;
  ~context_scope();

  [[nodiscard]] const context& get() const noexcept { return handle_; }

  bool drain(error why = error{errc::unavailable, "draining"},
             std::source_location where = std::source_location::current()) noexcept;
  bool cancel(error why = error{errc::cancelled, "cancelled"},
              std::source_location where = std::source_location::current()) noexcept;

 private:
  core::context_state state_;
  context handle_;
};

}  // namespace weir
