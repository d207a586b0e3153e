#pragma once

#include <utility>

#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/task.hpp>

namespace weir_test {

/// A task beside others on one executor: started by hand, so that a test decides the order.
class flow final : public weir::task_record {
 public:
  flow(weir::core::executor& where, weir::task<void> root)
      : task_record(where), root_(std::move(root)) {
    root_.frame().promise().join_flow(*this, nullptr);
    suspend_at(root_.frame());
    schedule();
  }

  [[nodiscard]] bool done() const noexcept { return done_.load(); }

 private:
  std::coroutine_handle<> begin() noexcept override { return nullptr; }
  void finished() noexcept override {
    forget_context();
    root_.reset();
    done_.store(true);
  }

  weir::task<void> root_;
  weir::core::atomic<bool> done_{false};
};

/// A clock that moves when told and has no timers of its own: a loop's timers look at it.
class plain_clock final : public weir::clock {
 public:
  [[nodiscard]] weir::time_point now() const noexcept override {
    return weir::time_point{weir::duration{ticks_.load()}};
  }
  void advance(weir::duration by) noexcept { ticks_.fetch_add(by.count()); }

 private:
  weir::core::atomic<weir::duration::rep> ticks_{1'000'000'000};
};

}  // namespace weir_test
