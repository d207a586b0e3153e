#include <algorithm>
#include <cmath>

#include <weir/pool/opening.hpp>

namespace weir::core {
namespace {

constexpr int smoothing = 8;

void smooth(duration& average, duration sample) noexcept {
  average = average == duration::zero() ? sample : average + (sample - average) / smoothing;
}

/// The nth number of splitmix64 (Steele, Lea, Flood 2014), from 0 to 1.
double drawn(std::uint64_t seed, std::uint64_t n) noexcept {
  std::uint64_t z = seed + n * 0x9e3779b97f4a7c15U;
  z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
  return static_cast<double>((z ^ (z >> 31U)) >> 11U) * 0x1p-53;
}

}  // namespace

std::size_t open_policy::soon_served(const figures& f, time_point now) const noexcept {
  if (f.live == 0 || open_time_ < cheap) return 0;
  if (now - f.oldest_wait >= open_time_) return 0;  // the prediction was wrong, or there is none
  if (holding_ == duration::zero()) return f.waiting - 1;
  const double turns =
      static_cast<double>(open_time_.count()) / static_cast<double>(holding_.count());
  return static_cast<std::size_t>(turns * static_cast<double>(f.live));
}

std::size_t open_policy::wanted(const figures& f, time_point now) const noexcept {
  if (f.room == 0) return 0;
  const std::size_t coming = f.opening - overdue_;
  const bool keeps_warm = f.waiting == 0 && f.idle + coming < f.min_idle;
  if (failures_ != 0) {
    const bool asked = f.waiting > f.on_return || keeps_warm;
    return coming == 0 && asked && now >= next_probe_ ? 1 : 0;
  }
  if (coming >= limit_) return 0;
  std::size_t needed = keeps_warm ? f.min_idle - f.idle - coming : 0;
  if (f.waiting > 0) {
    const std::size_t elsewhere = soon_served(f, now) + coming + f.on_return;
    if (f.waiting > elsewhere) needed = std::max(needed, f.waiting - elsewhere);
    const std::size_t there = f.live + coming;
    if (f.tried > there) needed = std::max(needed, f.tried - there);
  }
  return std::min({needed, f.room, limit_ - coming});
}

time_point open_policy::look_again(const figures& f) noexcept {
  time_point when = time_point::max();
  for (open_attempt* a = attempts_.front(); a != nullptr; a = attempts_.next(*a)) {
    if (a->overdue) continue;
    when = overdue_at(*a);
    break;  // they are in the order in which they began
  }
  if (f.room == 0) return when;
  if (failures_ != 0) {
    const bool asked = f.waiting > f.on_return || f.idle < f.min_idle;
    return asked && f.opening == overdue_ ? std::min(when, next_probe_) : when;
  }
  const std::size_t coming = f.opening - overdue_;
  if (f.live > 0 && open_time_ >= cheap && coming < limit_ && f.waiting > coming + f.on_return) {
    when = std::min(when, saturating_add(f.oldest_wait, open_time_));
  }
  return when;
}

void open_policy::began(open_attempt& attempt, time_point now) noexcept {
  attempt.began = now;
  attempt.volley = volley_;
  attempt.probe = failures_ != 0;
  attempts_.push_back(attempt);
}

void open_policy::end(open_attempt& attempt) noexcept {
  intrusive_list<open_attempt>::unlink(attempt);
  if (attempt.overdue) --overdue_;
}

void open_policy::succeeded(open_attempt& attempt, time_point now) noexcept {
  end(attempt);
  smooth(open_time_, std::max(now - attempt.began, duration{1}));
  limit_ = failures_ != 0 ? 1 : std::min(limit_ * 2, how_.max_opening);
  failures_ = 0;
  last_error_.reset();
}

void open_policy::failed(open_attempt& attempt, time_point now, const error& why) noexcept {
  const bool told_before = attempt.overdue;
  end(attempt);
  if (!told_before) note_failure(attempt, now, why);
}

void open_policy::note_failure(const open_attempt& attempt, time_point now,
                               const error& why) noexcept {
  last_error_ = why;
  if (attempt.volley != volley_ && failures_ != 0) return;  // begun before we knew
  ++volley_;
  limit_ = 1;
  next_probe_ = now;
  if (failures_ > 0) {
    const double doubled = std::ldexp(static_cast<double>(how_.backoff_initial.count()),
                                      static_cast<int>(std::min(failures_ - 1, 40U)));
    const double most = std::min(doubled, static_cast<double>(how_.backoff_max.count()));
    const double wait = most * (0.5 + 0.5 * drawn(how_.seed, ++draws_));
    next_probe_ = saturating_add(now, duration{static_cast<duration::rep>(wait)});
  }
  ++failures_;
}

time_point open_policy::overdue_at(const open_attempt& attempt) const noexcept {
  // A quarter more: it is asked to end at open_timeout, and most do then.
  return saturating_add(attempt.began, how_.open_timeout + how_.open_timeout / 4);
}

open_attempt* open_policy::find_overdue(time_point now) noexcept {
  for (open_attempt* a = attempts_.front(); a != nullptr; a = attempts_.next(*a)) {
    if (a->overdue) continue;
    if (overdue_at(*a) > now) return nullptr;
    a->overdue = true;
    ++overdue_;
    note_failure(*a, now, error{errc::server_down, "opening a pooled resource does not end"});
    return a;
  }
  return nullptr;
}

bool open_policy::hangs(time_point now) noexcept {
  open_attempt* oldest = attempts_.front();
  return oldest != nullptr && now - oldest->began >= std::max(4 * open_time_, hanging);
}

void open_policy::served(duration since, std::size_t live) noexcept {
  smooth(holding_, std::max(since * static_cast<duration::rep>(live), duration{1}));
}

std::optional<duration> open_policy::predicted_wait(std::size_t ahead,
                                                    std::size_t live) const noexcept {
  if (holding_ == duration::zero() || live == 0) return std::nullopt;
  return holding_ * static_cast<duration::rep>(ahead) / static_cast<duration::rep>(live);
}

}  // namespace weir::core
