// Trying again: with growing, jittered waits, under limits, and not a moment longer than wanted.

#include <chrono>
#include <cstdio>
#include <span>
#include <string>
#include <vector>

#include <weir/context/wait.hpp>
#include <weir/retry/batch.hpp>
#include <weir/retry/call.hpp>
#include <weir/retry/retry.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/sync/event.hpp>

using namespace std::chrono_literals;

namespace {

/// A service that is busy the first few times.
struct service {
  int busy_calls;

  weir::task<weir::result<std::string>> fetch(weir::context ctx) {
    if (auto alive = ctx.check(); !alive) co_return std::unexpected(alive.error());
    if (busy_calls-- > 0) co_return weir::fail(weir::errc::busy, "try again later");
    co_return "the answer";
  }
};

/// The loop: its body is the attempt.
weir::task<weir::result<std::string>> patiently(weir::context ctx, service* server) {
  weir::retry attempts{ctx, {.initial_backoff = 1ms, .max_retries = 5}};
  while (auto attempt = co_await attempts.next()) {
    auto answer = co_await server->fetch(attempt->context);
    if (answer) co_return answer;
    attempts.failed(answer.error());
  }
  co_return attempts.failure();
}

/// The same as a call. The lambda has a name, so that it outlives the task.
weir::task<weir::result<std::string>> in_short(weir::context ctx, service* server) {
  auto fetch = [server](const weir::context& attempt) { return server->fetch(attempt); };
  co_return co_await weir::retry_call(ctx, {.initial_backoff = 1ms, .max_retries = 5}, fetch);
}

/// On a thread, until somebody has what they wanted.
void until_closed(weir::event& closed) {
  auto until = closed.wait({});
  weir::retry attempts{{}, {.initial_backoff = 1h, .max_backoff = 1h, .until = until}};
  while (auto attempt = weir::wait(attempts.next())) {
    std::printf("attempt %d fails, and the hour's wait for the next is cut short\n",
                attempt->number);
    closed.set();
  }
  if (const auto why = attempts.reason()) std::printf("%s\n", weir::name_of(*why));
}

/// A batch that is too large is halved until it fits, and grows back.
weir::result<void> insert_all(std::span<const int> rows) {
  auto insert = [](std::span<const int> batch) -> weir::result<void> {
    if (batch.size() > 300) return weir::fail(weir::errc::exhausted, "transaction too large");
    std::printf("inserted %zu rows\n", batch.size());
    return {};
  };
  return weir::for_each_batch({}, {.initial_backoff = 1ms}, rows, 1'000, insert);
}

}  // namespace

int main() {
  weir::context_source root;

  service server{.busy_calls = 3};
  std::printf("%s\n", weir::wait(patiently(root.get(), &server)).value().c_str());

  server.busy_calls = 100;
  const auto failed = weir::wait(in_short(root.get(), &server));
  std::printf("%s\n", failed.error().to_string().c_str());

  weir::event closed;
  until_closed(closed);

  const std::vector<int> rows(1'000);
  return insert_all(rows) ? 0 : 1;
}
