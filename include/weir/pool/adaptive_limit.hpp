#pragma once

#include <cstddef>
#include <cstdint>

#include <weir/core/clock.hpp>

namespace weir {

/// Problem: a server does less, the more is asked of it at once: beyond some number of busy
/// connections throughput falls, and every caller waits longer. That number is another one on each
/// machine and changes with the load, so nobody sets it right.
///
/// Finds how many resources should be in use at once, by trying: measures the rate of returns under
/// the present limit and under another one in turns, and takes the other if it is better.
///
///            trial decided: take it, or keep the base and try the other direction
///               ┌───────────────────────────┐
///               ▼                           │
///   free ──► measuring: base, trial, trial, base, … ──► resting (both directions were worse
///    ▲  a return that        │                              │    with the smallest step)
///    │  somebody waited for  │                              │ rest is over, or the rate is
///    └───────────────────────┘ nobody waits any more        └──► another one: measuring
///
/// Guarantees: between 1 and `most`. *Better* means: from n to m the rate changes by more than 15 %
/// of what the change of the limit would promise, so of two limits that do the same the lower one
/// wins, and the limit settles at the knee from any start. Base and trial alternate, so that a load
/// that changes by itself favours neither; a decision waits until it is clear, given how much
/// windows differ on this machine, or enough pairs are measured, which then must speak for it. Only
/// a start doubles the limit on the first sign that this is better: until it is not, for the first
/// time. From one it tries four, three and two, and after a rest two and four: two that wait for a
/// log in turns may do no more than one. What a limit is worth may show only after a while, when
/// the scheduler of the server's machine has moved who is left. So a first search is quick, with
/// windows of 20 ms and 12 pairs at most, and the rest after it is as long as the search; the next
/// one waits 80 ms after each change and has windows of 80 ms, 8 pairs and a rest 4 times as long;
/// all later ones 320 ms, 320 ms, 4 pairs and 10 times. Where few are busy the wait is longer: 480
/// ms divided by their number. Two steps the same way, one of them clear, make the windows shorter
/// again. A window of the base is 3 times as long as one of the trial in the second search and 8
/// times in later ones, so that a trial of a worse limit costs little. No rest is longer than 20 s,
/// and it ends early if two windows in a row are faster, or slower, by two fifths; so does a slow
/// search if two of the base are. Without a queue nothing is measured, and nothing changes: a
/// window goes on when somebody waits again within 20 s.
///
/// Thread safety: guarded by its owner. Cost: a count per return, and a look at the clock after
/// each 8 returns and whenever somebody waits again; at rest after each 8 once there were 400. A
/// window has 40 returns at least, in a start 16 in 5 ms, at rest 400 in 200 ms.
///
/// Source: trials with TCP Vegas (never comes down from a high start) and hill climbing (wanders);
/// the alternating measurement is that of an A/B test.
class adaptive_limit {
 public:
  adaptive_limit(std::size_t most, std::size_t start) noexcept;

  [[nodiscard]] std::size_t limit() const noexcept { return limit_; }

  void set_most(std::size_t most) noexcept;

  enum class demand : std::uint8_t {
    none,       ///< nobody waits
    saturated,  ///< somebody waits, and as many are in use as may be
    filling,    ///< somebody waits, and more are being opened for them
  };
  /// A resource came home. The demand is that before its return.
  void returned(demand now, const clock& time) noexcept;

 private:
  enum class side : std::uint8_t { base, trial };

  void begin_trial() noexcept;
  void begin_pair() noexcept;
  void begin_window(side which) noexcept;
  void end_window(double rate) noexcept;
  [[nodiscard]] bool changed(double rate) noexcept;
  void decide(bool accept, bool clear) noexcept;
  void rest() noexcept;
  void rested(const clock& time) noexcept;
  [[nodiscard]] bool departs(double rate, double& known) noexcept;
  [[nodiscard]] bool at_end() const noexcept;
  [[nodiscard]] std::size_t candidate(bool up, std::size_t step) const noexcept;
  void smaller_step() noexcept;
  [[nodiscard]] std::size_t returns() const noexcept;
  [[nodiscard]] duration settle() const noexcept;
  [[nodiscard]] duration least_window() const noexcept;
  void resume(const clock& time) noexcept;

  std::size_t most_;
  std::size_t base_;
  std::size_t trial_;
  std::size_t limit_;

  // The step: how far, and whether up.
  std::size_t step_ = 0;  // index into the factors
  bool up_ = true;
  bool growing_ = true;  // from the start, without a step back so far
  bool clear_ = false;   // so was the last that was accepted
  int rejected_ = 0;     // in a row, with this step; −1: the last was accepted

  // The trial: logarithms of the ratios of the two rates.
  int windows_ = 0;
  double base_rate_ = 0;
  double trial_rate_ = 0;
  int pairs_ = 0;
  double sum_ = 0;
  double squares_ = 0;
  double noise_ = 0;              // variance of one such logarithm, of all trials so far
  double long_rate_ = 0;          // of the last long window of a base,
  std::size_t long_rate_of_ = 0;  // which was this one

  // The window.
  side side_ = side::base;
  std::size_t skip_ = 0;  // returns that still belong to the limit before
  bool settling_ = false;
  std::size_t seen_ = 0;   // returns,
  duration took_{};        // and in what time: without pauses, up to the last look at the clock
  std::size_t fresh_ = 0;  // returns since then
  time_point began_{};     // the last look, or the end of a pause
  bool paused_ = false;    // nobody waits
  std::size_t idle_ = 0;   // returns of the trial that nobody waited for, in a row

  // The rest.
  std::uint64_t searched_ = 0;  // returns since the last one
  std::uint64_t resting_ = 0;   // returns left
  std::size_t effort_ = 0;      // of a search: more after each rest, less on a long way
  time_point rest_until_ = time_point::max();
  double rest_rate_ = 0;  // 0: not measured yet
  int changed_ = 0;       // windows in a row that were slower (negative) or faster
};

}  // namespace weir
