#include "report.hpp"

#include <cerrno>
#include <chrono>
#include <cmath>
#include <system_error>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

namespace weir::retry_cli {

namespace {

using json = nlohmann::ordered_json;

constexpr std::size_t most_entries = 1000;

double seconds(duration d) {
  return std::chrono::duration<double>(d).count();
}

template <class T>
json or_null(const std::optional<T>& value) {
  return value ? json(*value) : json(nullptr);
}
json or_null(const std::optional<duration>& value) {
  return value ? json(seconds(*value)) : json(nullptr);
}
json signal_or_null(const std::optional<int>& value) {
  return value ? json(name_of_signal(*value)) : json(nullptr);
}

const char* name_of(attempt_end end) noexcept {
  switch (end) {
    case attempt_end::by_itself:
      return "itself";
    case attempt_end::attempt_timeout:
      return "attempt_timeout";
    case attempt_end::total_time:
      return "max_duration";
    case attempt_end::not_started:
      return "not_started";
  }
  return "unknown";
}

std::unexpected<error> failure_of(const std::string& file, int why) {
  return std::unexpected(error{
      errc::io, "cannot write the report '" + file + "': " + std::generic_category().message(why)});
}

}  // namespace

const char* name_of(end_reason why) noexcept {
  switch (why) {
    case end_reason::succeeded:
      return "succeeded";
    case end_reason::permanent:
      return "permanent";
    case end_reason::attempts:
      return "attempts";
    case end_reason::duration:
      return "duration";
    case end_reason::signal:
      return "signal";
    case end_reason::input:
      return "input";
    case end_reason::output:
      return "output";
  }
  return "unknown";
}

result<report> report::open(const options& asked, std::uint64_t seed) {
  report made{asked, seed};
  if (asked.json.empty()) return made;
  constexpr mode_t everybody = 0666;
  made.file_ =
      unique_fd{::open(asked.json.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, everybody)};
  if (!made.file_) return failure_of(asked.json, errno);
  return made;
}

void report::add(const attempt_outcome& done) {
  ++made_;
  if (!file_) return;
  last_.push_back({done, std::nullopt});
  if (last_.size() > most_entries) last_.pop_front();
}

void report::add_wait(duration wait) {
  if (!last_.empty()) last_.back().wait = wait;
}

result<void> report::write(end_reason why, int exit_code, std::optional<int> signal,
                           duration elapsed) {
  if (!file_) return {};
  json attempts = json::array();
  std::uint64_t number = made_ - last_.size();
  for (const entry& one : last_) {
    attempts.push_back({{"number", ++number},
                        {"began_s", seconds(one.done.began)},
                        {"elapsed_s", seconds(one.done.took)},
                        {"exit_code", one.done.code},
                        {"signal", signal_or_null(one.done.signal)},
                        {"ended_by", name_of(one.done.end)},
                        {"killed", one.done.killed},
                        {"matched", or_null(one.done.output.matched)},
                        {"hint_s", or_null(one.done.output.hint)},
                        {"wait_s", or_null(one.wait)}});
  }
  const json whole = {{"command", asked_->command},    {"reason", name_of(why)},
                      {"exit_code", exit_code},        {"signal", signal_or_null(signal)},
                      {"elapsed_s", seconds(elapsed)}, {"seed", seed_},
                      {"attempts_made", made_},        {"attempts", std::move(attempts)}};
  // Arguments and output need not be UTF-8; what is not becomes U+FFFD.
  const std::string text = whole.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t put = ::write(file_.get(), text.data() + at, text.size() - at);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return failure_of(asked_->json, errno);
    at += static_cast<std::size_t>(put);
  }
  return {};
}

}  // namespace weir::retry_cli
