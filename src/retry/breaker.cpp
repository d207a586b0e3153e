#include <algorithm>
#include <bit>
#include <string>

#include <weir/core/assert.hpp>
#include <weir/retry/breaker.hpp>

namespace weir {
namespace {

constexpr int most_calls = 64;  // their outcomes are the bits of a word
constexpr double least_share = 0.1;

const char* refused_field(const breaker_options& o) noexcept {
  constexpr duration zero = duration::zero();
  if (o.window < 1 || o.window > most_calls) return "window";
  if (o.failures < 1 || o.failures > o.window) return "failures";
  if (o.open_for <= zero) return "open_for";
  if (o.max_open_for < o.open_for) return "max_open_for";
  if (o.probes < 1) return "probes";
  if (o.slow_start < zero) return "slow_start";
  return nullptr;
}

std::uint64_t seed_of(const breaker_options& options, const void* self, time_point now) noexcept {
  if (options.seed) return *options.seed;
  return reinterpret_cast<std::uintptr_t>(self) ^
         static_cast<std::uint64_t>(now.time_since_epoch().count());
}

}  // namespace

const char* name_of(breaker_state state) noexcept {
  switch (state) {
    case breaker_state::closed:
      return "closed";
    case breaker_state::open:
      return "open";
    case breaker_state::half_open:
      return "half_open";
    case breaker_state::recovering:
      return "recovering";
  }
  return "unknown";
}

result<void> breaker_options::check() const {
  const char* field = refused_field(*this);
  if (field == nullptr) return {};
  return std::unexpected(
      error{errc::invalid_argument, "an option of a circuit breaker is out of range"}.with(
          "field", std::string{field}));
}

circuit_breaker::circuit_breaker(const breaker_options& options, clock& time) noexcept
    : options_(options),
      clock_(time),
      open_times_({.initial_backoff = options.open_for, .max_backoff = options.max_open_for},
                  seed_of(options, this, time.now())) {
  WEIR_ASSERT(refused_field(options) == nullptr,
              "a circuit breaker was made with options that check() refuses");
}

result<breaker_permit> circuit_breaker::try_enter() {
  {
    core::lock_guard held{mutex_};
    if (state_ == breaker_state::closed) return breaker_permit{*this, epoch_};
  }
  const time_point now = clock_.now();
  std::optional<refusal> refused;
  std::uint64_t epoch = 0;
  {
    core::lock_guard held{mutex_};
    refused = enter(now);
    epoch = epoch_;
    if (refused) ++figures_.refused;
  }
  if (!refused) return breaker_permit{*this, epoch};
  error why = error{errc::unavailable, "not called: the circuit breaker is not closed"}.with(
      "breaker", std::string{name_of(refused->state)});
  if (refused->retry_after) {
    why = std::move(why).with(retry_after_number, std::chrono::nanoseconds{*refused->retry_after});
  }
  return std::unexpected(std::move(why));
}

std::optional<circuit_breaker::refusal> circuit_breaker::enter(time_point now) noexcept {
  if (state_ == breaker_state::open && now >= since_) {
    state_ = breaker_state::half_open;
    probing_ = false;
    probes_left_ = options_.probes;
  }
  if (state_ == breaker_state::recovering && now - since_ >= options_.slow_start) close();
  switch (state_) {
    case breaker_state::closed:
      return std::nullopt;
    case breaker_state::open:
      return refusal{.state = state_, .retry_after = since_ - now};
    case breaker_state::half_open:
      if (probing_) return refusal{.state = state_, .retry_after = std::nullopt};
      probing_ = true;
      return std::nullopt;
    case breaker_state::recovering:
      break;
  }
  // An even share, without chance: every call adds its share, each whole one is let through.
  const double gone = static_cast<double>((now - since_).count());
  credit_ += std::clamp(gone / static_cast<double>(options_.slow_start.count()), least_share, 1.0);
  if (credit_ < 1) return refusal{.state = state_, .retry_after = std::nullopt};
  credit_ -= 1;
  return std::nullopt;
}

void circuit_breaker::settle(std::uint64_t epoch, outcome how,
                             std::optional<duration> hint) noexcept {
  const bool failed = how == outcome::failed;
  {
    core::lock_guard held{mutex_};
    if (epoch != epoch_) return;  // of a time before it opened
    if (state_ != breaker_state::half_open && !failed) {
      if (how == outcome::succeeded) count(false, {}, {});
      return;
    }
  }
  const time_point now = clock_.now();
  core::lock_guard held{mutex_};
  if (epoch != epoch_) return;
  if (state_ == breaker_state::half_open) {
    settle_probe(how, now, hint);
  } else if (failed) {
    count(true, now, hint);
  }
}

void circuit_breaker::count(bool failed, time_point now, std::optional<duration> hint) noexcept {
  const std::uint64_t window =
      ~std::uint64_t{0} >> static_cast<unsigned>(most_calls - options_.window);
  history_ = ((history_ << 1U) | (failed ? 1U : 0U)) & window;
  if (failed && std::popcount(history_) >= options_.failures) open(now, hint);
}

void circuit_breaker::settle_probe(outcome how, time_point now,
                                   std::optional<duration> hint) noexcept {
  probing_ = false;
  if (how == outcome::failed) {
    open(now, hint);
  } else if (how == outcome::succeeded && --probes_left_ == 0) {
    if (options_.slow_start == duration::zero()) {
      close();
      return;
    }
    state_ = breaker_state::recovering;
    since_ = now;
    credit_ = 1;
    history_ = 0;
  }
}

void circuit_breaker::open(time_point now, std::optional<duration> hint) noexcept {
  state_ = breaker_state::open;
  since_ = saturating_add(now, open_times_.next(hint));
  ++epoch_;
  ++figures_.opened;
}

void circuit_breaker::close() noexcept {
  state_ = breaker_state::closed;
  history_ = 0;
  open_times_.reset();
}

breaker_state circuit_breaker::state() const noexcept {
  core::lock_guard held{mutex_};
  return state_;
}

circuit_breaker::figures circuit_breaker::read() const noexcept {
  core::lock_guard held{mutex_};
  return figures_;
}

}  // namespace weir
