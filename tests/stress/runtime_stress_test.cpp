#include <array>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/runtime/blocking.hpp>
#include <weir/runtime/fd.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/thread_executor.hpp>

#include "runtime/started.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

constexpr auto each = 1s;

/// Says until when a test goes on.
class until {
 public:
  explicit until(std::chrono::steady_clock::duration length)
      : end_(std::chrono::steady_clock::now() + length) {}
  [[nodiscard]] bool over() const { return std::chrono::steady_clock::now() >= end_; }

 private:
  std::chrono::steady_clock::time_point end_;
};

class runtime_stress : public testing::TestWithParam<unsigned> {};
INSTANTIATE_TEST_SUITE_P(workers, runtime_stress, testing::Values(1U, 2U, 7U));

/// One task that does a little of everything, chosen by a seed.
task<> wander(runtime& rt, thread_executor& own, unsigned seed, std::atomic<int>& ended) {
  std::minstd_rand random{seed + 1};
  for (int step = 0; step < 8; ++step) {
    switch (random() % 7) {
      case 0:
        co_await yield();
        break;
      case 1:
        static_cast<void>(co_await sleep_for({}, std::chrono::microseconds{random() % 300}));
        break;
      case 2: {
        const auto call = [] {};
        static_cast<void>(co_await run_blocking(rt, {}, call));
        break;
      }
      case 3:
        co_await resume_on(own);
        break;
      case 4:
        co_await resume_on(rt);
        break;
      case 5: {
        const auto child = []() -> task<> { co_await yield(); };
        auto handle = launch(rt, child);
        static_cast<void>(co_await handle.join({}));
        break;
      }
      default: {
        const auto call = [] {};
        static_cast<void>(
            co_await select(run_blocking(rt, {}, call), after(std::chrono::microseconds{50})));
      }
    }
  }
  ended.fetch_add(1);
}

TEST_P(runtime_stress, tasks_that_wander_between_executors_all_end) {
  const until time{each};
  unsigned seed = GetParam();
  while (!time.over()) {
    thread_executor own;
    runtime rt{{.workers = GetParam(), .max_blocking_threads = 3, .blocking_idle = 1ms}};
    std::atomic<int> ended{0};
    std::vector<task_handle<>> all;
    for (int i = 0; i < 200; ++i) {
      const auto body = [&rt, &own, &ended, mine = seed++] { return wander(rt, own, mine, ended); };
      all.push_back(launch(rt, body));
    }
    for (auto& one : all) ASSERT_TRUE(weir::wait(one.join({})));
    ASSERT_EQ(ended.load(), 200);
  }
}

TEST_P(runtime_stress, a_wake_up_from_outside_is_never_lost) {
  const until time{each};
  runtime rt{{.workers = GetParam()}};
  const auto body = []() -> task<> { co_return; };
  std::vector<std::thread> outside;
  for (int t = 0; t < 2; ++t) {
    outside.emplace_back([&] {
      while (!time.over()) ASSERT_TRUE(run_on(rt, body));
    });
  }
  for (auto& one : outside) one.join();
}

TEST_P(runtime_stress, runtimes_come_and_go_with_work_in_flight) {
  const until time{each};
  while (!time.over()) {
    std::atomic<int> ran{0};
    {
      runtime rt{{.workers = GetParam()}};
      const auto body = [&]() -> task<> {
        static_cast<void>(co_await sleep_for({}, 20us));
        const auto call = [&] { ran.fetch_add(1); };
        static_cast<void>(co_await run_blocking(rt, call));
      };
      for (int i = 0; i < 20; ++i) launch(rt, body).detach();
    }
    ASSERT_EQ(ran.load(), 20);
  }
}

TEST_P(runtime_stress, bytes_between_sockets_all_arrive) {
  runtime rt{{.workers = GetParam()}};
  constexpr int pairs = 8;
  std::vector<task_handle<>> all;
  std::atomic<long> received{0};
  std::atomic<long> sent{0};
  const until time{each};
  for (int i = 0; i < pairs; ++i) {
    std::array<int, 2> ends{};
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()), 0);
    const auto writer = [&rt, &time, &sent, fd = ends[0]]() -> task<> {
      std::array<char, 512> some{};
      while (!time.over()) {
        const ssize_t n = write(fd, some.data(), some.size());
        if (n > 0) sent.fetch_add(n);
        if (n < 0) static_cast<void>(co_await writable(rt, {}, fd));
      }
      forget_fd(rt, fd);
      close(fd);
    };
    const auto reader = [&rt, &received, fd = ends[1]]() -> task<> {
      std::array<char, 700> some{};
      for (;;) {
        const ssize_t n = read(fd, some.data(), some.size());
        if (n == 0) break;
        if (n > 0) received.fetch_add(n);
        if (n < 0) static_cast<void>(co_await readable(rt, {}, fd));
      }
      forget_fd(rt, fd);
      close(fd);
    };
    all.push_back(launch(rt, writer));
    all.push_back(launch(rt, reader));
  }
  for (auto& one : all) ASSERT_TRUE(weir::wait(one.join({})));
  EXPECT_EQ(received.load(), sent.load());
  EXPECT_GT(received.load(), 0);
}

TEST_P(runtime_stress, sleeps_that_are_cancelled_leave_no_timer_behind) {
  const until time{each};
  runtime rt{{.workers = GetParam()}};
  while (!time.over()) {
    context_source source;
    std::vector<task_handle<>> all;
    for (int i = 0; i < 100; ++i) {
      const auto body = [&source, i]() -> task<> {
        static_cast<void>(co_await sleep_for(source.get(), std::chrono::microseconds{i * 10}));
      };
      all.push_back(launch(rt, body));
    }
    source.cancel();
    for (auto& one : all) ASSERT_TRUE(weir::wait(one.join({})));
    ASSERT_EQ(rt.stats().timers, 0U);
  }
}

}  // namespace
}  // namespace weir
