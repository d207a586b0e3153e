#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <type_traits>

#include <weir/core/clock.hpp>
#include <weir/core/executor.hpp>
#include <weir/core/log.hpp>
#include <weir/core/trace.hpp>

namespace weir {

class semaphore;
class stopper;

/// What happens to an exception that leaves a task and that nobody joins for.
class exception_policy {
 public:
  /// Gets the exception itself. On the thread where the task ended, or where its handle was
  /// dropped later; `argument` outlives the tasks.
  using handler = void (*)(void* argument, const char* task, std::exception_ptr thrown) noexcept;

  /// Says which task threw what on stderr, and terminates. The default.
  static constexpr exception_policy terminate() noexcept {
    return exception_policy{kind::terminate};
  }
  /// The first one stops the stopper and is kept in its report; later ones go to the log.
  static constexpr exception_policy stop() noexcept { return exception_policy{kind::stop}; }
  static constexpr exception_policy hand_to(handler fn, void* argument) noexcept {
    exception_policy made{kind::handler};
    made.handler_ = fn;
    made.argument_ = argument;
    return made;
  }

  constexpr exception_policy() noexcept = default;

  [[nodiscard]] constexpr bool stops() const noexcept { return kind_ == kind::stop; }
  [[nodiscard]] constexpr bool terminates() const noexcept { return kind_ == kind::terminate; }
  void call(const char* task, std::exception_ptr thrown) const noexcept {
    handler_(argument_, task, std::move(thrown));
  }

 private:
  enum class kind : std::uint8_t { terminate, stop, handler };
  constexpr explicit exception_policy(kind k) noexcept : kind_(k) {}

  kind kind_ = kind::terminate;
  handler handler_ = nullptr;
  void* argument_ = nullptr;
};

struct stopper_options {
  /// For reports. Not copied: a literal, or a string that outlives the stopper.
  const char* name = "stopper";

  exception_policy on_exception = exception_policy::terminate();

  /// Of which this is a part: it stops with its parent, before the parent's closers run, and is in
  /// the parent's report; its own stop is its own. Its name is "parent.name". Null: nobody's.
  stopper* parent = nullptr;

  /// Gets a span for each task. Null: no traces.
  tracer* trace = nullptr;

  /// While it stops, a line this often: the phase, how many are left, the oldest, budget left.
  /// Zero: none.
  duration heartbeat = std::chrono::seconds{1};
  /// Where that line goes. Null: standard error.
  log_sink* heartbeat_sink = nullptr;

  /// Where tasks run, and whose clock counts. Null: the parent's, or the runtime.
  core::executor* executor = nullptr;
  /// Where closers and spawn_blocking run: its threads may block. Null: the parent's, or
  /// the runtime's.
  core::executor* blocking = nullptr;
};
static_assert(std::is_trivially_destructible_v<stopper_options>);

/// What the beginning of a stop means for a task.
enum class quiesce_action : std::uint8_t {
  finish,  ///< its context begins to drain; cancelled when the drain budget ends
  cancel,  ///< its context is cancelled at once: accept loops, tickers
};

struct spawn_options {
  /// For reports. Not copied.
  const char* name = "task";

  /// Taken before the task starts, home before it counts as ended. Outlives the task.
  semaphore* quota = nullptr;
  /// How many units of it.
  std::int64_t units = 1;

  quiesce_action on_quiesce = quiesce_action::finish;

  /// How the task's span stands to that of the context it was given, or of the task that spawns it.
  span_relation span = span_relation::child;
};
static_assert(std::is_trivially_destructible_v<spawn_options>);

/// How long a stop may take. The three share one deadline: what one phase leaves, the next may use;
/// after drain + cancel + close whatever still runs is abandoned.
struct stop_options {
  /// For tasks to end by themselves. Zero: they are cancelled at once.
  duration drain = std::chrono::seconds{10};
  /// For tasks to end after that, cancelled.
  duration cancel = std::chrono::seconds{5};
  /// For closers, and for what the closers make end.
  duration close = std::chrono::seconds{5};
  /// For the report. Not copied.
  const char* reason = "stop() was called";
};
static_assert(std::is_trivially_destructible_v<stop_options>);

}  // namespace weir
