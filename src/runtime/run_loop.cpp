#include <utility>

#include <weir/core/assert.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/runtime/run_loop.hpp>

namespace weir {

run_loop::run_loop(clock& time, const char* name) noexcept : time_(time), name_(name) {}

run_loop::~run_loop() {
  // Whoever scheduled the last item may still be inside park::wake.
  for (int round = 0; wakers_.load() != 0; ++round) core::wait_a_little(round);
  core::wake_list wakes;
  core::lock_guard guard{timer_mutex_};
  // Deadlines of contexts that outlive the loop: they see that it is early, and arm elsewhere.
  timer_heap_.expire(time_point::max(), wakes);
}

void run_loop::execute(core::work& item) noexcept {
  item.next = nullptr;
  {
    core::lock_guard guard{mutex_};
    if (tail_ != nullptr) {
      tail_->next = &item;
    } else {
      head_ = &item;
    }
    tail_ = &item;
    wakers_.fetch_add(1);
  }
  park_.wake();
  wakers_.fetch_sub(1);
}

void run_loop::wake() noexcept {
  wakers_.fetch_add(1);
  park_.wake();
  wakers_.fetch_sub(1);
}

core::timer_service& run_loop::timers() noexcept {
  core::timer_service* of_clock = time_.timers();
  return of_clock != nullptr ? *of_clock : own_timers_;
}

void run_loop::own_timers::arm(core::timer_node& node, time_point when,
                               core::wake_list& wakes) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  if (!loop.timer_heap_.arm(node, when)) return;
  // The first to be due now: the loop, if it sleeps, sleeps too long.
  if (loop.kick_.pending) return;
  loop.kick_.pending = true;
  // Counted from here: a deadline that moves over from another loop is armed by that loop's thread.
  loop.wakers_.fetch_add(1);
  wakes.push(loop.kick_);
}

bool run_loop::own_timers::disarm(core::timer_node& node) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  return loop.timer_heap_.disarm(node);
}

run_loop::timer_kick::timer_kick(run_loop& owner) noexcept
    : core::wakeable([](core::wakeable& self) noexcept {
        run_loop& loop = static_cast<timer_kick&>(self).loop;
        {
          core::lock_guard guard{loop.timer_mutex_};
          loop.kick_.pending = false;
        }
        loop.park_.wake();
        loop.wakers_.fetch_sub(1);
      }),
      loop(owner) {}

void run_loop::expire_timers() noexcept {
  core::wake_list wakes;
  core::lock_guard guard{timer_mutex_};
  if (!timer_heap_.empty()) timer_heap_.expire(time_.now(), wakes);
}

bool run_loop::run_some() noexcept {
  expire_timers();
  core::work* items = nullptr;
  {
    core::lock_guard guard{mutex_};
    items = std::exchange(head_, nullptr);
    tail_ = nullptr;
  }
  if (items == nullptr) return false;
  const core::no_blocking_scope no_blocking{may_block_ ? nullptr : name_};
  while (items != nullptr) {
    core::work* next = items->next;
    items->run();
    items = next;
  }
  return true;
}

void run_loop::park_until_work() noexcept {
  time_point next;
  {
    core::lock_guard guard{timer_mutex_};
    next = timer_heap_.next();
  }
  if (linger_.look([this] { return park_.try_wait(); }, next)) return;
  if (next == time_point::max()) {
    park_.wait();
  } else {
    park_.wait_until(next);
  }
  linger_.slept();
}

std::size_t run_loop::run_until_idle() noexcept {
  std::size_t rounds = 0;
  while (run_some()) ++rounds;
  return rounds;
}

void run_loop::run_until(bool (*stop)(void*) noexcept, void* argument) noexcept {
  const core::frame_cache_scope cache;
  while (!stop(argument)) {
    if (!run_some()) park_until_work();
  }
}

void run_loop::run_root(root_record& root, manual_clock* time) noexcept {
  const core::frame_cache_scope cache;
  root.schedule();
  while (!root.done()) {
    if (run_some()) continue;
    if (root.done()) break;
    if (time == nullptr) {
      park_until_work();
    } else if (!time->advance_to_next()) {
      core::misuse("a simulated task waits for something that no timer and no other task brings");
    }
  }
}

run_loop::root_record::root_record(run_loop& loop, core::task_promise_base& promise,
                                   std::coroutine_handle<> frame, const context& bound) noexcept
    : task_record(loop), loop_(loop) {
  name = "wait(task)";
  ctx = bound;
  promise.join_flow(*this, nullptr);
  suspend_at(frame);
}

void run_loop::root_record::finished() noexcept {
  forget_context();
  // Once `done` is visible, the owner may destroy this record; and the loop, when no waker is left.
  run_loop& loop = loop_;
  loop.wakers_.fetch_add(1);
  done_.store(true);
  loop.park_.wake();
  loop.wakers_.fetch_sub(1);
}

}  // namespace weir
