// Tracked tasks: start a batch of 1,000 that do nothing but say that they are done, wait for all,
// again and again. Wall time per task.
#include <weir/context/wait.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/start.hpp>
#include <weir/sync/wait_group.hpp>
#include <weir/version.hpp>

#include "peers/peer.hpp"

namespace {

constexpr int batch = 1000;

struct untracked {
  static void ended(weir::task_record&) noexcept {}
  static void unhandled(weir::task_record&, const std::exception_ptr&) noexcept {}
};

weir::task<> batches(weir::runtime& rt, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    weir::wait_group done{batch};
    const auto work = [&done]() -> weir::task<> {
      done.done();
      co_return;
    };
    for (int j = 0; j < batch; ++j) {
      weir::core::start(rt, {.name = "bench"}, {}, work, untracked{}).detach();
    }
    static_cast<void>(co_await done.wait({}));
  }
}

void measure(const std::string& row, unsigned workers, unsigned spawners) {
  weir::runtime rt{{.workers = workers}};
  peer::emit(
      row, "ns", peer::measure(batch * spawners, [&](std::size_t n) {
        std::vector<weir::task_handle<>> all;
        for (unsigned i = 0; i < spawners; ++i) {
          const auto spawner = [&rt, n] { return batches(rt, n); };
          all.push_back(weir::core::start(rt, {.name = "spawner"}, {}, spawner, untracked{}));
        }
        for (auto& one : all) static_cast<void>(weir::wait(one.join({})));
      }));
}

}  // namespace

int main(int argc, char** argv) {
  return peer::run(
      argc, argv, weir::version_string,
      {{"spawn.1worker", [](const std::string& row) { measure(row, 1, 1); }},
       {"spawn.2workers.1spawner", [](const std::string& row) { measure(row, 2, 1); }},
       {"spawn.2workers.2spawners", [](const std::string& row) { measure(row, 2, 2); }}});
}
