#include "runtime/blocking_threads.hpp"

#include <cstdio>
#include <memory>
#include <new>
#include <utility>

#include <weir/context/task_record.hpp>
#include <weir/core/clock.hpp>

namespace weir::core {

blocking_threads::blocking_threads(std::string name, unsigned most, duration idle, log_sink& log)
    : name_(std::move(name)), most_(most == 0 ? 1 : most), idle_time_(idle), log_(log) {}

blocking_threads::~blocking_threads() {
  stop();
}

void blocking_threads::execute(work& item) noexcept {
  member* given = nullptr;
  unsigned number = 0;
  bool start = false;
  bool inline_now = false;
  {
    lock_guard guard{mutex_};
    given = idle_.pop_front();
    if (given != nullptr) {
      --idle_count_;
      given->given = &item;
    } else if (stopping_) {
      inline_now = true;
    } else if (threads_ < most_) {
      start = true;
      ++threads_;
      if (threads_ > peak_) peak_ = threads_;
      number = started_++;
    } else {
      queue_.push(item);
    }
  }
  if (given != nullptr) given->park.wake();  // it cannot end before it has taken the token
  if (start) add_thread(item, number);
  if (inline_now) run_here(item);
}

void blocking_threads::add_thread(work& item, unsigned number) noexcept {
  join_ended();
  auto made = std::unique_ptr<member>{new (std::nothrow) member{*this}};
  if (made) {
    made->given = &item;
    char name[32];
    std::snprintf(name, sizeof name, "%s-b%u", name_.c_str(), number);
    const auto entry = [](void* raw) {
      auto& self = *static_cast<member*>(raw);
      self.park.wait();  // until its handle is written: then it may end, and be joined
      self.threads.run(self);
    };
    if (made->thread.start(name, entry, made.get()) == 0) {
      made.release()->park.wake();
      return;
    }
  }
  log_.write(log_level::warning, "the system refused another blocking thread");
  without_new_thread(item);
}

void blocking_threads::without_new_thread(work& item) noexcept {
  member* given = nullptr;
  {
    lock_guard guard{mutex_};
    --threads_;
    given = idle_.pop_front();
    if (given != nullptr) {
      --idle_count_;
      given->given = &item;
    } else if (threads_ != 0) {
      queue_.push(item);
      return;
    }
  }
  if (given != nullptr) {
    given->park.wake();
  } else {
    run_here(item);
  }
}

void blocking_threads::run_here(work& item) noexcept {
  // Nobody else would ever run it: slow beats lost.
  const blocking_scope may_block;
  item.run();
}

void blocking_threads::run(member& self) noexcept {
  while (work* item = next(self)) item->run();
}

/// What this thread runs next; null once it has ended, and belongs to whoever joins it.
work* blocking_threads::next(member& self) noexcept {
  if (work* given = std::exchange(self.given, nullptr)) return given;
  bool last = false;
  {
    lock_guard guard{mutex_};
    if (work* item = queue_.pop()) return item;
    if (stopping_) {
      last = end(self);
    } else {
      idle_.push_front(self);
      ++idle_count_;
    }
    if (stopping_ && !last) return nullptr;
  }
  if (last) {
    all_ended_.wake();
    return nullptr;
  }
  return wait_idle(self);
}

work* blocking_threads::wait_idle(member& self) noexcept {
  if (!self.park.wait_until(saturating_add(monotonic_now(), idle_time_))) {
    bool last = false;
    bool ended = false;
    {
      lock_guard guard{mutex_};
      if (self.linked()) {
        intrusive_list<member>::unlink(self);
        --idle_count_;
        last = end(self);
        ended = true;
      }
    }
    if (last) all_ended_.wake();
    if (ended) return nullptr;
    self.park.wait();  // somebody took us off the list: the wake-up is on its way
  }
  if (self.given != nullptr) return std::exchange(self.given, nullptr);
  return next(self);  // woken by stop
}

bool blocking_threads::end(member& self) noexcept {
  --threads_;
  ended_.push_back(self);
  return stopping_ && threads_ == 0;
}

void blocking_threads::join_ended() noexcept {
  intrusive_list<member> ended;
  {
    lock_guard guard{mutex_};
    ended.splice_back(ended_);
  }
  while (member* one = ended.pop_front()) {
    one->thread.join();
    delete one;
  }
}

void blocking_threads::stop() noexcept {
  bool running = false;
  for (;;) {
    member* idle = nullptr;
    {
      lock_guard guard{mutex_};
      stopping_ = true;
      running = threads_ != 0;
      idle = idle_.pop_front();
      if (idle != nullptr) --idle_count_;
    }
    if (idle == nullptr) break;
    idle->park.wake();
  }
  while (running) {
    all_ended_.wait();
    lock_guard guard{mutex_};
    running = threads_ != 0;
  }
  join_ended();
}

blocking_threads::figures blocking_threads::count() noexcept {
  lock_guard guard{mutex_};
  return {.now = threads_, .idle = idle_count_, .peak = peak_, .queued = queue_.count};
}

}  // namespace weir::core
