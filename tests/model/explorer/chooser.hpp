#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace weir::model {

/// A small fast generator (splitmix64): the same seed gives the same run on every machine.
class dice {
 public:
  explicit dice(std::uint64_t seed = 0) noexcept : state_(seed) {}
  std::uint64_t next() noexcept {
    std::uint64_t z = (state_ += 0x9E3779B97F4A7C15U);
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  unsigned below(unsigned bound) noexcept { return static_cast<unsigned>(next() % bound); }

 private:
  std::uint64_t state_;
};

/// One thing that may happen next.
struct candidate {
  enum class how : std::uint8_t { run, timeout, spurious, plain };
  std::uint8_t thread = 0;
  how kind = how::plain;
};

/// A choice as the execution puts it: what could happen, and which of it the bounds allow.
struct question {
  std::uint32_t signature = 0;  // must be the same in a rerun
  std::uint16_t allowed = 0;    // bit i: candidate i is within the bounds
  std::uint8_t count = 0;
  std::uint8_t current = 0;
  bool relaxed = false;  // the current thread spins
  unsigned step = 0;
  const candidate* candidates = nullptr;
};

/// Answers every question of an execution, remembers the answers, and knows the next execution.
///
///   exhaustive  depth-first: the last answer that has an allowed successor moves on
///   random      uniform over what is possible
///   pct         random priorities with a few random change points (Burckhardt et al., 2010): finds
///               a bug of depth d with probability >= 1/(n k^(d-1))
///   replay      a written-down schedule, then always the first candidate
class chooser {
 public:
  enum class mode : std::uint8_t { exhaustive, random, pct, replay };

  void start_exhaustive() noexcept;
  void start_random(std::uint64_t seed) noexcept;
  void start_pct(std::uint64_t seed, unsigned depth, unsigned expected_steps);
  /// False if `schedule` is not one.
  [[nodiscard]] bool start_replay(std::string_view schedule);
  /// Replays what was chosen last.
  void start_replay();

  /// The answer: an index below `q.count`. Sets differs() if a rerun asks another question.
  unsigned choose(const question& q);

  /// Answers `first of many` without asking: the bounds leave nothing else.
  void take_first(std::uint32_t signature, unsigned count);

  /// After an exhaustive execution: false when all have been run.
  [[nodiscard]] bool next_execution() noexcept;

  /// Whether the bounds apply: only the exhaustive search needs them in order to end.
  [[nodiscard]] bool bounded() const noexcept { return mode_ == mode::exhaustive; }

  /// The next execution repeats the last one to its end.
  void repeat() noexcept;

  /// A rerun that ended before it came to where it should have gone another way.
  [[nodiscard]] bool ended_early() const noexcept { return position_ < prefix_; }

  [[nodiscard]] bool differs() const noexcept { return differs_; }
  [[nodiscard]] unsigned choices() const noexcept { return static_cast<unsigned>(position_); }

  /// The schedule as a short text: runs of first candidates as a number, others as a letter.
  [[nodiscard]] std::string text() const;

 private:
  struct answer {
    std::uint32_t signature;
    std::uint16_t allowed;
    std::uint8_t count;
    std::uint8_t taken;
  };

  unsigned invent(const question& q);
  unsigned by_priority(const question& q);

  std::vector<answer> path_;
  std::vector<std::uint8_t> script_;
  std::vector<unsigned> change_points_;
  std::uint64_t priority_[16] = {};
  std::uint64_t lowest_ = 0;
  std::size_t position_ = 0;
  std::size_t prefix_ = 0;  // answers that a rerun repeats
  std::size_t next_change_ = 0;
  dice dice_;
  mode mode_ = mode::exhaustive;
  bool differs_ = false;
};

}  // namespace weir::model
