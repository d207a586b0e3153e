#pragma once

#include <cstdint>
#include <exception>
#include <utility>

#include <weir/context/context.hpp>
#include <weir/core/executor.hpp>
#include <weir/core/sync/thread_local.hpp>
#include <weir/core/trace.hpp>
#include <weir/stopper/call_clock.hpp>
#include <weir/stopper/live_tasks.hpp>

namespace weir::core {

/// The part of a stopper that its tasks touch. Counted: the stopper object, waits for it and
/// registrations hold a reference; what is live holds it by being counted as live.
class stopper_gate {
 public:
  stopper_gate(const stopper_gate&) = delete;
  stopper_gate& operator=(const stopper_gate&) = delete;

  [[nodiscard]] executor& where() const noexcept { return where_; }
  [[nodiscard]] executor& blocking() const noexcept { return blocking_; }
  [[nodiscard]] clock& time() const noexcept { return time_; }
  /// Null: nobody traces.
  [[nodiscard]] tracer* trace() const noexcept { return trace_; }

  /// What its tasks' contexts descend from: `finishing` drains when a stop begins, `leaving` is a
  /// child of it that is cancelled then.
  [[nodiscard]] const context& finishing() const noexcept { return finishing_.get(); }
  [[nodiscard]] const context& leaving() const noexcept { return leaving_.get(); }

  /// True if `ctx` descends from `finishing` already.
  [[nodiscard]] bool covers(const context& ctx) const noexcept;

  /// False: refused, for a stop has begun.
  [[nodiscard]] bool enter(live_task& task) noexcept {
    task.since = time_.coarse_now();
    return live_.enter(task, this_thread_shard());
  }

  /// The task's last touch of the stopper.
  void leave(live_task& task) noexcept {
    if (live_.closed()) leaves_late(task.cancelled_early);
    if (live_.leave(task)) last_has_left();
  }

  /// For calls and tasks: see thread_calls and thread_tasks.
  [[nodiscard]] thread_calls* calls_of_this_thread() noexcept {
    return live_.calls_of_this_thread();
  }
  [[nodiscard]] time_point now_for(thread_calls& mine) noexcept { return call_clock_.now(mine); }
  void refused(thread_calls& mine) noexcept {
    if (live_.refused(mine)) last_has_left();
  }
  void leave_late(thread_calls& mine) noexcept {
    leaves_late(false);
    if (live_.leave_late(mine)) last_has_left();
  }

  /// Where the task stands from now on; null: refused. `since` is filled in. `mine` belongs to the
  /// calling thread. May throw std::bad_alloc.
  [[nodiscard]] task_place* enter(thread_calls& mine, task_label task) {
    task.since = now_for(mine);
    task_place* const place = mine.tasks().enter(task);
    if (place == nullptr) [[unlikely]]
      live_.wait_until_closed();
    return place;
  }
  void leave(task_place& place) noexcept {
    if (live_.closed()) [[unlikely]]
      leaves_late(place.cancelled_early());
    thread_calls* const mine = calls_of_this_thread();
    if (mine != nullptr && mine->tasks().leave(place)) [[likely]]
      return;
    leave_slowly(place, mine);
  }

  void note(live_task& task, std::shared_ptr<const std::string> text) noexcept {
    live_.note(task, std::move(text));
  }

  [[nodiscard]] const live_tasks& live() const noexcept { return live_; }

  /// relaxed: a figure for people.
  void count_throttled() noexcept { throttled_.fetch_add(1, std::memory_order_relaxed); }
  [[nodiscard]] std::uint64_t throttled() const noexcept {
    return throttled_.load(std::memory_order_relaxed);
  }

  /// Why `enter` said no.
  [[nodiscard]] error refusal(const char* task) const;

  /// Gives what a task threw, and nobody will ask for, to the policy.
  void unhandled(const char* task, std::source_location site, std::exception_ptr thrown) noexcept;

  void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() noexcept {
    if (references_.fetch_sub(1) == 1) free_(*this);
  }

 protected:
  /// `parent` may be null; its contexts are above this one's.
  stopper_gate(const stopper_gate* parent, executor& where, executor& blocking, tracer* trace,
               void (*free)(stopper_gate&) noexcept);
  ~stopper_gate() = default;

  live_tasks live_;
  call_clock call_clock_;
  context_source finishing_;
  context_source leaving_;

 private:
  static std::uint32_t this_thread_shard() noexcept {
    auto& shard = thread_slot<std::uint32_t, stopper_gate>::get();
    if (shard == 0) shard = next_shard();
    return shard;
  }
  static std::uint32_t next_shard() noexcept;

  void leave_slowly(task_place& place, thread_calls* mine) noexcept;
  void leaves_late(bool cancelled_early) noexcept;
  void last_has_left() noexcept;

  executor& where_;
  clock& time_;
  executor& blocking_;
  tracer* const trace_;
  void (*free_)(stopper_gate&) noexcept;
  // relaxed increments: whoever adds one holds one already; the decrements are seq_cst.
  atomic<std::uint32_t> references_{1};
  atomic<std::uint64_t> throttled_{0};
};

/// Holds a gate's memory, not its tasks.
class gate_reference {
 public:
  gate_reference() noexcept = default;
  explicit gate_reference(stopper_gate& gate) noexcept : gate_(&gate) { gate_->retain(); }
  gate_reference(const gate_reference& other) noexcept : gate_(other.gate_) {
    if (gate_ != nullptr) gate_->retain();
  }
  gate_reference(gate_reference&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
  gate_reference& operator=(gate_reference other) noexcept {
    std::swap(gate_, other.gate_);
    return *this;
  }
  ~gate_reference() {
    if (gate_ != nullptr) gate_->release();
  }

  [[nodiscard]] stopper_gate* get() const noexcept { return gate_; }

 private:
  stopper_gate* gate_ = nullptr;
};

}  // namespace weir::core
