#include <algorithm>
#include <array>
#include <cmath>

#include <weir/pool/adaptive_limit.hpp>

namespace weir {
namespace {

constexpr std::array factors{2.0, 1.5, 1.25, 1.1};
constexpr std::size_t window = 40;        // returns
constexpr std::size_t first_window = 16;  // of a start, whose steps double the limit or nothing
constexpr double sure = 2.5;              // standard deviations
constexpr double sure_at_first = 1;       // a mistake is found out later, and a start is short
constexpr duration least_window =
    std::chrono::milliseconds{5};  // below it is the scheduler's noise
constexpr std::size_t clock_every = 8;
constexpr double worth = 0.2;  // of the promised change
constexpr int most_pairs = 12;
constexpr std::uint64_t first_rest = 40;  // windows, each as long as the last one was
constexpr std::uint64_t longest_rest = 16 * first_rest;

}  // namespace

adaptive_limit::adaptive_limit(std::size_t most, std::size_t start) noexcept
    : most_(std::max<std::size_t>(most, 1)),
      base_(std::clamp<std::size_t>(start, 1, most_)),
      trial_(base_),
      limit_(base_),
      next_rest_(first_rest) {
  begin_trial();
}

void adaptive_limit::set_most(std::size_t most) noexcept {
  most_ = std::max<std::size_t>(most, 1);
  base_ = std::min(base_, most_);
  begin_trial();
}

std::size_t adaptive_limit::candidate() const noexcept {
  const auto n = static_cast<double>(base_);
  const auto next =
      static_cast<std::size_t>(std::lround(up_ ? n * factors[step_] : n / factors[step_]));
  if (up_) return std::min(std::max(next, base_ + 1), most_);
  return std::max<std::size_t>(std::min(next, base_ - 1), 1);
}

void adaptive_limit::begin_trial() noexcept {
  if ((up_ && base_ == most_) || (!up_ && base_ == 1)) {
    up_ = !up_;
    rejected_ = std::max(rejected_, 0) + 1;
  }
  trial_ = base_ == most_ && base_ == 1 ? base_ : candidate();
  windows_ = 0;
  pairs_ = 0;
  sum_ = 0;
  squares_ = 0;
  begin_window(side::base);
}

void adaptive_limit::begin_window(side which) noexcept {
  const std::size_t before = limit_;
  side_ = which;
  limit_ = which == side::base ? base_ : trial_;
  skip_ = std::max(before, limit_);
  seen_ = 0;
}

std::size_t adaptive_limit::returns() const noexcept {
  return growing_ ? first_window : window;
}

void adaptive_limit::rest() noexcept {
  limit_ = base_;
  resting_ = next_rest_ * seen_;
  next_rest_ = std::min(2 * next_rest_, longest_rest);
  step_ = 2;  // after it: how is it a quarter up, and down? Each wrong try costs throughput
  rejected_ = 0;
}

void adaptive_limit::decide(bool accept) noexcept {
  growing_ = growing_ && accept;
  if (accept) {
    base_ = trial_;
    next_rest_ = first_rest;
    // Twice in a row the same way: the goal is far.
    if (rejected_ == -1 && step_ > 0) --step_;
    rejected_ = -1;
  } else {
    up_ = !up_;
    rejected_ = std::max(rejected_, 0) + 1;
    if (rejected_ == 2) {
      rejected_ = 0;
      ++step_;
    }
  }
  if (step_ == factors.size()) rest();
  begin_trial();
  if (!growing_) return;
  // The new base was measured as the trial a moment ago, and a start should be short.
  base_rate_ = trial_rate_;
  windows_ = 1;
  begin_window(side::trial);
}

void adaptive_limit::end_window(double rate) noexcept {
  (side_ == side::base ? base_rate_ : trial_rate_) = rate;
  ++windows_;
  if (windows_ % 2 != 0) return begin_window(side_ == side::base ? side::trial : side::base);
  const double ratio = std::log(trial_rate_ / base_rate_);
  ++pairs_;
  sum_ += ratio;
  squares_ += ratio * ratio;
  const double mean = sum_ / pairs_;
  // Two rates of so many returns each vary by this much if holding times are exponential. It
  // counts as one more pair, so that two that agree by chance decide nothing.
  const double expected = 2.0 / static_cast<double>(returns());
  const double scatter = std::max(squares_ - pairs_ * mean * mean, 0.0);
  const double uncertain = (growing_ ? sure_at_first : sure) *
                           std::sqrt((expected + scatter) / (pairs_ * (pairs_ + 1.0)));
  const double wanted = worth * std::log(static_cast<double>(trial_) / static_cast<double>(base_));
  if (pairs_ >= most_pairs || std::abs(mean - wanted) > uncertain) return decide(mean > wanted);
  begin_window(side_);  // base, trial, trial, base: a drift favours neither
}

void adaptive_limit::returned(demand now, const clock& time) noexcept {
  if (most_ == 1 || now == demand::filling) return;
  if (now == demand::none) {
    if (resting_ != 0) return;
    const bool enough = side_ == side::trial;
    // The trial is enough for the demand there is: keep it, and see next whether less is, too.
    if (enough) {
      base_ = trial_;
      up_ = !up_;
    }
    return begin_trial();
  }
  if (resting_ != 0) {
    --resting_;
    return;
  }
  if (skip_ != 0) {
    if (--skip_ == 0) began_ = time.now();
    return;
  }
  ++seen_;
  if (seen_ < returns() || seen_ % clock_every != 0) return;
  const duration took = time.now() - began_;
  if (took < least_window) return;
  end_window(static_cast<double>(seen_) / static_cast<double>(took.count()));
}

}  // namespace weir
