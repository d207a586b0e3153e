// Tracked tasks: a stopper starts a batch of 1,000 that do nothing but say that they are done, we
// wait for all, again and again. Wall time per task.
#include <weir/context/wait.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/stopper/stopper.hpp>
#include <weir/sync/wait_group.hpp>
#include <weir/version.hpp>

#include "peers/peer.hpp"

namespace {

constexpr int batch = 1000;

template <class Spawn>
weir::task<> batches(Spawn spawn, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    weir::wait_group done{batch};
    const auto work = [&done]() -> weir::task<> {
      done.done();
      co_return;
    };
    for (int j = 0; j < batch; ++j) spawn(work);
    static_cast<void>(co_await done.wait({}));
  }
}

weir::task<> tracked(weir::stopper& stopper, std::size_t n) {
  return batches(
      [&stopper](const auto& work) { stopper.spawn("bench.task", work).value().detach(); }, n);
}

/// The end of a task that nobody tracks.
struct untracked {
  void ended(weir::task_record&) noexcept {}
  void unhandled(weir::task_record&, const std::exception_ptr&) noexcept { std::abort(); }
};

weir::task<> bare(weir::runtime& rt, std::size_t n) {
  return batches(
      [&rt](const auto& work) {
        weir::core::start(rt, {}, weir::context{}, work, untracked{}).detach();
      },
      n);
}

/// The same batches with and without a stopper that names them, in turn: the median difference.
void named(const std::string& row) {
  weir::runtime rt{{.workers = 1}};
  weir::stopper stopper{rt, {.name = "bench"}};
  const auto timed = [&](auto spawner) {
    return peer::measure(batch, [&](std::size_t n) {
      const auto all = [&spawner, n] { return spawner(n); };
      static_cast<void>(weir::wait(stopper.spawn("bench.spawner", all).value().join({})));
    });
  };
  std::vector<double> more;
  for (int i = 0; i < 5; ++i) {
    const double alone = timed([&](std::size_t n) { return bare(rt, n); });
    more.push_back(timed([&](std::size_t n) { return tracked(stopper, n); }) - alone);
  }
  peer::emit(row, "ns", peer::median(more));
  if (!weir::wait(stopper.stop({}))) std::abort();
}

void measure(const std::string& row, unsigned workers, unsigned spawners) {
  weir::runtime rt{{.workers = workers}};
  weir::stopper stopper{rt, {.name = "bench"}};
  peer::emit(row, "ns", peer::measure(batch * spawners, [&](std::size_t n) {
               std::vector<weir::task_handle<>> all;
               for (unsigned i = 0; i < spawners; ++i) {
                 const auto spawner = [&stopper, n] { return tracked(stopper, n); };
                 all.push_back(stopper.spawn("bench.spawner", spawner).value());
               }
               for (auto& one : all) static_cast<void>(weir::wait(one.join({})));
             }));
  if (!weir::wait(stopper.stop({}))) std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  return peer::run(
      argc, argv, weir::version_string,
      {{"spawn.named", named},
       {"spawn.1worker", [](const std::string& row) { measure(row, 1, 1); }},
       {"spawn.2workers.1spawner", [](const std::string& row) { measure(row, 2, 1); }},
       {"spawn.2workers.2spawners", [](const std::string& row) { measure(row, 2, 2); }}});
}
