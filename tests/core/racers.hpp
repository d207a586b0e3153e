#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <utility>

namespace weir::test {

/// A thread for races of thousands of rounds: to begin and end one in each round takes longer than
/// the round, under a sanitizer many times.
class racer {
 public:
  racer() : self_([this] { work(); }) {}
  ~racer() {
    join();
    set(true, {});
    self_.join();
  }
  racer(const racer&) = delete;
  racer& operator=(const racer&) = delete;

  /// Lets it begin when it is awake, and up to 63 us later, from round to round one more, so that
  /// each side is first in some.
  /// Requires: what it ran before has been joined.
  void start(std::function<void()> what) {
    awake_ = go_ = false;
    set(false, std::move(what));
    while (!awake_.load()) std::this_thread::yield();
    ++round_;
    go_ = true;
  }

  /// Returns when what was started has returned.
  void join() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [this] { return !runs_; });
  }

 private:
  using clock = std::chrono::steady_clock;

  void set(bool ends, std::function<void()> what) {
    {
      const std::lock_guard lock{mutex_};
      what_ = std::move(what);
      ends_ = ends;
      runs_ = true;
    }
    changed_.notify_all();
  }
  void work() {
    std::unique_lock lock{mutex_};
    for (;;) {
      changed_.wait(lock, [this] { return runs_; });
      if (ends_) return;
      lock.unlock();
      awake_ = true;
      while (!go_.load()) std::this_thread::yield();
      const auto begins = clock::now() + std::chrono::microseconds{round_ % 64};
      while (clock::now() < begins) {
      }
      what_();
      lock.lock();
      runs_ = false;
      changed_.notify_all();
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::function<void()> what_;
  std::atomic<bool> awake_{false};
  std::atomic<bool> go_{false};
  unsigned round_ = 0;
  bool runs_ = false;
  bool ends_ = false;
  std::thread self_;
};

class racers {
 public:
  explicit racers(int count) : all_(static_cast<std::size_t>(count)) {}

  /// Runs body(i) on each of them; all begin when the last one has come.
  template <class F>
  void together(F body) {
    std::atomic<std::size_t> ready{0};
    int i = 0;
    for (racer& one : all_) {
      one.start([&, i = i++] {
        ++ready;
        while (ready.load() < all_.size()) std::this_thread::yield();
        body(i);
      });
    }
    for (racer& one : all_) one.join();
  }

 private:
  std::deque<racer> all_;
};

/// The same on threads of its own, for what is no race of many rounds.
template <class F>
void together(int count, F body) {
  racers{count}.together(std::move(body));
}

}  // namespace weir::test
