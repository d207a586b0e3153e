#include <algorithm>
#include <cmath>
#include <string>

#include <weir/core/assert.hpp>
#include <weir/retry/budget.hpp>

namespace weir {
namespace {

constexpr double most_tokens = 1e9;  // in millionths still far from the end of the integers

/// False for NaN too.
bool within(double value, double least, double most) noexcept {
  return value >= least && value <= most;
}

const char* refused(const budget_options& o) noexcept {
  if (!within(o.per_try, 0, most_tokens)) return "per_try";
  if (!within(o.per_success, 0, most_tokens)) return "per_success";
  if (!within(o.capacity, 1, most_tokens)) return "capacity";
  if (!within(o.initial, 0, o.capacity)) return "initial";
  if (!within(o.floor_per_second, 0, most_tokens)) return "floor_per_second";
  return nullptr;
}

std::int64_t count(time_point at) noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

constexpr double second = 1e9;
constexpr double longest_interval = 1e17;  // three years

}  // namespace

result<void> budget_options::check() const {
  const char* field = refused(*this);
  if (field == nullptr) return {};
  return std::unexpected(
      error{errc::invalid_argument, "an option of a retry budget is out of range"}.with(
          "field", std::string{field}));
}

retry_budget::retry_budget(const budget_options& options, clock& time) noexcept
    : micro_(0), floor_due_(0), clock_(time) {
  WEIR_ASSERT(refused(options) == nullptr,
              "a retry budget was made with options that check() refuses");
  const auto micro = [](double tokens) {
    return static_cast<std::int64_t>(std::llround(tokens * double{token}));
  };
  micro_.store(micro(options.initial));
  per_try_ = micro(options.per_try);
  per_success_ = micro(options.per_success);
  capacity_ = micro(options.capacity);
  const double rate = options.floor_per_second;
  const double interval = rate > 0 ? std::min(std::ceil(second / rate), longest_interval) : 0;
  floor_interval_ = static_cast<std::int64_t>(interval);
  // One second's worth may be taken at once, the first of it always.
  floor_saved_ = rate >= 1 ? floor_interval_ * (static_cast<std::int64_t>(rate) - 1) : 0;
  floor_due_.store(count(time.now()) - floor_saved_);
}

/// The next token is due at `floor_due_`, or now if that is more than a second's worth ago.
bool retry_budget::take_from_floor() noexcept {
  if (floor_interval_ == 0) return false;
  const std::int64_t now = count(clock_.now());
  std::int64_t due = floor_due_.load();
  for (;;) {
    const std::int64_t from = std::max(due, now - floor_saved_);
    if (from > now) return false;
    if (floor_due_.compare_exchange_weak(due, from + floor_interval_)) {
      return true;
    }
  }
}

std::int64_t retry_budget::available() const noexcept {
  return std::min(micro_.load(), capacity_) / token;
}

}  // namespace weir
