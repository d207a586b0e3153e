// What a stopper costs its callers: an inline call that it counts, lists with name and site, and
// would wait for; and how soon a stop returns when its last task has ended.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <random>
#include <thread>
#include <vector>

#include <weir/context/sleep.hpp>
#include <weir/stopper/stopper.hpp>
#include <weir/sync/event.hpp>
#include <weir/version.hpp>

#include "peers/peer.hpp"

namespace {

void enter_and_leave(const std::string& row, int callers) {
  weir::runtime rt;
  weir::stopper stopper{rt, {.name = "bench"}};
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               peer::together(callers, [&](int) {
                 std::size_t entered = 0;
                 for (std::size_t i = 0; i < n; ++i) {
                   if (stopper.run("bench.call", [&entered] { peer::keep(++entered); })) continue;
                   std::abort();
                 }
               });
             }));
  static_cast<void>(weir::wait(stopper.stop()));
}

/// Tasks end at random moments, as in the rivals' programs, so that no phase of a poll would be
/// preferred.
void stop_latency(const std::string& row) {
  std::minstd_rand random{1};
  std::uniform_int_distribution<int> some{2, 6002};
  weir::runtime rt;
  std::vector<double> us;
  for (int i = 0; i < 41; ++i) {
    weir::stopper stopper{rt, {.name = "bench"}};
    peer::clock::time_point ended;
    const std::chrono::microseconds delay{some(random)};
    auto last = [&stopper, &ended, delay]() -> weir::task<> {
      static_cast<void>(co_await stopper.quiescing());
      static_cast<void>(co_await weir::after(delay));
      ended = peer::clock::now();
    };
    stopper.spawn("bench.last", last).value().detach();
    static_cast<void>(weir::wait(stopper.stop()));
    us.push_back(peer::seconds_since(ended) * 1e6);
  }
  peer::emit(row, "us", peer::median(us));
}

/// With 100,000 live tasks, half of them on each of two threads' lists, in no order in memory that
/// a cache would like: each is a coroutine of its own.
void snapshot_of_many(const std::string& row) {
  weir::runtime rt{{.workers = 2}};
  weir::stopper stopper{rt, {.name = "bench"}};
  weir::event never;
  const auto waits = [&never]() -> weir::task<> { static_cast<void>(co_await never.wait({})); };
  for (int i = 0; i < 100'000; ++i) stopper.spawn("bench.waits", waits).value().detach();
  std::vector<double> ms;
  for (int i = 0; i < 15; ++i) {
    const auto began = peer::clock::now();
    const weir::snapshot seen = rt.snapshot();
    ms.push_back(peer::seconds_since(began) * 1e3);
    if (seen.running() != 100'000) std::abort();
  }
  peer::emit(row, "ms", peer::median(ms));
  never.set();
  static_cast<void>(weir::wait(stopper.stop()));
}

/// How long a call takes at most that enters and leaves while snapshots are taken.
void enter_beside_snapshots(const std::string& row) {
  weir::runtime rt{{.workers = 1}};
  weir::stopper stopper{rt, {.name = "bench"}};
  std::vector<weir::permit> held;
  for (int i = 0; i < 100'000; ++i) held.push_back(stopper.try_enter("bench.held").value());
  std::atomic<int> looked{0};
  std::thread looks{[&] {
    for (; looked < 20; ++looked) static_cast<void>(stopper.snapshot());
  }};
  // Sorted, the 99.9th of a hundred: what somebody notices, less what the system's scheduler does.
  std::vector<double> us;
  while (looked < 20) {
    const auto began = peer::clock::now();
    static_cast<void>(stopper.run("bench.call", [] {}));
    us.push_back(peer::seconds_since(began) * 1e6);
  }
  looks.join();
  std::sort(us.begin(), us.end());
  peer::emit(row, "us", us[us.size() / 1000 * 999]);
}

}  // namespace

int main(int argc, char** argv) {
  return peer::run(
      argc, argv, weir::version_string,
      {{"stopper.enter.1caller", [](const std::string& row) { enter_and_leave(row, 1); }},
       {"stopper.enter.2callers", [](const std::string& row) { enter_and_leave(row, 2); }},
       {"stopper.stop", stop_latency},
       {"stopper.snapshot", snapshot_of_many},
       {"stopper.snapshot.beside", enter_beside_snapshots}});
}
