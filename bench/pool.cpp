// Acquire and release: 1 user, 2 users on 2 resources, 64 users on 10. The users do nothing with
// what they get; in pool.queued each lets others run once while it holds, so that everybody queues.
#include <atomic>
#include <memory>

#include <weir/context/wait.hpp>
#include <weir/pool/pool.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/stopper/stopper.hpp>
#include <weir/version.hpp>

#include "peers/peer.hpp"

namespace {

struct connection {};

class fake final : public weir::pool_source<connection> {
 public:
  weir::task<weir::result<connection>> open(weir::context) override { co_return connection{}; }
};

enum class hold { nothing, a_turn };

struct user {
  weir::pool<connection>& pool;
  weir::context ctx;
  hold holds;

  weir::task<> loop(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      auto lent = co_await pool.acquire(ctx);
      if (!lent) std::abort();
      if (holds == hold::a_turn) co_await weir::yield();
    }
  }
};

/// What the waits looked like, one by one, for half a second: percentiles, and how many acquires
/// per 1,000 were overtaken by one that began at least `users` acquires later.
struct wait_study {
  std::atomic<long> begun{0};
  std::atomic<long> newest{0};
  std::atomic<long> overtaken{0};
  long users = 0;
  peer::clock::time_point end;

  weir::task<std::vector<double>> watch(user who) {
    std::vector<double> mine;
    for (;;) {
      const auto begin = peer::clock::now();
      if (begin > end) break;
      const long ticket = begun.fetch_add(1) + 1;
      auto lent = co_await who.pool.acquire(who.ctx);
      if (!lent) std::abort();
      mine.push_back(peer::seconds_since(begin) * 1e6);
      long seen = newest.load();
      if (seen >= ticket + users) overtaken.fetch_add(1);
      while (seen < ticket && !newest.compare_exchange_weak(seen, ticket)) {
      }
      co_await weir::yield();
    }
    co_return mine;
  }
};

template <class T>
T join(weir::result<weir::task_handle<T>>& task) {
  auto ended = weir::wait(task.value().join({}));
  if constexpr (!std::is_void_v<T>) return std::move(ended).value();
}

void waits(const std::string& row, weir::stopper& stopper, user who, int users) {
  wait_study study;
  study.users = users;
  study.end = peer::clock::now() + std::chrono::milliseconds{500};
  std::vector<weir::result<weir::task_handle<std::vector<double>>>> tasks;
  for (int i = 0; i < users; ++i) {
    const auto watch = [&study, who] { return study.watch(who); };
    tasks.push_back(stopper.spawn("bench.user", watch));
  }
  std::vector<double> all;
  for (auto& task : tasks) {
    const auto mine = join(task);
    all.insert(all.end(), mine.begin(), mine.end());
  }
  std::sort(all.begin(), all.end());
  peer::emit(row + ".wait_p50", "us", all[all.size() / 2]);
  peer::emit(row + ".wait_p99", "us", all[all.size() * 99 / 100]);
  peer::emit(row + ".wait_max", "us", all.back());
  peer::emit(row + ".inversions", "/1000",
             static_cast<double>(study.overtaken) * 1000 / static_cast<double>(all.size()));
}

void measure(const std::string& row, unsigned workers, std::size_t size, int users, hold holds) {
  weir::runtime rt{{.workers = workers}};
  weir::stopper stopper{rt, {.name = "bench"}};
  weir::pool<connection> pool{
      stopper, {.name = "bench", .max_open = size}, std::make_unique<fake>()};
  user who{pool, stopper.ctx(), holds};
  const std::size_t per_user = 100;
  peer::emit(row, "ns",
             peer::measure(static_cast<std::size_t>(users) * per_user, [&](std::size_t n) {
               std::vector<weir::result<weir::task_handle<>>> tasks;
               for (int i = 0; i < users; ++i) {
                 const auto loop = [&who, n] { return who.loop(n * per_user); };
                 tasks.push_back(stopper.spawn("bench.user", loop));
               }
               for (auto& task : tasks) join(task);
             }));
  if (holds == hold::a_turn) waits(row, stopper, who, users);
  who.ctx = {};
  if (!weir::wait(stopper.stop({}))) std::abort();
}

}  // namespace

int main(int argc, char** argv) {
  using std::string;
  return peer::run(
      argc, argv, weir::version_string,
      {{"pool.1user", [](const string& row) { measure(row, 2, 1, 1, hold::nothing); }},
       {"pool.2on2", [](const string& row) { measure(row, 2, 2, 2, hold::nothing); }},
       {"pool.64on10", [](const string& row) { measure(row, 2, 10, 64, hold::nothing); }},
       {"pool.64on10.1p", [](const string& row) { measure(row, 1, 10, 64, hold::nothing); }},
       {"pool.queued", [](const string& row) { measure(row, 2, 10, 64, hold::a_turn); }}});
}
