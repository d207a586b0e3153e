// Being kind to a server that fails: a budget for retries, a breaker, and a second attempt beside a
// slow first one.

#include <chrono>
#include <cstdio>
#include <string>

#include <weir/context/sleep.hpp>
#include <weir/retry/breaker.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/call.hpp>
#include <weir/retry/hedge.hpp>
#include <weir/runtime/run_loop.hpp>

using namespace std::chrono_literals;

namespace {

/// A server that is down, or answers now and then slowly.
struct server {
  bool down = false;
  int calls = 0;

  weir::task<weir::result<std::string>> read(weir::context ctx) {
    ++calls;
    if (down) co_return weir::fail(weir::errc::unavailable, "nobody is there");
    const auto slept = co_await weir::sleep_for(ctx, calls % 10 == 1 ? 1h : 1ms);
    if (!slept) co_return std::unexpected(slept.error());
    co_return "the answer";
  }
};

/// A hundred calls of a server that is down, each with three retries. The budget, shared by all of
/// them, lets one in ten retry; a second's worth of one more is the floor for quiet times.
weir::task<> with_a_budget(weir::context ctx, server* from) {
  weir::retry_budget budget;  // one for each server, as long as the program
  weir::retry_options options{.initial_backoff = 0ms, .max_retries = 3, .budget = &budget};
  auto read = [from](const weir::context& attempt) { return from->read(attempt); };
  for (int i = 0; i < 100; ++i) {
    auto answer = co_await weir::retry_call(ctx, options, read);
    if (i == 99 && !answer) std::printf("%s\n", answer.error().to_string().c_str());
  }
  std::printf("100 calls with up to 3 retries each: %d attempts\n", from->calls);
}

/// The breaker inside the loop: refused attempts cost nothing and say when to come back.
weir::task<> with_a_breaker(weir::context ctx, server* from) {
  weir::circuit_breaker breaker{{.failures = 5, .window = 5, .open_for = 20ms}};
  auto read = [from](const weir::context& attempt) { return from->read(attempt); };
  auto guarded = [&](const weir::context& attempt) {
    return weir::call_through(breaker, attempt, read);
  };
  weir::retry_options options{.initial_backoff = 1ms, .max_retries = 4};
  auto answer = co_await weir::retry_call(ctx, options, guarded);
  std::printf("the breaker is %s after %d attempts\n", weir::name_of(breaker.state()), from->calls);
  from->down = false;
  answer = co_await weir::retry_call(ctx, options, guarded);  // waits for the probe
  std::printf("and %s after the next\n", weir::name_of(breaker.state()));
}

/// A second attempt when the first takes longer than usual; the slower one is cancelled and
/// awaited.
weir::task<> hedged(weir::context ctx, server* from) {
  weir::recent_latencies usual;
  weir::hedge_options options{
      .delay = 5ms, .latencies = &usual, .idempotency = weir::idempotency::yes};
  auto read = [from](const weir::context& attempt) { return from->read(attempt); };
  int answered = 0;
  for (int i = 0; i < 30; ++i) {
    auto answer = co_await weir::hedged_call(ctx, options, read);
    answered += answer ? 1 : 0;
  }
  std::printf("%d of 30 calls answered, of which some would have taken an hour\n", answered);
}

}  // namespace

int main() {
  weir::context_source root;
  server dead{.down = true};
  weir::wait(with_a_budget(root.get(), &dead));
  server recovers{.down = true};
  weir::wait(with_a_breaker(root.get(), &recovers));
  server slow;
  weir::wait(hedged(root.get(), &slow));
}
