#pragma once

#include <weir/core/clock.hpp>
#include <weir/core/timer.hpp>

namespace weir::core {

/// A unit of execution, embedded in whoever wants to run: scheduling allocates nothing.
class work {
 public:
  explicit constexpr work(void (*run)(work&) noexcept) noexcept : run_(run) {}
  work(const work&) = delete;
  work& operator=(const work&) = delete;

  /// Runs it. The object may be gone when this returns.
  void run() noexcept { run_(*this); }

  /// Link for the executor's queue, which owns it from `execute` until `run`.
  work* next = nullptr;

 private:
  void (*run_)(work&) noexcept;
};

/// Where coroutines resume and tasks run. Everything above `runtime` needs only this.
///
/// An adaptor for another event loop implements four functions:
///   execute: run `item.run()` soon, once, on whatever thread is right; never fails, never throws.
///            Called without locks. May run it before returning only if that is documented.
///   timers:  the service on which the calling thread should arm timers. Stable for its lifetime.
///   time:    the clock that goes with those timers.
///   name:    for reports.
/// Thread safety: all members.
class executor {
 public:
  virtual void execute(work& item) noexcept = 0;
  virtual timer_service& timers() noexcept = 0;
  [[nodiscard]] virtual clock& time() noexcept = 0;
  [[nodiscard]] virtual const char* name() const noexcept = 0;

 protected:
  ~executor() = default;
};

}  // namespace weir::core
