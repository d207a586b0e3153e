#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <weir/pool/adaptive_limit.hpp>

namespace weir {
namespace {

using std::chrono::milliseconds;

constexpr std::array factors{2.0, 1.5, 1.25, 1.1};
constexpr std::size_t step_after_rest = 2;  // each wrong try costs throughput
constexpr std::size_t clock_every = 8;

// A window has so many returns at least and takes so long, in which each thread of the server had
// its slice of the scheduler several times. Those of a start are short: its steps double the limit.
constexpr std::size_t window = 40;
constexpr std::size_t first_window = 16;
constexpr duration least_window = milliseconds{20};
constexpr int longer_windows = 2;  // twice as long after a rest: a smaller step is sought
constexpr duration least_first_window = milliseconds{5};

// In standard deviations. A start's mistake is found out later, and a start should be short.
constexpr double sure = 2.5;
constexpr double sure_at_first = 1;
constexpr double likely = 0.5;  // enough to go up after so many pairs
constexpr int least_pairs = 2;
constexpr int most_pairs = 12;
constexpr double known_noise = 20;  // pairs that count as much as what was known before

constexpr double worth = 0.15;    // of the promised change
constexpr double farthest = 2;    // times that change: beyond it somebody else disturbed a window
constexpr double another = 0.35;  // logarithm of a ratio: no longer the same server

// A rest is so many times as long as the search before it, which costs throughput. It has an end
// since a server that could do more under a higher limit looks the same under the present one.
constexpr std::uint64_t first_rest = 2;
constexpr std::uint64_t longest_rest = 8;
constexpr duration at_most_rests = std::chrono::seconds{10};
constexpr std::size_t rest_window = 10;  // windows

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

std::size_t adaptive_limit::candidate(bool up, std::size_t step) const noexcept {
  const auto n = static_cast<double>(base_);
  const auto next =
      static_cast<std::size_t>(std::lround(up ? n * factors[step] : n / factors[step]));
  if (up) return std::min(std::max(next, base_ + 1), most_);
  return std::max<std::size_t>(std::min(next, base_ - 1), 1);
}

void adaptive_limit::smaller_step() noexcept {
  const auto tries = [this](std::size_t step) {
    return std::pair{candidate(false, step), candidate(true, step)};
  };
  const auto before = tries(step_);
  do {
    ++step_;
  } while (step_ < factors.size() && tries(step_) == before);  // of a low limit they are the same
}

void adaptive_limit::begin_trial() noexcept {
  if ((up_ && base_ == most_) || (!up_ && base_ == 1)) {
    up_ = !up_;
    rejected_ = std::max(rejected_, 0) + 1;
  }
  trial_ = base_ == most_ && base_ == 1 ? base_ : candidate(up_, step_);
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
  resting_ = next_rest_ * searched_;
  next_rest_ = std::min(2 * next_rest_, longest_rest);
  rests_ = std::min(rests_ + 1, longer_windows);
  searched_ = 0;
  rest_rate_ = 0;
  rest_until_ = time_point::max();
  changed_ = 0;
  step_ = step_after_rest;
  rejected_ = 0;
}

void adaptive_limit::rested(const clock& time) noexcept {
  if (--resting_ == 0) return begin_trial();
  if (seen_ == 0) began_ = time.now();
  if (rest_until_ == time_point::max()) rest_until_ = began_ + at_most_rests;
  ++seen_;
  if (seen_ < rest_window * window || seen_ % clock_every != 0) return;
  const duration took = time.now() - began_;
  if (took < rest_window * least_window) return;
  const double rate = static_cast<double>(seen_) / static_cast<double>(took.count());
  seen_ = 0;
  if (began_ + took >= rest_until_) {
    resting_ = 0;
    return begin_trial();
  }
  const double ratio = rest_rate_ == 0 ? 0 : std::log(rate / rest_rate_);
  if (std::abs(ratio) < another) {
    rest_rate_ += (rate - rest_rate_) * (rest_rate_ == 0 ? 1 : 0.1);
    changed_ = 0;
    return;
  }
  changed_ = ratio > 0 ? std::max(changed_, 0) + 1 : std::min(changed_, 0) - 1;
  if (std::abs(changed_) < 2) return;
  resting_ = 0;
  next_rest_ = first_rest;
  rests_ = 0;
  step_ = 1;
  begin_trial();
}

void adaptive_limit::decide(bool accept) noexcept {
  growing_ = growing_ && accept;
  if (accept) {
    base_ = trial_;
    next_rest_ = std::max(first_rest, next_rest_ / 2);
    // Twice in a row the same way: the goal is far.
    if (rejected_ == -1 && step_ > 0) --step_;
    rejected_ = -1;
  } else {
    up_ = !up_;
    rejected_ = std::max(rejected_, 0) + 1;
    if (rejected_ == 2) {
      rejected_ = 0;
      smaller_step();
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
  const double promised = std::log(static_cast<double>(trial_) / static_cast<double>(base_));
  const double most = farthest * std::abs(promised);
  const double ratio = std::clamp(std::log(trial_rate_ / base_rate_), -most, most);
  ++pairs_;
  sum_ += ratio;
  squares_ += ratio * ratio;
  const double mean = sum_ / pairs_;
  // Two rates of so many returns each vary by this much if holding times are exponential, and more
  // if the machine does. It counts as one more pair, so that two that agree by chance decide
  // nothing.
  const double expected = std::max(noise_, 2.0 / static_cast<double>(returns()));
  const double scatter = std::max(squares_ - pairs_ * mean * mean, 0.0);
  const double deviation = std::sqrt((expected + scatter) / (pairs_ * (pairs_ + 1.0)));
  const double better = (mean - worth * promised) / deviation;
  const bool clear = growing_ ? better > sure_at_first || better < -sure
                              : pairs_ >= least_pairs && std::abs(better) > sure;
  if (clear || pairs_ >= most_pairs) {
    const double others = pairs_ - 1;
    if (others > 0) noise_ += (scatter - others * noise_) / (others + known_noise);
    return decide(better > (trial_ > base_ ? likely : 0));
  }
  begin_window(side_);  // base, trial, trial, base: a drift favours neither
}

void adaptive_limit::returned(demand now, const clock& time) noexcept {
  if (most_ == 1 || now == demand::filling) return;
  if (now == demand::none) {
    if (resting_ != 0) {
      seen_ = 0;  // what is done now is what is asked for
      return;
    }
    const bool enough = side_ == side::trial;
    // The trial is enough for the demand there is: keep it, and see next whether less is, too.
    if (enough) {
      base_ = trial_;
      up_ = !up_;
    }
    return begin_trial();
  }
  if (resting_ != 0) return rested(time);
  ++searched_;
  if (skip_ != 0) {
    if (--skip_ == 0) began_ = time.now();
    return;
  }
  ++seen_;
  if (seen_ < returns() || seen_ % clock_every != 0) return;
  const duration took = time.now() - began_;
  if (took < (growing_ ? least_first_window : least_window * (1 << rests_))) return;
  end_window(static_cast<double>(seen_) / static_cast<double>(took.count()));
}

}  // namespace weir
