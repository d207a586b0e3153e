// A million tasks that sleep: how long until all have woken, and what each of them occupies.

#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/start.hpp>
#include <weir/sync/wait_group.hpp>
#include <weir/version.hpp>

#include "peers/peer.hpp"

namespace {

constexpr int sleepers = 1'000'000;

struct untracked {
  static void ended(weir::task_record&) noexcept {}
  static void unhandled(weir::task_record&, const std::exception_ptr&) noexcept {}
};

weir::task<> all_sleep(weir::runtime& rt) {
  weir::wait_group done{sleepers};
  for (int i = 0; i < sleepers; ++i) {
    const auto sleeper = [&done, i]() -> weir::task<> {
      static_cast<void>(co_await weir::sleep_for({}, std::chrono::milliseconds{1 + i % 100}));
      done.done();
    };
    weir::core::start(rt, {.name = "sleeper"}, {}, sleeper, untracked{}).detach();
  }
  static_cast<void>(co_await done.wait({}));
}

void million(const std::string& row, unsigned workers) {
  weir::runtime rt{{.workers = workers}};
  const auto begin = peer::clock::now();
  const auto spawner = [&rt] { return all_sleep(rt); };
  auto all = weir::core::start(rt, {.name = "spawner"}, {}, spawner, untracked{});
  static_cast<void>(weir::wait(all.join({})));
  peer::emit(row, "s", peer::seconds_since(begin));
}

void bytes_each(const std::string& row) {
  weir::runtime rt{{.workers = 2}};
  const double before = peer::resident_bytes();
  weir::wait_group asleep{sleepers};
  const auto spawner = [&rt, &asleep]() -> weir::task<> {
    for (int i = 0; i < sleepers; ++i) {
      const auto sleeper = [&asleep]() -> weir::task<> {
        asleep.done();
        static_cast<void>(co_await weir::sleep_for({}, std::chrono::hours{1}));
      };
      weir::core::start(rt, {.name = "sleeper"}, {}, sleeper, untracked{}).detach();
    }
    co_return;
  };
  weir::core::start(rt, {.name = "spawner"}, {}, spawner, untracked{}).detach();
  static_cast<void>(weir::wait(asleep.wait({})));
  peer::emit(row, "B", (peer::resident_bytes() - before) / sleepers);
  std::fflush(stdout);
  _exit(0);  // they sleep for an hour
}

}  // namespace

int main(int argc, char** argv) {
  return peer::run(argc, argv, weir::version_string,
                   {{"timers.1worker", [](const std::string& row) { million(row, 1); }},
                    {"timers.2workers", [](const std::string& row) { million(row, 2); }},
                    {"timers.bytes", bytes_each}});
}
