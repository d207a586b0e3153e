#pragma once

#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

#include <weir/retry/call.hpp>
#include <weir/retry/latencies.hpp>
#include <weir/runtime/hop.hpp>
#include <weir/runtime/start.hpp>
#include <weir/sync/channel.hpp>

namespace weir {

/// When a further attempt is started beside those that run.
struct hedge_options {
  duration delay = std::chrono::milliseconds{50};  ///< after the attempt before; see `latencies`
  /// Learns how long attempts take; outlives the call. Once it knows enough, its percentile is the
  /// delay. Null: the delay is fixed.
  recent_latencies* latencies = nullptr;
  double percentile = 0.95;  ///< one call in twenty is hedged

  int max_attempts = 2;                                    ///< at once and in total, 1 to 8
  std::optional<duration> attempt_timeout = std::nullopt;  ///< of each attempt's context
  std::optional<duration> total_timeout = std::nullopt;    ///< of all of them
  weir::idempotency idempotency = weir::idempotency::no;   ///< must be yes: it happens twice
  retry_budget* budget = nullptr;                          ///< pays for all but the first

  /// Nothing, or invalid_argument with a text "field" that names the first option out of its range.
  [[nodiscard]] result<void> check() const;
};
static_assert(std::is_trivially_destructible_v<hedge_options>);

namespace core {

inline constexpr std::size_t most_hedges = 8;

/// Decides when attempts start and when the race is over; the attempts themselves are the caller's.
class hedge_race {
 public:
  hedge_race(const context& ctx, const hedge_options& options);

  /// The parent of each attempt's context.
  [[nodiscard]] const context& scope() const noexcept { return scope_.get(); }

  /// True if another attempt is to start now, paid for.
  bool wants_another() noexcept;
  /// One starts; returns its number.
  int begin() noexcept;
  /// Nothing runs, and nothing more will.
  [[nodiscard]] bool over() const noexcept { return over_ || (running_ == 0 && no_more_); }

  /// Waits for the end of an attempt, whose number this is; nothing when it is time to look
  /// whether another one is wanted.
  task<std::optional<int>> next_end();
  /// Told by each attempt at its end; its number is in range and told once, so there is room.
  void ended(int number) noexcept { static_cast<void>(ends_.try_send(number)); }

  void succeeded() noexcept;
  void failed(int number, error why, retry_verdict verdict) noexcept;
  void threw() noexcept { over_ = true; }
  /// Cancels what still runs.
  void cancel_rest() noexcept;

  /// What to return when nobody succeeded.
  [[nodiscard]] error failure();

 private:
  void stop(retry_reason why) noexcept;

  context outer_;
  hedge_options options_;
  clock& clock_;
  context_scope scope_;
  channel<int> ends_{most_hedges};
  std::array<time_point, most_hedges> begun_{};
  duration delay_;
  time_point start_;
  time_point next_start_;
  std::optional<error> last_;
  retry_reason reason_ = retry_reason::attempts;
  int started_ = 0;
  std::uint32_t running_ = 0;  // a bit for each attempt
  bool no_more_ = false;
  bool over_ = false;
};

/// Says at the end of its block, whatever the way out, that the attempt has ended.
class hedge_end {
 public:
  hedge_end(hedge_race& race, int number) noexcept : race_(race), number_(number) {}
  ~hedge_end() { race_.ended(number_); }
  hedge_end(const hedge_end&) = delete;
  hedge_end& operator=(const hedge_end&) = delete;

 private:
  hedge_race& race_;
  int number_;
};

/// All attempts are joined, so nothing is left to tell here.
struct hedge_tail {
  static void ended(task_record&) noexcept {}
  static void unhandled(task_record&, const std::exception_ptr&) noexcept {
    WEIR_ASSERT(false, "what a hedged attempt threw was asked for by nobody");
  }
};

template <class T, class F>
struct hedged_attempt {
  hedged_attempt(hedge_race& in, F& fn, int number, context_options limits)
      : race(in), call(fn), mark{number}, scope(in.scope(), limits) {
    context_state& state = *scope.get().state();
    state.key = &retrying;
    state.value = std::shared_ptr<const void>{std::shared_ptr<const void>{}, &mark};
  }

  void start(executor& where) {
    auto body = [this] { return run(this); };
    handle = core::start(where, {.name = "weir.hedge"}, scope.get(), body, hedge_tail{});
  }

  static task<T> run(hedged_attempt* self) {
    const hedge_end told{self->race, self->mark.attempt};
    const retry_attempt attempt{.context = self->scope.get(), .number = self->mark.attempt};
    auto trying = call_attempt(self->call, attempt);
    co_return co_await std::move(trying);
  }

  hedge_race& race;
  F& call;
  retry_mark mark;
  context_scope scope;
  task_handle<T> handle;
};

template <class T, class F, class C>
task<T> hedge_task(context ctx, hedge_options options, given<F> fn, given<C> classify) {
  if (auto valid = options.check(); !valid) co_return std::unexpected(std::move(valid).error());
  using attempt = hedged_attempt<T, std::remove_reference_t<F>>;
  hedge_race race{ctx, options};
  executor& here = this_executor();
  std::array<std::unique_ptr<attempt>, most_hedges> attempts;
  std::optional<T> winner;
  std::exception_ptr thrown;

  while (!race.over()) {
    if (race.wants_another()) {
      const int number = race.begin();
      auto& made = attempts[static_cast<std::size_t>(number)];
      made = std::make_unique<attempt>(race, fn.get(), number,
                                       context_options{.timeout = options.attempt_timeout});
      made->start(here);
    }
    const std::optional<int> ended = co_await race.next_end();
    if (!ended) continue;
    auto& one = attempts[static_cast<std::size_t>(*ended)];
    try {
      auto done = co_await one->handle.join({});
      if (done) {
        race.succeeded();
        winner.emplace(std::move(done));
      } else {
        const retry_verdict verdict = classify.get()(std::as_const(done).error());
        race.failed(*ended, std::move(done).error(), verdict);
      }
    } catch (...) {
      race.threw();
      thrown = std::current_exception();
    }
    one.reset();
  }

  race.cancel_rest();
  for (auto& one : attempts) {
    if (!one) continue;
    try {
      static_cast<void>(co_await one->handle.join({}));
    } catch (...) {
      if (!thrown) thrown = std::current_exception();
    }
    one.reset();
  }
  if (thrown) std::rethrow_exception(thrown);
  if (winner) co_return *std::move(winner);
  co_return std::unexpected(race.failure());
}

}  // namespace core

/// Problem: one slow server among many, or one slow moment, decides the slowest calls of a service.
///
/// Calls `fn`, and once more beside it if no answer has come for a while, or at once if an attempt
/// failed in a way that another may help; the first success wins. Those that lost are cancelled
/// *and awaited*: when this has returned, nothing of it runs any more.
///
///     auto fetch = [&](const weir::context& attempt) { return replicas.read(attempt, key); };
///     auto row = co_await weir::hedged_call(
///         ctx, {.delay = 20ms, .idempotency = weir::idempotency::yes, .budget = &budget}, fetch);
///
/// Requires: `fn` as in `retry_call`, in the form that returns `task<result<T>>`; several of its
/// tasks may run at once, so what it shares is safe for that. It may happen twice: the options must
/// say `idempotency::yes`, else the call is refused. It looks at its context, or this waits for it.
/// Guarantees: the first attempt starts at once, even when cancelled. No more than max_attempts.
/// Suspends: until the first success, or the last failure, and the end of the others.
/// Errors: the last attempt's, as the cause of one that has its code, the texts "reason" and the
/// numbers "attempts" and "elapsed"; invalid_argument. What `fn` throws ends the race and is passed
/// on, also by an attempt that lost.
/// Cancellation: ends all attempts. A context that drains starts no further one.
/// Cost: a task for each attempt, on the executor of the caller.
/// Source: Dean and Barroso, "The Tail at Scale"; gRPC's hedging (A6).
template <class F, retry_classifier C = retry_verdict(*)(const error&) noexcept>
auto hedged_call(const context& ctx, const hedge_options& options, F&& fn,
                 C&& classify = &retry_if_transient) {
  using returned = core::attempt_result<std::remove_reference_t<F>>;
  static_assert(is_task<returned> && core::is_result<returned>,
                "fn returns weir::task<weir::result<T>>: attempts run beside each other");
  static_assert(core::safe_in_co_await<F> && core::safe_in_co_await<C>,
                "name the lambda first: g++ 12 destroys a temporary twice inside a co_await");
  return core::hedge_task<typename returned::value_type, F, C>(
      ctx, options, core::given<F>{std::forward<F>(fn)}, core::given<C>{std::forward<C>(classify)});
}

}  // namespace weir
