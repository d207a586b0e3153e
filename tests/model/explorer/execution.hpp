#pragma once

#include <chrono>
#include <cstdint>
#include <source_location>
#include <string>

#include "explorer/chooser.hpp"
#include "explorer/fiber.hpp"
#include "explorer/instrument.hpp"

namespace weir::model {

inline constexpr unsigned max_threads = 8;

using time_point = std::chrono::steady_clock::time_point;
using duration = std::chrono::steady_clock::duration;

/// How far the exhaustive search goes, per execution.
struct limits {
  int bound = -1;           ///< preemptions; -1 takes what the command line says
  int timeouts = 2;         ///< timed waits that end although somebody else could run
  int weak_failures = 1;    ///< weak compare-and-swaps that fail for no reason
  int spurious = 1;         ///< futex waits that end for no reason
  unsigned stubborn = 8;    ///< rounds that a spinner may go on without giving way
  unsigned steps = 20'000;  ///< more than this is a livelock
  unsigned processors = 2;  ///< what available_processors() says
  unsigned pct = 2'000;     ///< PCT executions after the exhaustive ones
  bool may_leak = false;    ///< memory that is still allocated in the end is no failure
};

/// Why an execution failed.
struct verdict {
  bool failed = false;
  std::string sentence;
  const char* file = "";
  unsigned line = 0;
  int thread = -1;
};

/// One run of a model under one schedule, and the scheduler that makes it follow that schedule.
///
/// Every model thread is a fiber. At each scheduling point the running fiber asks the chooser who
/// goes on and switches there itself.
///
///            spawn          scheduled            blocks (lock, wait, join)
///   (none) ───────► ready ◄──────────► running ──────────► blocked
///                     ▲                   │ returns           │ unlock, wake, end of a thread,
///                     │                   ▼                   │ a deadline, a spurious wake-up
///                     │                 done                  │
///                     └───────────────────────────────────────┘
class execution {
 public:
  static execution current;

  using entry = void (*)(void*);

  /// Runs `body(argument)` as model thread 0 until it returns or something fails.
  const verdict& run(entry body, void* argument, const limits& within, chooser& by);

  [[nodiscard]] bool active() const noexcept { return active_; }
  [[nodiscard]] unsigned steps() const noexcept { return steps_; }
  [[nodiscard]] unsigned thread() const noexcept { return current_; }
  [[nodiscard]] std::uint64_t serial() const noexcept { return serial_; }
  [[nodiscard]] const limits& within() const noexcept { return limits_; }

  void step(op what, const void* object, std::source_location where) noexcept;

  /// The running thread waits for make_ready() or its deadline; `spuriously`: or for nothing.
  void block(op what, const void* object, time_point deadline, bool spuriously) noexcept;

  /// Threads of the set (bit i: thread i) may run again.
  void make_ready(unsigned set) noexcept;

  /// A new thread, or -1 when there are too many.
  int spawn(entry body, void* argument) noexcept;

  /// The running thread waits until every thread of the set has ended.
  void join(unsigned set, std::source_location where) noexcept;

  /// The running thread spins: it goes on when every other ready thread has made a step.
  void relax() noexcept;

  [[nodiscard]] bool weak_failure() noexcept;

  /// One of `count` alternatives, all of them explored.
  unsigned pick(unsigned count) noexcept;

  /// While the sum of all `by` is not zero, the exhaustive search switches only where it must.
  void calm(int by) noexcept { calm_ += by; }

  [[nodiscard]] time_point now() const noexcept { return now_; }
  void advance(duration by) noexcept;

  [[noreturn]] void fail(const char* sentence,
                         std::source_location where = std::source_location::current()) noexcept;

  /// A crash in model code, from its signal handler.
  [[noreturn]] void crashed(const char* sentence) noexcept;

 private:
  enum class turn : std::uint8_t { step, relax, blocked };

  struct model_thread {
    fiber self;
    entry body = nullptr;
    void* argument = nullptr;
    time_point deadline{};
    unsigned joins = 0;       // threads it waits for
    unsigned goes_after = 0;  // threads that must make a step before this spinner
    unsigned stubborn = 0;    // spins it may still make without giving way
    op doing = op::run;
    bool started = false;
    bool done = false;
    bool fresh = true;  // has done nothing yet
    const void* object = nullptr;
    std::source_location where;
    std::uint64_t exceptions[2] = {};  // the C++ runtime's per-thread exception state
  };

  static void fiber_main();
  static constexpr unsigned bit(unsigned thread) noexcept { return 1U << thread; }

  void reschedule(turn why) noexcept;
  void take(const candidate& next, bool costs) noexcept;
  void switch_to(unsigned thread) noexcept;
  void expire() noexcept;
  [[nodiscard]] unsigned held_back() noexcept;
  [[nodiscard]] std::uint32_t signature() const noexcept;
  void end_of_thread() noexcept;
  void look_at_what_is_left() noexcept;
  [[noreturn]] void deadlock() noexcept;
  [[noreturn]] void leave() noexcept;

  model_thread threads_[max_threads];
  fiber controller_;
  chooser* chooser_ = nullptr;
  limits limits_;
  verdict verdict_;
  time_point now_{};
  std::uint64_t serial_ = 0;
  unsigned count_ = 0;
  unsigned current_ = 0;
  unsigned ready_ = 0;     // bit i: thread i can run
  unsigned timed_ = 0;     // blocked with a deadline
  unsigned spurious_ = 0;  // blocked where a wake-up may come for no reason
  unsigned spinners_ = 0;  // goes_after is not empty
  unsigned steps_ = 0;
  int calm_ = 0;
  int preemptions_left_ = 0;
  int timeouts_left_ = 0;
  int weak_left_ = 0;
  int spurious_left_ = 0;
  bool exhaustive_ = false;
  bool active_ = false;
};

/// "lock", "compare_exchange", …
const char* name_of(op what) noexcept;

/// "mutex#2": objects are numbered in the order in which an execution touches them.
const char* name_of(op what, const void* object) noexcept;

/// Starts a new numbering.
void forget_names() noexcept;

/// The last part of a path.
const char* file_name(const char* path) noexcept;

}  // namespace weir::model
