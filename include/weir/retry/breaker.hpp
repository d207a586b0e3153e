#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include <weir/core/clock.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/retry/backoff.hpp>
#include <weir/retry/call.hpp>
#include <weir/retry/verdict.hpp>

namespace weir {

/// When a breaker opens, for how long, and how it closes again.
struct breaker_options {
  int failures = 10;  ///< as many failures ...
  int window = 20;    ///< ... among this many calls open it; at most 64. Equal: all in a row
  duration open_for = std::chrono::seconds{1};       ///< before the first probe
  duration max_open_for = std::chrono::seconds{30};  ///< doubling after each probe that fails
  int probes = 1;                                  ///< that succeed, one by one, until it recovers
  duration slow_start = std::chrono::seconds{10};  ///< from a tenth of the calls to all; 0: none
  /// Same seed, same times. Not set: every breaker has its own, so that clients do not probe in
  /// step.
  std::optional<std::uint64_t> seed = std::nullopt;

  /// Nothing, or invalid_argument with a text "field" that names the first option out of its range.
  [[nodiscard]] result<void> check() const;
};
static_assert(std::is_trivially_destructible_v<breaker_options>);

enum class breaker_state : std::uint8_t { closed, open, half_open, recovering };

/// The state's name, as in "half_open".
const char* name_of(breaker_state state) noexcept;

class breaker_permit;

/// Problem: calls to a server that is down cost their timeout each, hold what they hold for as
/// long, and keep the server down when it comes back.
///
/// Looks at how calls end, and refuses new ones at once while they fail.
///
///              failures of the last window (settle)
///   closed ───────────────────────────────────────────► open ◄───────────────────┐
///     ▲ ▲                                                │                       │
///     │ │                           open_for is over     │                       │
///     │ │                           (try_enter)          ▼      the probe fails  │
///     │ └──────────────────────────────────────────── half_open ─────────────────┤
///     │      probes succeed, without slow_start          │      (settle)         │
///     │      (settle)                                    │ probes succeed        │
///     │                                                  ▼ (settle)              │
///     └──────────────────────────────────────────── recovering ──────────────────┘
///            slow_start is over (try_enter)                failures (settle)
///
/// In half_open one call at a time is let through, the *probe*; a probe that is dropped without a
/// result lets the next call be one. In recovering a growing share of the calls is let through.
///
/// It shares its classifier with `retry_call`: what another attempt may help is a failure of the
/// server; a permanent error is an answer, so the server works. A call that was cancelled is
/// neither. A hint of the server makes it stay open as long (up to max_open_for).
///
/// Around it, a retry: a refused attempt fails with `unavailable` and with the time until the next
/// probe as a hint, which the loop waits out.
///
///     auto fetch = [&](const weir::context& attempt) { return client.fetch(attempt, key); };
///     auto guarded = [&](const weir::context& attempt) {
///       return weir::call_through(breaker, attempt, fetch);
///     };
///     auto row = co_await weir::retry_call(ctx, {.max_retries = 3}, guarded);
///
/// Requires: options that `check()` accepts (asserted in every build); outlives its permits.
/// Guarantees: at most one probe at any moment. A call that began before the breaker opened says
/// nothing about what came after, and is not counted.
/// Blocks: never. Errors: unavailable, with the texts "breaker" (the state) and, when it is known,
/// the number "retry after". Thread safety: all members.
/// Cost: a short lock to enter and one to settle; no clock while it is closed and calls succeed; an
/// allocation for the error of a refusal.
/// Source: Nygard, "Release It!"; Polly; the slow start is Envoy's.
class circuit_breaker {
 public:
  explicit circuit_breaker(const breaker_options& options = {},
                           clock& time = steady_clock()) noexcept;
  circuit_breaker(const circuit_breaker&) = delete;
  circuit_breaker& operator=(const circuit_breaker&) = delete;

  /// Lets a call through, which is settled with the permit; or refuses it.
  [[nodiscard]] result<breaker_permit> try_enter();

  [[nodiscard]] breaker_state state() const noexcept;

  /// How often it has opened, and how many calls it has refused.
  struct figures {
    std::uint64_t opened;
    std::uint64_t refused;
  };
  [[nodiscard]] figures read() const noexcept;

 private:
  friend class breaker_permit;

  enum class outcome : std::uint8_t { succeeded, failed, abandoned };
  struct refusal {
    breaker_state state;
    std::optional<duration> retry_after;
  };

  std::optional<refusal> enter(time_point now) noexcept WEIR_REQUIRES(mutex_);
  void settle(std::uint64_t epoch, outcome how, std::optional<duration> hint) noexcept;
  void count(bool failed, time_point now, std::optional<duration> hint) noexcept
      WEIR_REQUIRES(mutex_);
  void settle_probe(outcome how, time_point now, std::optional<duration> hint) noexcept
      WEIR_REQUIRES(mutex_);
  void open(time_point now, std::optional<duration> hint) noexcept WEIR_REQUIRES(mutex_);
  void close() noexcept WEIR_REQUIRES(mutex_);

  const breaker_options options_;
  clock& clock_;
  mutable core::mutex mutex_;
  breaker_state state_ WEIR_GUARDED_BY(mutex_) = breaker_state::closed;
  bool probing_ WEIR_GUARDED_BY(mutex_) = false;       // a probe is under way
  int probes_left_ WEIR_GUARDED_BY(mutex_) = 0;        // until it recovers
  std::uint64_t epoch_ WEIR_GUARDED_BY(mutex_) = 0;    // of the permits that count
  std::uint64_t history_ WEIR_GUARDED_BY(mutex_) = 0;  // the last calls, a bit for each failure
  double credit_ WEIR_GUARDED_BY(mutex_) = 0;          // of calls, while it recovers
  time_point since_ WEIR_GUARDED_BY(mutex_){};         // recovering; open: until then
  weir::backoff open_times_ WEIR_GUARDED_BY(mutex_);
  figures figures_ WEIR_GUARDED_BY(mutex_){};
};

/// A call that a breaker has let through. Settle it once; dropped, it says nothing. Movable;
/// belongs to one flow at a time.
class [[nodiscard]] breaker_permit {
 public:
  breaker_permit(breaker_permit&& other) noexcept
      : from_(std::exchange(other.from_, nullptr)), epoch_(other.epoch_) {}
  breaker_permit& operator=(breaker_permit&& other) noexcept {
    std::swap(from_, other.from_);
    std::swap(epoch_, other.epoch_);
    return *this;
  }
  ~breaker_permit() { settle(circuit_breaker::outcome::abandoned, std::nullopt); }

  void succeeded() noexcept { settle(circuit_breaker::outcome::succeeded, std::nullopt); }
  void failed(std::optional<duration> hint = std::nullopt) noexcept {
    settle(circuit_breaker::outcome::failed, hint);
  }
  /// By the error of the call, and what the classifier made of it.
  void settle(const error& why, retry_verdict verdict) noexcept {
    if (why.code() == errc::cancelled) return;
    if (verdict.again()) {
      failed(verdict.hint());
    } else {
      succeeded();
    }
  }

 private:
  friend class circuit_breaker;

  breaker_permit(circuit_breaker& from, std::uint64_t epoch) noexcept
      : from_(&from), epoch_(epoch) {}
  void settle(circuit_breaker::outcome how, std::optional<duration> hint) noexcept {
    if (from_ != nullptr) std::exchange(from_, nullptr)->settle(epoch_, how, hint);
  }

  circuit_breaker* from_;
  std::uint64_t epoch_;
};

namespace core {

template <class R, class C>
void settle_call(breaker_permit& permit, const R& done, C& classify) {
  if (done) {
    permit.succeeded();
  } else {
    permit.settle(done.error(), classify(done.error()));
  }
}

template <class F>
decltype(auto) call_bare(F& fn, const context& ctx) {
  if constexpr (std::invocable<F&, const context&>) {
    return fn(ctx);
  } else {
    return fn();
  }
}

template <class T, class F, class C>
task<T> guarded_task(circuit_breaker* breaker, context ctx, given<F> fn, given<C> classify) {
  auto permit = breaker->try_enter();
  if (!permit) co_return std::unexpected(std::move(permit).error());
  auto calling = call_bare(fn.get(), ctx);
  auto done = co_await std::move(calling);
  settle_call(*permit, done, classify.get());
  co_return done;
}

}  // namespace core

/// Calls `fn` if the breaker lets it, and tells the breaker how it ended. As in `retry_call`, `fn`
/// takes the context or nothing and returns `result<T>` (blocks) or `task<result<T>>` (a task).
/// What it throws is passed on and says nothing to the breaker.
template <class F, retry_classifier C = retry_verdict(*)(const error&) noexcept>
auto call_through(circuit_breaker& breaker, const context& ctx, F&& fn,
                  C&& classify = &retry_if_transient) {
  using returned = std::remove_cvref_t<decltype(core::call_bare(fn, ctx))>;
  static_assert(core::is_result<returned>, "fn returns weir::result<T>, or a weir::task of it");
  if constexpr (is_task<returned>) {
    static_assert(core::safe_in_co_await<F> && core::safe_in_co_await<C>,
                  "name the lambda first: g++ 12 destroys a temporary twice inside a co_await");
    return core::guarded_task<typename returned::value_type, F, C>(
        &breaker, ctx, core::given<F>{std::forward<F>(fn)},
        core::given<C>{std::forward<C>(classify)});
  } else {
    auto permit = breaker.try_enter();
    if (!permit) return returned{std::unexpected(std::move(permit).error())};
    returned done = core::call_bare(fn, ctx);
    core::settle_call(*permit, done, classify);
    return done;
  }
}

}  // namespace weir
