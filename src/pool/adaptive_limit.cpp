#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include <weir/pool/adaptive_limit.hpp>

namespace weir {
namespace {

using std::chrono::milliseconds;

constexpr std::array factors{2.0, 1.5, 1.25, 1.1};
// Upwards from one, where those are all 2: who waits for a log that another one is writing has to
// have it written again, so that two may do what one does, and four three times as much. After a
// rest two comes first: a trial is long then, and two is right more often.
constexpr std::array<std::size_t, factors.size()> from_one{4, 3, 2, 4};
constexpr std::size_t step_after_rest = 2;  // each wrong try costs throughput
constexpr std::size_t clock_every = 8;

// A window has so many returns at least and takes so long, in which each thread of the server had
// its slice of the scheduler several times. Those of a start are short: its steps double the limit.
constexpr std::size_t window = 40;
constexpr std::size_t first_window = 16;
constexpr duration least_first_window = milliseconds{5};

// After a rest they are longer, and fewer decide: a change of the limit shows its worth only when
// the scheduler of the server's machine has moved who is left, which takes up to half a second.
// The longer a trial, the more it costs if it is of a worse limit, so the base has more time.
struct effort {
  duration least_window;     // and the wait after a change before it, except in the first search
  std::size_t base_windows;  // as many times the base's window is longer
  int most_pairs;
  std::uint64_t rest;  // times as long as the search before it
};
constexpr std::array efforts{effort{milliseconds{20}, 1, 12, 1}, effort{milliseconds{80}, 3, 8, 4},
                             effort{milliseconds{320}, 8, 4, 10}};

// Of two, both may stay on one processor for a while; many are soon spread by chance. So it takes
// so long divided by how many there are, at least, where a search waits at all.
constexpr duration settles_one = milliseconds{480};

// In standard deviations. A start's mistake is found out later, and a start should be short.
constexpr double sure = 2.5;
constexpr double sure_at_first = 1;
constexpr double likely = 0.5;  // enough to go up after so many pairs
constexpr int least_pairs = 2;
constexpr double known_noise = 20;  // pairs that count as much as what was known before

constexpr double worth = 0.15;    // of the promised change
constexpr double farthest = 2;    // times that change: beyond it somebody else disturbed a window
constexpr double another = 0.35;  // logarithm of a ratio: no longer the same server

// A rest has an end since a server that could do more under a higher limit looks the same under the
// present one.
constexpr duration at_most_rests = std::chrono::seconds{20};
constexpr std::size_t rest_window = 10;  // windows, each of the least effort

}  // namespace

adaptive_limit::adaptive_limit(std::size_t most, std::size_t start) noexcept
    : most_(std::max<std::size_t>(most, 1)),
      base_(std::clamp<std::size_t>(start, 1, most_)),
      trial_(base_),
      limit_(base_) {
  begin_trial();
}

void adaptive_limit::set_most(std::size_t most) noexcept {
  most_ = std::max<std::size_t>(most, 1);
  base_ = std::min(base_, most_);
  begin_trial();
}

bool adaptive_limit::at_end() const noexcept {
  return up_ ? base_ == most_ : base_ == 1;
}

std::size_t adaptive_limit::candidate(bool up, std::size_t step) const noexcept {
  if (up && base_ == 1) return std::min(from_one[step], most_);
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
  if (at_end()) up_ = !up_;
  trial_ = base_ == most_ && base_ == 1 ? base_ : candidate(up_, step_);
  pairs_ = 0;
  sum_ = 0;
  squares_ = 0;
  begin_pair();
}

void adaptive_limit::begin_pair() noexcept {
  windows_ = 0;
  begin_window(side::base);
}

void adaptive_limit::begin_window(side which) noexcept {
  const std::size_t before = limit_;
  side_ = which;
  idle_ = 0;
  limit_ = which == side::base ? base_ : trial_;
  skip_ = std::max(before, limit_);
  settling_ = limit_ != before && effort_ > 0;
  seen_ = 0;
  fresh_ = 0;
  took_ = {};
}

duration adaptive_limit::settle() const noexcept {
  const auto few = static_cast<duration::rep>(std::min(base_, trial_));
  return std::max(efforts[effort_].least_window, settles_one / few);
}

duration adaptive_limit::least_window() const noexcept {
  if (growing_) return least_first_window;
  const effort& now = efforts[effort_];
  return now.least_window * (side_ == side::base ? now.base_windows : 1);
}

std::size_t adaptive_limit::returns() const noexcept {
  return growing_ ? first_window : window;
}

void adaptive_limit::rest() noexcept {
  resting_ = efforts[effort_].rest * searched_;
  effort_ = std::min(effort_ + 1, efforts.size() - 1);
  searched_ = 0;
  rest_rate_ = 0;
  rest_until_ = time_point::max();
  changed_ = 0;
  step_ = step_after_rest;
  rejected_ = 0;
}

/// True: twice in a row the rate is far from what is known of it (0: nothing), on the same side.
bool adaptive_limit::departs(double rate, double& known) noexcept {
  const double ratio = known == 0 ? 0 : std::log(rate / known);
  if (std::abs(ratio) < another) {
    known += (rate - known) * (known == 0 ? 1 : 0.1);
    changed_ = 0;
    return false;
  }
  changed_ = ratio > 0 ? std::max(changed_, 0) + 1 : std::min(changed_, 0) - 1;
  return std::abs(changed_) >= 2;
}

void adaptive_limit::rested(const clock& time) noexcept {
  if (--resting_ == 0) return begin_trial();
  if (seen_ == 0) began_ = time.now();
  if (rest_until_ == time_point::max()) rest_until_ = began_ + at_most_rests;
  ++seen_;
  if (seen_ < rest_window * window || seen_ % clock_every != 0) return;
  const duration took = time.now() - began_;
  if (took < rest_window * efforts[0].least_window) return;
  const double rate = static_cast<double>(seen_) / static_cast<double>(took.count());
  seen_ = 0;
  if (began_ + took >= rest_until_) {
    resting_ = 0;
    return begin_trial();
  }
  if (!departs(rate, rest_rate_)) return;
  resting_ = 0;
  step_ = 1;
  begin_trial();
}

void adaptive_limit::decide(bool accept, bool clear) noexcept {
  growing_ = growing_ && accept;
  if (accept) {
    base_ = trial_;
    if (rejected_ == -1) {  // twice in a row the same way: the goal is far
      if (step_ > 0) --step_;
      if ((clear || clear_) && effort_ > 0) --effort_;  // two guesses would lead to more
    }
    clear_ = clear;
    rejected_ = -1;
  } else {
    up_ = !up_;
    rejected_ = std::max(rejected_, 0) + 1;
    if (rejected_ == 2 || at_end()) {
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

/// A long window of the base tells what a rest would: whether it is still the same server.
bool adaptive_limit::changed(double rate) noexcept {
  if (effort_ + 1 != efforts.size()) return false;
  if (std::exchange(long_rate_of_, base_) != base_) long_rate_ = 0;
  if (!departs(rate, long_rate_)) return false;
  long_rate_ = 0;
  changed_ = 0;
  return true;
}

void adaptive_limit::end_window(double rate) noexcept {
  if (side_ == side::base && changed(rate)) {
    effort_ = 0;
    step_ = 1;
    return begin_trial();
  }
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
  if (clear || pairs_ >= efforts[effort_].most_pairs) {
    const double others = pairs_ - 1;
    if (others > 0) noise_ += (scatter - others * noise_) / (others + known_noise);
    return decide(better > (trial_ > base_ ? likely : 0), clear);
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
    paused_ = true;
    if (side_ == side::base || ++idle_ < window) return;
    // The trial is enough for the demand there is: keep it, and see next whether less is, too.
    base_ = trial_;
    up_ = !up_;
    return begin_trial();
  }
  if (resting_ != 0) return rested(time);
  ++searched_;
  if (paused_) resume(time);
  if (skip_ != 0) {
    if (--skip_ == 0) began_ = time.now();
    return;
  }
  if (++fresh_ < clock_every) return;
  const time_point looked = time.now();
  took_ += looked - began_;
  began_ = looked;
  seen_ += std::exchange(fresh_, 0);
  if (settling_) {
    if (took_ < settle()) return;
    settling_ = false;
    seen_ = 0;
    took_ = {};
    return;
  }
  if (seen_ < returns() || took_ < least_window()) return;
  end_window(static_cast<double>(seen_) / static_cast<double>(took_.count()));
}

/// The callers had gone, and are back: what was measured before still counts, unless it is old.
void adaptive_limit::resume(const clock& time) noexcept {
  paused_ = false;
  idle_ = 0;
  const time_point now = time.now();
  if (now - began_ > at_most_rests) begin_pair();
  fresh_ = 0;
  began_ = now;
}

}  // namespace weir
