#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>

#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>
#include <weir/core/list.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/timer.hpp>
#include <weir/core/waiter.hpp>
#include <weir/core/wake_list.hpp>

namespace weir {

/// How far the end of a context has come. Only ever rises.
///
///   running ──drain()──► draining ──cancel(), deadline──► cancelled
///      └────────────────cancel(), deadline─────────────────▲
enum class context_level : std::uint8_t { running, draining, cancelled };

/// Why a context began to drain or was cancelled. The first cause of each level wins.
struct context_cause {
  error what;
  std::source_location where;
};

namespace core {

class context_state;

/// The key of a root that a shield has made; its value is the context outside.
inline constexpr char shield_key = 0;

/// A callback that runs once when its context reaches a level. Linked into the context, guarded by
/// the context's lock. See weir/context/on_cancel.hpp for the form that people use.
class context_callback : public list_hook {
 public:
  context_callback(context_level level, void (*run)(context_callback&) noexcept) noexcept
      : level_(level), run_(run) {}

 private:
  friend class context_state;

  context_level level_;
  void (*run_)(context_callback&) noexcept;
};

/// Registers one waiter with one context, for all its waits under it: a wait pays for the link
/// once. Stays linked when it is claimed. Pins the context's memory while `state` is set.
///
/// `state` is set by the waiter's own flow of control, and cleared by it or by the end of a context
/// in a frame, which may come on another thread while the flow is busy elsewhere. Who clears it
/// drops the pin.
struct context_registration : wait_node {
  atomic<context_state*> state{nullptr};
};

/// One node of the cancellation tree. Users hold it through `context`, `context_source` and
/// `context_scope`.
///
/// Two counts, as in a weak pointer: *handles* (contexts, callbacks) say that somebody may still
/// ask or cancel; *pins* (handles and children together count one; a running cancellation, an armed
/// deadline and a registered waiter count one each) say that somebody may still touch the memory.
/// When the last handle and the last child are gone, the node is unlinked from its parent; the last
/// pin frees. Children are not counted but listed, under the lock that they are linked with anyway:
/// a child pays for its parent one locked instruction less to begin and one to end.
///
///   held ──last handle, no child──────────────────────────► ended: unlinked, freed by the last pin
///     └────last handle, with children──► abandoned ──last child────────▲
///
/// Locks are taken from parent to child, and a timer service's guard innermost. Nothing is woken
/// and no callback runs while one is held.
class context_state : public list_hook {
 public:
  enum class storage : std::uint8_t { heap, frame };

  context_state(context_state* parent, clock& time, std::optional<time_point> own_deadline,
                storage where) noexcept;
  ~context_state();

  [[nodiscard]] context_level level() const noexcept { return level_.load(); }
  [[nodiscard]] bool cancelled() const noexcept { return level() == context_level::cancelled; }
  [[nodiscard]] clock& time() const noexcept { return *clock_; }

  /// How far below its root, from 1: parents are locked before their children.
  [[nodiscard]] std::uint32_t depth() const noexcept { return depth_; }

  /// The earliest deadline of this node and all above it; max() if there is none.
  [[nodiscard]] time_point deadline() const noexcept { return deadline_; }

  /// Raises the level of the whole subtree. False if it was there already. Either way the whole of
  /// it is there on return.
  bool raise(context_level level, error why, std::source_location where) noexcept;

  /// Cancels the owner of the deadline, which has passed.
  void expire() noexcept;

  /// Makes the deadline expire on `timers`, once for all who wait below. Does nothing if it is
  /// armed.
  void arm_deadline(timer_service& timers) noexcept;

  /// Why the level was reached; nothing if it was not.
  [[nodiscard]] std::optional<context_cause> cause(context_level level) const noexcept;

  /// The error of a wait that this context ended.
  [[nodiscard]] error failure() const noexcept;

  /// Links an operation that waits for `level` itself; it is unlinked when claimed.
  void add_waiter(wait_node& node, context_level level) noexcept WEIR_REQUIRES(mutex_);
  [[nodiscard]] mutex& guard() noexcept WEIR_RETURN_CAPABILITY(mutex_) { return mutex_; }

  /// Links a waiter that cancellation claims, as case `index`. The caller looks at the level after
  /// arming the waiter.
  void observe(context_registration& registration, waiter& who, std::uint32_t index) noexcept;
  static void unobserve(context_registration& registration) noexcept;

  /// Links a callback. False, and it will never run from here, if its level is reached already.
  bool add_callback(context_callback& callback) noexcept;
  /// Afterwards the callback does not run and is not running, unless the caller is inside it.
  void remove_callback(context_callback& callback) noexcept;

  void retain() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept;
  void pin() noexcept { pins_.fetch_add(1, std::memory_order_relaxed); }
  void unpin() noexcept;

  /// Ends a node that lives in a frame, after `raise(cancelled)`: unlinks it, waits for pins in
  /// flight, and asserts that no handle is left but the owner's.
  void end_in_frame() noexcept;

  // Values: one per node, found by the address of their key.
  const void* key = nullptr;
  std::shared_ptr<const void> value;
  enum class shields : std::uint8_t { look_through, stop_at };
  [[nodiscard]] const void* find(const void* wanted,
                                 shields how = shields::look_through) const noexcept;

 private:
  friend struct raise_pass;

  void raise_locked(context_level level, const context_state& cause_owner,
                    struct raise_pass& pass) noexcept;
  void run_callbacks() noexcept;
  void arm_locked(timer_service& timers, wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  bool disarm_locked() noexcept WEIR_REQUIRES(mutex_);
  bool hand_over_deadline(context_state& owner, const timer_service& gone,
                          wake_list& wakes) noexcept WEIR_REQUIRES(mutex_);
  /// Null, or the parent, if this was the last that it was there for: then it is to be ended.
  [[nodiscard]] context_state* detach_from_parent() noexcept;
  static void end(context_state* state) noexcept;

  struct deadline_timer : timer_node, wakeable {
    explicit deadline_timer(context_state& owner) noexcept;
    context_state& state;
  };

  // relaxed increments: whoever adds one holds one already; the decrements are seq_cst.
  atomic<std::uint32_t> handles_{1};
  atomic<std::uint32_t> pins_{1};
  atomic<context_level> level_{context_level::running};
  const storage where_;
  const std::uint32_t depth_;
  mutable mutex mutex_;
  bool running_callbacks_ WEIR_GUARDED_BY(mutex_) = false;
  bool abandoned_ WEIR_GUARDED_BY(mutex_) = false;  // without a handle, and never to get one again
  atomic<bool> had_children_{false};  // relaxed: whoever made them is known to be past it

  context_state* const parent_;  // there as long as this is among its children
  clock* const clock_;
  time_point deadline_;
  context_state* deadline_owner_;  // this or an ancestor; null without a deadline

  intrusive_list<context_state> children_ WEIR_GUARDED_BY(mutex_);
  intrusive_list<wait_node> drain_waiters_ WEIR_GUARDED_BY(mutex_);
  intrusive_list<wait_node> cancel_waiters_ WEIR_GUARDED_BY(mutex_);
  intrusive_list<context_registration> registrations_ WEIR_GUARDED_BY(mutex_);
  intrusive_list<context_callback> callbacks_ WEIR_GUARDED_BY(mutex_);
  context_callback* running_ WEIR_GUARDED_BY(mutex_) = nullptr;
  std::uintptr_t running_thread_ WEIR_GUARDED_BY(mutex_) = 0;
  context_state* next_to_run_ = nullptr;  // owned by the pass that set running_callbacks_

  timer_service* timers_ WEIR_GUARDED_BY(mutex_) = nullptr;  // where the deadline is armed
  deadline_timer timer_{*this};

  // The node that holds the cause: this one, or the ancestor that was cancelled (kept alive by
  // parent_). Written before the level.
  const context_state* drain_owner_ WEIR_GUARDED_BY(mutex_) = nullptr;
  const context_state* cancel_owner_ WEIR_GUARDED_BY(mutex_) = nullptr;
  std::optional<context_cause> drain_cause_;
  std::optional<context_cause> cancel_cause_;
};

}  // namespace core
}  // namespace weir
