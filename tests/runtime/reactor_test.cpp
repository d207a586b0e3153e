#include <array>
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/runtime/fd.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/runtime.hpp>

#include "runtime/started.hpp"

namespace weir {
namespace {

using namespace std::chrono_literals;

static_assert(operation<fd_operation>);
static_assert(!std::is_move_constructible_v<fd_operation>);

struct pair_of_sockets {
  pair_of_sockets() { socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends.data()); }
  ~pair_of_sockets() {
    for (const int fd : ends) {
      if (fd >= 0) close(fd);
    }
  }
  void send(int from, char what) const {
    EXPECT_EQ(write(ends[static_cast<std::size_t>(from)], &what, 1), 1);
  }
  [[nodiscard]] char receive(int at) const {
    char what = 0;
    return read(ends[static_cast<std::size_t>(at)], &what, 1) == 1 ? what : '\0';
  }
  std::array<int, 2> ends{-1, -1};
};

class reactor_with : public testing::TestWithParam<unsigned> {
 protected:
  pair_of_sockets sockets;  // closed when no worker is in epoll_ctl any more
  runtime rt{{.workers = GetParam()}};
};
INSTANTIATE_TEST_SUITE_P(workers, reactor_with, testing::Values(1U, 2U));

TEST_P(reactor_with, a_task_waits_until_something_arrives) {
  const auto body = [&]() -> task<char> {
    EXPECT_TRUE(co_await readable(rt, {}, sockets.ends[0]));
    co_return sockets.receive(0);
  };
  auto reader = launch(rt, body);
  await([&] { return rt.stats().sleeping == GetParam(); });
  sockets.send(1, 'x');
  EXPECT_EQ(weir::wait(reader.join({})), 'x');
}

TEST_P(reactor_with, a_thread_waits_with_the_same_operation) {
  sockets.send(1, 'y');
  EXPECT_TRUE(weir::wait(readable(rt, {}, sockets.ends[0])));
  EXPECT_TRUE(weir::wait(writable(rt, {}, sockets.ends[0])));
}

TEST_P(reactor_with, a_task_of_a_run_loop_waits_with_the_same_operation) {
  sockets.send(1, 'z');
  const auto body = [&]() -> task<char> {
    EXPECT_TRUE(co_await readable(rt, {}, sockets.ends[0]));
    co_return sockets.receive(0);
  };
  EXPECT_EQ(weir::wait(body()), 'z');
}

TEST_P(reactor_with, what_was_not_read_is_ready_again) {
  sockets.send(1, 'a');
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(weir::wait(readable(rt, {}, sockets.ends[0])));
  EXPECT_EQ(sockets.receive(0), 'a');
}

TEST_P(reactor_with, a_select_takes_the_timeout_when_nothing_arrives) {
  auto first = weir::wait(select(readable(rt, {}, sockets.ends[0]), after(200us)));
  EXPECT_EQ(first.index(), 1U);
  sockets.send(1, 'b');
  auto second = weir::wait(select(readable(rt, {}, sockets.ends[0]), after(1h)));
  EXPECT_EQ(second.index(), 0U);
}

TEST_P(reactor_with, cancellation_ends_the_wait_and_the_next_one_works) {
  context_source source;
  const auto body = [&]() -> task<bool> {
    co_return (co_await readable(rt, source.get(), sockets.ends[0])).has_value();
  };
  auto waiting = launch(rt, body);
  await([&] { return rt.stats().sleeping == GetParam(); });
  source.cancel();
  EXPECT_EQ(weir::wait(waiting.join({})), false);
  sockets.send(1, 'c');
  EXPECT_TRUE(weir::wait(readable(rt, {}, sockets.ends[0])));
}

TEST_P(reactor_with, a_reader_and_a_writer_of_one_descriptor_wait_at_once) {
  while (write(sockets.ends[0], std::array<char, 4096>{}.data(), 4096) > 0) {
  }
  std::atomic<int> woken{0};
  const auto reader = [&]() -> task<> {
    EXPECT_TRUE(co_await readable(rt, {}, sockets.ends[0]));
    woken.fetch_add(1);
  };
  const auto writer = [&]() -> task<> {
    EXPECT_TRUE(co_await writable(rt, {}, sockets.ends[0]));
    woken.fetch_add(1);
  };
  auto one = launch(rt, reader);
  auto two = launch(rt, writer);
  sockets.send(1, 'd');
  EXPECT_TRUE(weir::wait(one.join({})));
  EXPECT_EQ(woken.load(), 1);
  std::array<char, 4096> sink;
  while (read(sockets.ends[1], sink.data(), sink.size()) > 0) {
  }
  EXPECT_TRUE(weir::wait(two.join({})));
}

TEST_P(reactor_with, a_closed_peer_makes_it_readable) {
  const auto body = [&]() -> task<ssize_t> {
    EXPECT_TRUE(co_await readable(rt, {}, sockets.ends[0]));
    char what = 0;
    co_return read(sockets.ends[0], &what, 1);
  };
  auto reader = launch(rt, body);
  close(std::exchange(sockets.ends[1], -1));
  EXPECT_EQ(weir::wait(reader.join({})), 0);
}

TEST_P(reactor_with, forgetting_a_descriptor_ends_its_waits_with_closed) {
  std::atomic<int> began{0};
  const auto body = [&]() -> task<errc> {
    ++began;
    auto ready = co_await readable(rt, {}, sockets.ends[0]);
    co_return ready ? errc::failed : ready.error().code();
  };
  auto one = launch(rt, body);
  auto two = launch(rt, body);
  // A worker that has announced its sleep may still find the task in its last look.
  await([&] { return began == 2 && rt.stats().sleeping == GetParam(); });
  forget_fd(rt, sockets.ends[0]);
  EXPECT_EQ(weir::wait(one.join({})), errc::closed);
  EXPECT_EQ(weir::wait(two.join({})), errc::closed);
  forget_fd(rt, 12345);  // never waited for: nothing to do
}

TEST_P(reactor_with, a_number_that_is_used_again_is_watched_again) {
  for (int i = 0; i < 3; ++i) {
    pair_of_sockets again;  // the same numbers each time, and nobody says forget_fd
    again.send(1, 'e');
    EXPECT_TRUE(weir::wait(readable(rt, {}, again.ends[0])));
  }
}

TEST_P(reactor_with, a_regular_file_is_always_ready) {
  std::FILE* file = std::tmpfile();
  EXPECT_TRUE(weir::wait(readable(rt, {}, fileno(file))));
  std::fclose(file);
}

TEST_P(reactor_with, a_descriptor_that_is_not_open_is_an_error) {
  const int fd = dup(sockets.ends[0]);
  close(fd);
  auto ready = weir::wait(readable(rt, {}, fd));
  ASSERT_FALSE(ready);
  EXPECT_EQ(ready.error().code(), errc::io);
  EXPECT_EQ(ready.error().number("errno"), EBADF);
}

TEST_P(reactor_with, a_busy_runtime_still_looks_at_descriptors) {
  std::atomic<bool> arrived{false};
  const auto busy = [&]() -> task<> {
    while (!arrived.load()) co_await yield();
  };
  std::vector<task_handle<>> spinning;
  for (unsigned i = 0; i < 2 * GetParam(); ++i) spinning.push_back(launch(rt, busy));
  const auto body = [&]() -> task<> {
    EXPECT_TRUE(co_await readable(rt, {}, sockets.ends[0]));
    arrived.store(true);
  };
  auto reader = launch(rt, body);
  sockets.send(1, 'f');
  EXPECT_TRUE(weir::wait(reader.join({})));
  for (auto& one : spinning) EXPECT_TRUE(weir::wait(one.join({})));
}

/// Descriptors come to the two sets in turn, so that there is one more in the spinning worker's.
TEST(reactor, an_event_does_not_wait_for_a_worker_that_spins) {
  runtime rt{{.workers = 2}};
  const std::array<pair_of_sockets, 3> lines;
  std::atomic<bool> spins{false};
  std::atomic<int> arrived{0};
  const auto spinner = [&]() -> task<> {
    EXPECT_TRUE(co_await readable(rt, {}, lines[0].ends[0]));
    spins.store(true);
    while (arrived.load() != 2) core::cpu_relax();
  };
  const auto reads = [&](std::size_t i) {
    return [&, i]() -> task<> {
      EXPECT_TRUE(co_await readable(rt, {}, lines[i].ends[0]));
      arrived.fetch_add(1);
    };
  };
  std::vector<task_handle<>> all;
  all.push_back(launch(rt, spinner));
  all.push_back(launch(rt, reads(1)));
  all.push_back(launch(rt, reads(2)));
  await([&] { return rt.stats().sleeping == 2; });
  lines[0].send(1, 'x');
  await([&] { return spins.load(); });
  for (const std::size_t i : {1U, 2U}) lines[i].send(1, 'x');
  for (auto& one : all) EXPECT_TRUE(weir::wait(one.join({})));
}

TEST(reactor, waits_that_are_left_at_the_end_end_with_closed) {
  std::atomic<int> closed{0};
  const pair_of_sockets sockets;
  {
    runtime rt{{.workers = 2}};
    const auto body = [&]() -> task<> {
      auto ready = co_await readable(rt, {}, sockets.ends[0]);
      if (!ready && ready.error().code() == errc::closed) closed.fetch_add(1);
    };
    launch(rt, body).detach();
    await([&] { return rt.stats().executed >= 1 && rt.stats().sleeping == 2; });
  }
  EXPECT_EQ(closed.load(), 1);
}

}  // namespace
}  // namespace weir
