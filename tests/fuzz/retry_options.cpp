// Any bytes as options: what check() accepts must wait within its bounds and end within its limits,
// what it refuses must name a field and run nothing.

#include <cstdint>
#include <cstring>
#include <string>

#include <weir/context/wait.hpp>
#include <weir/core/assert.hpp>
#include <weir/retry/breaker.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/hedge.hpp>
#include <weir/retry/retry.hpp>

namespace {

using namespace weir;
using namespace std::chrono_literals;

/// Takes values off the front of the input; what is missing is zero.
class bytes {
 public:
  bytes(const std::uint8_t* data, std::size_t size) noexcept : data_(data), left_(size) {}

  template <class T>
  T take() noexcept {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    const std::size_t count = left_ < sizeof(T) ? left_ : sizeof(T);
    if (count > 0) std::memcpy(&value, data_, count);
    data_ += count;
    left_ -= count;
    return value;
  }
  duration time() noexcept { return duration{take<duration::rep>()}; }
  template <class E>
  E name() noexcept {
    return static_cast<E>(take<std::uint8_t>());
  }

 private:
  const std::uint8_t* data_;
  std::size_t left_;
};

retry_options options_of(bytes& in) noexcept {
  const auto given = in.take<std::uint8_t>();
  retry_options o{.initial_backoff = in.time(),
                  .max_backoff = in.time(),
                  .multiplier = in.take<double>(),
                  .jitter = in.name<jitter>(),
                  .randomization = in.take<double>()};
  if ((given & 1U) != 0) o.max_retries = in.take<int>();
  if ((given & 2U) != 0) o.max_duration = in.time();
  if ((given & 4U) != 0) o.total_timeout = in.time();
  if ((given & 8U) != 0) o.attempt_timeout = in.time();
  if ((given & 16U) != 0) o.reset_after = in.time();
  if ((given & 32U) != 0) {
    o.while_draining = in.name<while_draining>();
    o.doomed_wait = in.name<doomed_wait>();
    o.idempotency = in.name<idempotency>();
    o.nested = in.name<nested_retry>();
  }
  o.seed = in.take<std::uint64_t>();
  return o;
}

void look_at_waits(const retry_options& o, bytes& in) {
  backoff waits{o, *o.seed};
  for (int i = 0; i < 100; ++i) {
    const duration wait = i % 8 == 7 ? waits.next(in.time()) : waits.next();
    WEIR_ASSERT(wait >= 0ns && wait <= o.max_backoff, "a wait is out of its bounds");
  }
}

/// A loop on a clock that another flow would have to move: so it runs only as far as its next wait.
void look_at_loop(retry_options o) {
  manual_clock time;
  context_source root{time};
  const bool accepted = o.check().has_value();
  retry attempts{root.get(), o};
  const auto first = wait(attempts.next());
  WEIR_ASSERT(first.has_value() == accepted, "a loop ran under options that are refused, or not");
  if (!accepted) {
    WEIR_ASSERT(first.error().text("field").has_value(), "a refusal names no field");
    WEIR_ASSERT(attempts.reason() == retry_reason::invalid, "a refusal has no reason");
    return;
  }
  attempts.failed(error{errc::busy, "busy"});
  root.cancel();
  WEIR_ASSERT(!wait(attempts.next()), "a loop went on after its context was cancelled");
  WEIR_ASSERT(attempts.reason().has_value(), "a loop has ended without a reason");
}

void look_at_others(bytes& in) {
  manual_clock time;
  const budget_options budget{.per_try = in.take<double>(),
                              .per_success = in.take<double>(),
                              .capacity = in.take<double>(),
                              .initial = in.take<double>(),
                              .floor_per_second = in.take<double>()};
  if (budget.check()) {
    retry_budget shared{budget, time};
    for (int i = 0; i < 50; ++i) {
      shared.tried();
      static_cast<void>(shared.try_withdraw());
      WEIR_ASSERT(shared.available() >= 0, "a budget is overdrawn");
      WEIR_ASSERT(static_cast<double>(shared.available()) <= budget.capacity, "a budget overflows");
      time.advance(1s);
    }
  }
  breaker_options breaker{.failures = in.take<int>(),
                          .window = in.take<int>(),
                          .open_for = in.time(),
                          .max_open_for = in.time(),
                          .probes = in.take<int>(),
                          .slow_start = in.time()};
  breaker.seed = in.take<std::uint64_t>();
  if (breaker.check()) {
    circuit_breaker guard{breaker, time};
    for (int i = 0; i < 100; ++i) {
      if (auto permit = guard.try_enter()) permit->failed(duration{i});
    }
    WEIR_ASSERT(guard.state() == breaker_state::open, "a breaker does not open");
  }
  hedge_options hedge{.delay = in.time(), .percentile = in.take<double>()};
  hedge.max_attempts = in.take<int>();
  hedge.idempotency = in.name<idempotency>();
  static_cast<void>(hedge.check());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  bytes in{data, size};
  const retry_options o = options_of(in);
  if (o.check()) look_at_waits(o, in);
  look_at_loop(o);
  look_at_others(in);
  return 0;
}
