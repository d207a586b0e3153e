// What a stopper costs its callers: an inline call that it counts, lists with name and site, and
// would wait for; and how soon a stop returns when its last task has ended.
#include <chrono>
#include <random>

#include <weir/context/sleep.hpp>
#include <weir/stopper/stopper.hpp>
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

}  // namespace

int main(int argc, char** argv) {
  return peer::run(
      argc, argv, weir::version_string,
      {{"stopper.enter.1caller", [](const std::string& row) { enter_and_leave(row, 1); }},
       {"stopper.enter.2callers", [](const std::string& row) { enter_and_leave(row, 2); }},
       {"stopper.stop", stop_latency}});
}
