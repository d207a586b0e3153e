#include <algorithm>
#include <string_view>

#include "stopper/stopper_core.hpp"

namespace weir::core {
namespace {

// stderr_log puts "weir info: " in front.
constexpr std::size_t columns = 80 - 11;

/// At most `room` bytes of a name, cut between characters.
std::string clipped(std::string_view name, std::size_t room) {
  if (name.size() <= room) return std::string{name};
  std::size_t keep = room > 2 ? room - 2 : 0;
  while (keep > 0 && (static_cast<unsigned char>(name[keep]) & 0xc0U) == 0x80U) --keep;
  return std::string{name.substr(0, keep)} + "..";
}

}  // namespace

stop_progress stopper_core::progress() {
  stop_progress seen;
  seen.left = live_.count();
  const auto oldest = live_.oldest(1);
  if (!oldest.empty()) {
    seen.oldest = oldest[0].name;
    seen.oldest_since = oldest[0].since;
  }
  lock_guard guard{mutex_};
  seen.at = phase_;
  seen.until = phase_ == phase::draining     ? drain_until_
               : phase_ == phase::cancelling ? cancel_until_
                                             : close_until_;
  seen.end = close_until_;
  closer_note* last = notes_.back();
  if (phase_ == phase::closing && last != nullptr &&
      last->state == shutdown_report::closer_state::running) {
    seen.closer = last->name;
  }
  return seen;
}

void stopper_core::beat(time_point now) noexcept {
  const std::string line = beat_line(now);
  log_sink& sink = options_.heartbeat_sink != nullptr ? *options_.heartbeat_sink : stderr_log();
  sink.write(log_level::info, line);
  runtime_.look_at_workers();  // it may be that every worker is held
  lock_guard guard{mutex_};
  // From now: a sink that is slower than the period must not make the next one due at once.
  next_beat_ = saturating_add(time().now(), options_.heartbeat);
}

/// "'ledger' draining: 120 left, oldest 'ledger.settle' 42s, budget 3.4s", in what the columns
/// leave; a name that is too long is cut.
std::string stopper_core::beat_line(time_point now) {
  const stop_progress seen = progress();
  const std::string_view who = name_;
  std::string_view what;
  std::string before =
      "' " + std::string{core::name_of(seen.at)} + ": " + std::to_string(seen.left) + " left";
  std::string after;
  if (seen.closer != nullptr) {
    what = seen.closer;
    before += ", in closer '";
    after = "'";
  } else if (seen.oldest != nullptr) {
    what = seen.oldest;
    before += ", oldest '";
    after = "' " + to_text(std::max(now - seen.oldest_since, duration::zero()));
  }
  if (seen.until != time_point::max()) {
    after += ", budget " + to_text(std::max(seen.until - now, duration::zero()));
  }
  const std::size_t taken = 1 + before.size() + after.size();
  const std::size_t room = columns - std::min(columns, taken);
  // Each may have half, and what the other leaves of its half.
  const std::size_t for_who = std::max(room / 2, room - std::min(room, what.size()));
  const std::string name = clipped(who, for_who);
  return "'" + name + before + clipped(what, room - std::min(room, name.size())) + after;
}

}  // namespace weir::core
