// What retries cost: to decide on a backoff and arm its timer, a hundred thousand loops that wait
// at once and are stopped, and a budget that they share.
#include <array>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>

#include <weir/context/sleep.hpp>
#include <weir/retry/breaker.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/call.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/runtime.hpp>
#include <weir/runtime/start.hpp>
#include <weir/stopper/stopper.hpp>
#include <weir/sync/wait_group.hpp>
#include <weir/version.hpp>

#include "peers/peer.hpp"

namespace {

std::atomic<std::size_t> allocated{0};

}  // namespace

void* operator new(std::size_t bytes) {
  allocated.fetch_add(1, std::memory_order_relaxed);
  if (void* block = std::malloc(bytes)) return block;
  throw std::bad_alloc{};
}
void operator delete(void* block) noexcept {
  std::free(block);
}
void operator delete(void* block, std::size_t) noexcept {
  std::free(block);
}

namespace {

using namespace std::chrono_literals;

struct untracked {
  static void ended(weir::task_record&) noexcept {}
  static void unhandled(weir::task_record&, const std::exception_ptr&) noexcept {}
};

/// Runs `body` as a task of `rt` to its end.
template <class F>
void run_in(weir::runtime& rt, F body) {
  auto root = weir::core::start(rt, {.name = "bench"}, {}, std::move(body), untracked{});
  static_cast<void>(weir::wait(root.join({})));
}

/// One who waits and is never woken.
struct nobody final : weir::core::waiter {
  nobody() noexcept : waiter([](weir::core::wakeable&) noexcept { std::abort(); }) {}
};

/// A loop whose first attempt has failed, and its wait for the second.
struct failed_loop {
  explicit failed_loop(const weir::context& ctx)
      : attempts(ctx, {.initial_backoff = 1h, .max_backoff = 2h}) {
    if (!weir::wait(attempts.next())) std::abort();
    attempts.failed(weir::error{weir::errc::unavailable, "down"});
    next.emplace(attempts);
  }
  weir::retry attempts;
  std::optional<weir::retry_operation> next;
  nobody who;
};

/// What `co_await attempts.next()` does before it suspends, for a thousand loops at a time:
/// decides, watches the context, and arms a timer of the worker. Making and unmaking the loops is
/// not timed.
double arm_thousand(const weir::context& ctx, weir::core::timer_service& timers,
                    weir::clock& time) {
  constexpr std::size_t loops = 1'000;
  auto failed = std::make_unique<std::array<std::optional<failed_loop>, loops>>();
  for (auto& loop : *failed) loop.emplace(ctx);
  const std::size_t before = allocated.load();
  const auto begin = peer::clock::now();
  for (auto& loop : *failed) {
    weir::retry_operation& next = *loop->next;
    next.bind(&timers, time);
    weir::core::wake_list wakes;
    weir::core::lock_guard guard{next.guard()};
    loop->who.arm();
    next.enqueue(loop->who, 0, wakes);
  }
  const double took = peer::seconds_since(begin);
  if (allocated.load() != before) std::abort();  // the claim: no allocation
  for (auto& loop : *failed) {
    weir::core::wake_list wakes;
    weir::core::lock_guard guard{loop->next->guard()};
    loop->next->withdraw(wakes);
  }
  return took * 1e9 / loops;
}

void arm(const std::string& row) {
  weir::runtime rt{{.workers = 1}};
  run_in(rt, [&row]() -> weir::task<> {
    const weir::core::blocking_scope first_attempts_block;
    weir::context_source root;
    weir::core::executor& here = weir::this_executor();
    std::vector<double> ns;
    for (int i = 0; i < 300; ++i) {
      ns.push_back(arm_thousand(root.get(), here.timers(), here.time()));
    }
    peer::emit(row, "ns", peer::median(ns));
    co_return;
  });
}

constexpr int waiting_loops = 100'000;

/// The first attempt fails, the second is an hour away.
weir::task<> retry_for_ever(weir::context ctx, weir::wait_group* waiting) {
  weir::retry attempts{ctx, {.initial_backoff = 1h, .max_backoff = 2h}};
  while (co_await attempts.next()) {
    attempts.failed(weir::error{weir::errc::unavailable, "down"});
    waiting->done();
  }
}

weir::task<> sleep_for_ever(weir::context ctx, weir::wait_group* waiting) {
  waiting->done();
  static_cast<void>(co_await weir::sleep_for(ctx, 1h));
}

/// Resident memory of each of the tasks that `body` makes, while all of them wait.
double bytes_each(weir::runtime& rt, const weir::context& ctx,
                  weir::task<> (*body)(weir::context, weir::wait_group*)) {
  const double before = peer::resident_bytes();
  auto waiting = std::make_unique<weir::wait_group>(waiting_loops);
  run_in(rt, [&, group = waiting.get()]() -> weir::task<> {
    for (int i = 0; i < waiting_loops; ++i) {
      const auto one = [body, group](weir::context bound) { return body(bound, group); };
      weir::core::start(rt, {.name = "loop"}, ctx, one, untracked{}).detach();
    }
    co_return;
  });
  static_cast<void>(weir::wait(waiting->wait({})));
  return (peer::resident_bytes() - before) / waiting_loops;
}

void loop_bytes(const std::string& row) {
  weir::runtime rt{{.workers = 2}};
  weir::context_source root;
  const double sleeper = bytes_each(rt, root.get(), sleep_for_ever);
  const double loop = bytes_each(rt, root.get(), retry_for_ever);
  peer::emit(row, "B", loop);
  peer::emit(row + ".beyond", "B", loop - sleeper);
  std::fflush(stdout);
  _exit(0);  // they wait for an hour
}

void stop_loops(const std::string& row) {
  std::vector<double> ms;
  for (int i = 0; i < 5; ++i) {
    weir::runtime rt{{.workers = 2}};
    weir::stopper stopper{rt, {.name = "bench"}};
    weir::wait_group waiting{waiting_loops};
    const auto spawner = [&]() -> weir::task<> {
      for (int n = 0; n < waiting_loops; ++n) {
        const auto one = [&waiting](weir::context ctx) { return retry_for_ever(ctx, &waiting); };
        stopper.spawn("bench.loop", one).value().detach();
      }
      co_return;
    };
    stopper.spawn("bench.spawner", spawner).value().detach();
    static_cast<void>(weir::wait(waiting.wait({})));
    const auto begin = peer::clock::now();
    static_cast<void>(weir::wait(stopper.stop()));
    ms.push_back(peer::seconds_since(begin) * 1e3);
  }
  peer::emit(row, "ms", peer::median(ms));
}

void earn(const std::string& row) {
  weir::retry_budget budget{{.per_try = 1e-6, .capacity = 1e9, .floor_per_second = 0}};
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) budget.tried();
             }));
}

void spend(const std::string& row) {
  weir::retry_budget budget{{.capacity = 1e9, .initial = 1e9, .floor_per_second = 0}};
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) {
                 if (!budget.try_withdraw()) std::abort();
               }
             }));
}

/// Each thread earns and spends; in the end not one token is missing, or too many.
void two_threads(const std::string& row) {
  peer::emit(row, "ns", peer::measure(2, [&](std::size_t n) {
               weir::retry_budget budget{{.per_try = 1, .capacity = 1e9, .floor_per_second = 0}};
               peer::together(2, [&](int) {
                 for (std::size_t i = 0; i < n; ++i) {
                   budget.tried();
                   if (!budget.try_withdraw()) std::abort();
                 }
               });
               if (budget.available() != 0) std::abort();
             }));
}

void guard(const std::string& row) {
  weir::circuit_breaker breaker;
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) breaker.try_enter().value().succeeded();
             }));
}

/// A call that succeeds at once, in a loop that watches a live context: what retry adds to it.
void call(const std::string& row) {
  weir::context_source root;
  std::size_t calls = 0;
  peer::emit(row, "ns", peer::measure(1, [&](std::size_t n) {
               for (std::size_t i = 0; i < n; ++i) {
                 const auto done =
                     weir::retry_call(root.get(), {.max_retries = 3},
                                      [&]() -> weir::result<std::size_t> { return ++calls; });
                 peer::keep(done);
               }
             }));
}

}  // namespace

int main(int argc, char** argv) {
  return peer::run(argc, argv, weir::version_string,
                   {{"retry.arm", arm},
                    {"retry.call", call},
                    {"retry.bytes", loop_bytes},
                    {"retry.stop", stop_loops},
                    {"retry.budget.earn", earn},
                    {"retry.budget.spend", spend},
                    {"retry.budget.2threads", two_threads},
                    {"retry.breaker", guard}});
}
