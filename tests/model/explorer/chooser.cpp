#include "explorer/chooser.hpp"

#include <algorithm>
#include <bit>

#include "explorer/memory.hpp"

namespace weir::model {
namespace {

/// The chooser's vectors outlive the execution: they must not grow inside its arena.
class outside_the_arena {
 public:
  outside_the_arena() noexcept : was_(memory::in_use()) { memory::use(false); }
  ~outside_the_arena() { memory::use(was_); }
  outside_the_arena(const outside_the_arena&) = delete;
  outside_the_arena& operator=(const outside_the_arena&) = delete;

 private:
  bool was_;
};

}  // namespace

void chooser::start_exhaustive() noexcept {
  mode_ = mode::exhaustive;
  path_.clear();
  position_ = prefix_ = 0;
  differs_ = false;
}

void chooser::start_random(std::uint64_t seed) noexcept {
  start_exhaustive();
  mode_ = mode::random;
  dice_ = dice(seed);
}

void chooser::start_pct(std::uint64_t seed, unsigned depth, unsigned expected_steps) {
  start_random(seed);
  mode_ = mode::pct;
  // High priorities are random; a change point or a spin drops a thread below all of them.
  for (auto& priority : priority_) priority = (dice_.next() >> 1U) | (std::uint64_t{1} << 63U);
  lowest_ = std::uint64_t{1} << 62U;
  change_points_.clear();
  for (unsigned i = 0; i < depth; ++i) {
    change_points_.push_back(dice_.below(std::max(1U, expected_steps)));
  }
  std::sort(change_points_.begin(), change_points_.end());
  next_change_ = 0;
}

bool chooser::start_replay(std::string_view schedule) {
  start_exhaustive();
  mode_ = mode::replay;
  script_.clear();
  std::size_t run = 0;
  for (const char c : schedule) {
    if (c >= '0' && c <= '9') {
      run = run * 10 + static_cast<std::size_t>(c - '0');
      if (run > 10'000'000) return false;
    } else if (c >= 'a' && c <= 'p') {
      script_.insert(script_.end(), run, 0);
      script_.push_back(static_cast<std::uint8_t>(c - 'a' + 1));
      run = 0;
    } else {
      return false;
    }
  }
  return true;
}

void chooser::start_replay() {
  std::vector<std::uint8_t> script;
  for (std::size_t i = 0; i < position_; ++i) script.push_back(path_[i].taken);
  start_exhaustive();
  mode_ = mode::replay;
  script_ = std::move(script);
}

unsigned chooser::by_priority(const question& q) {
  if (next_change_ < change_points_.size() && q.step >= change_points_[next_change_]) {
    ++next_change_;
    priority_[q.current] = --lowest_;
  }
  if (q.relaxed) priority_[q.current] = --lowest_;
  unsigned best = q.count;
  for (unsigned i = 0; i < q.count; ++i) {
    const candidate& c = q.candidates[i];
    if (c.kind != candidate::how::run && dice_.below(4) != 0) continue;
    if (best == q.count || priority_[c.thread] > priority_[q.candidates[best].thread]) best = i;
  }
  return best == q.count ? dice_.below(q.count) : best;
}

unsigned chooser::invent(const question& q) {
  switch (mode_) {
    case mode::exhaustive:
      return static_cast<unsigned>(std::countr_zero(q.allowed));
    case mode::replay: {
      const unsigned taken = position_ < script_.size() ? script_[position_] : 0;
      if (taken >= q.count) differs_ = true;
      return taken < q.count ? taken : 0;
    }
    case mode::random:
      if (q.candidates == nullptr) break;
      return dice_.below(q.count);
    case mode::pct:
      if (q.candidates == nullptr) break;
      return by_priority(q);
  }
  // A surprise (a weak failure) or a wake among several: the surprise is the rare one.
  if (q.count == 2) return dice_.below(8) == 0 ? 1 : 0;
  return dice_.below(q.count);
}

unsigned chooser::choose(const question& q) {
  if (position_ < prefix_) {
    const answer& before = path_[position_];
    if (before.signature != q.signature || before.count != q.count) differs_ = true;
    ++position_;
    return before.taken < q.count ? before.taken : 0;
  }
  const unsigned taken = invent(q);
  if (path_.size() == path_.capacity()) {
    const outside_the_arena scope;
    path_.reserve(path_.capacity() * 2 + 1024);
  }
  path_.push_back({q.signature, q.allowed, q.count, static_cast<std::uint8_t>(taken)});
  ++position_;
  return taken;
}

void chooser::take_first(std::uint32_t signature, unsigned count) {
  question q;
  q.signature = signature;
  q.count = static_cast<std::uint8_t>(count);
  q.allowed = 1;
  choose(q);
}

void chooser::repeat() noexcept {
  path_.resize(position_);
  position_ = 0;
  prefix_ = path_.size();
}

bool chooser::next_execution() noexcept {
  path_.resize(position_);
  while (!path_.empty()) {
    answer& last = path_.back();
    const unsigned later = static_cast<unsigned>(last.allowed) & ~((2U << last.taken) - 1U);
    if (later != 0) {
      last.taken = static_cast<std::uint8_t>(std::countr_zero(later));
      break;
    }
    path_.pop_back();
  }
  position_ = 0;
  prefix_ = path_.size();
  return prefix_ != 0;
}

std::string chooser::text() const {
  std::string out;
  std::size_t run = 0;
  for (std::size_t i = 0; i < position_; ++i) {
    if (path_[i].taken == 0) {
      ++run;
      continue;
    }
    if (run != 0) out += std::to_string(run);
    out += static_cast<char>('a' + path_[i].taken - 1);
    run = 0;
  }
  return out.empty() ? "0" : out;
}

}  // namespace weir::model
