#include "parse.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <string_view>
#include <utility>

#include "../text.hpp"
#include "help.hpp"

namespace weir::retry_cli {

namespace {

using namespace std::chrono_literals;
using most = std::numeric_limits<std::int64_t>;

std::unexpected<error> refused(std::string why) {
  return std::unexpected(error{errc::invalid_argument, std::move(why)});
}

result<void> take_time(duration& into, const std::string& given, duration least) {
  const auto parsed = app::parse_duration(given);
  if (!parsed) return std::unexpected(parsed.error());
  if (*parsed < least) {
    return refused("'" + given + "' is too short: the least is " + to_text(least));
  }
  into = *parsed;
  return {};
}

result<void> take_time(std::optional<duration>& into, const std::string& given, duration least) {
  duration taken{};
  if (const auto done = take_time(taken, given, least); !done) return done;
  into = taken;
  return {};
}

result<void> take_number(double& into, const std::string& given, double least, double largest,
                         const char* range) {
  double number = 0;
  const auto [end, code] = std::from_chars(given.data(), given.data() + given.size(), number);
  // Written so that NaN is refused, too.
  if (code != std::errc{} || end != given.data() + given.size() ||
      !(number >= least && number <= largest)) {
    return refused("'" + given + "' is not a number " + range);
  }
  into = number;
  return {};
}

result<void> take_attempts(options& into, const std::string& given) {
  if (given == "unlimited") {
    into.max_attempts = std::nullopt;
    return {};
  }
  const auto parsed = app::parse_whole(given, 1, std::numeric_limits<int>::max());
  if (!parsed) return refused(std::string{parsed.error().message()} + "; or write 'unlimited'");
  into.max_attempts = *parsed;
  return {};
}

result<void> take_jitter(options& into, const std::string& given) {
  constexpr std::pair<std::string_view, jitter> names[] = {{"none", jitter::none},
                                                           {"proportional", jitter::proportional},
                                                           {"full", jitter::full},
                                                           {"equal", jitter::equal},
                                                           {"decorrelated", jitter::decorrelated}};
  for (const auto& [name, value] : names) {
    if (name != given) continue;
    into.jitter = value;
    return {};
  }
  return refused("'" + given +
                 "' is unknown; it is none, proportional, full, equal or decorrelated");
}

result<void> take_size(std::uint64_t& into, const std::string& given) {
  constexpr std::pair<char, unsigned> units[] = {{'K', 10}, {'M', 20}, {'G', 30}};
  constexpr std::uint64_t largest = std::uint64_t{1} << 40U;
  std::uint64_t number = 0;
  const char* const last = given.data() + given.size();
  auto [end, code] = std::from_chars(given.data(), last, number);
  const auto* unit = end == last
                         ? std::end(units)
                         : std::ranges::find(units, *end, &std::pair<char, unsigned>::first);
  const bool has_unit = unit != std::end(units);
  if (code != std::errc{} || end + (has_unit ? 1 : 0) != last) {
    return refused("'" + given + "' is not a size: write bytes, or a number with K, M or G");
  }
  const unsigned shift = has_unit ? unit->second : 0;
  if (number > largest >> shift) return refused("'" + given + "' is more than 1024G");
  into = number << shift;
  return {};
}

struct flag {
  std::string_view name;
  bool takes_value;
  result<void> (*take)(options& into, const std::string& given);
};

constexpr flag flags[] = {
    {"--initial-backoff", true,
     [](options& o, const std::string& given) { return take_time(o.initial_backoff, given, 0ms); }},
    {"--max-backoff", true,
     [](options& o, const std::string& given) { return take_time(o.max_backoff, given, 0ms); }},
    {"--multiplier", true,
     [](options& o, const std::string& given) {
       return take_number(o.multiplier, given, 1, 1e6, "from 1 to 1,000,000");
     }},
    {"--jitter", true, take_jitter},
    {"--randomization", true,
     [](options& o, const std::string& given) {
       return take_number(o.randomization, given, 0, 1, "from 0 to 1");
     }},
    {"--max-attempts", true, take_attempts},
    {"--max-duration", true,
     [](options& o, const std::string& given) { return take_time(o.max_duration, given, 1ms); }},
    {"--attempt-timeout", true,
     [](options& o, const std::string& given) { return take_time(o.attempt_timeout, given, 1ms); }},
    {"--kill-after", true,
     [](options& o, const std::string& given) { return take_time(o.kill_after, given, 0ms); }},
    {"--on-exit", true,
     [](options& o, const std::string& given) -> result<void> {
       auto parsed = exit_code_set::parse(given);
       if (!parsed) return std::unexpected(parsed.error());
       o.on_exit = *parsed;
       return {};
     }},
    {"--on-output", true,
     [](options& o, const std::string& given) -> result<void> {
       auto compiled = pattern::compile(given);
       if (!compiled) return std::unexpected(compiled.error());
       o.on_output = *std::move(compiled);
       return {};
     }},
    {"--honor-hints", false,
     [](options& o, const std::string&) -> result<void> {
       o.honor_hints = true;
       return {};
     }},
    {"--hold-stdout", false,
     [](options& o, const std::string&) -> result<void> {
       o.hold_stdout = true;
       return {};
     }},
    {"--keep-limit", true,
     [](options& o, const std::string& given) { return take_size(o.keep_limit_bytes, given); }},
    {"--seed", true,
     [](options& o, const std::string& given) -> result<void> {
       const auto parsed = app::parse_whole(given, 0, most::max());
       if (!parsed) return std::unexpected(parsed.error());
       o.seed = static_cast<std::uint64_t>(*parsed);
       return {};
     }},
    {"--json", true,
     [](options& o, const std::string& given) -> result<void> {
       if (given.empty()) return refused("it is empty");
       o.json = given;
       return {};
     }},
    {"--quiet", false,
     [](options& o, const std::string&) -> result<void> {
       o.quiet = true;
       return {};
     }},
    {"--help", false, [](options&, const std::string&) -> result<void> { return {}; }},
};

constexpr auto flag_names = [] {
  std::array<std::string_view, std::size(flags)> names{};
  std::ranges::transform(flags, names.begin(), &flag::name);
  return names;
}();

std::string_view in_full(std::string_view name) {
  if (name == "-h") return "--help";
  if (name == "-q") return "--quiet";
  if (name == "-n") return "--max-attempts";
  return name;
}

app::finished misused(std::string_view sentence) {
  return app::misused("weir retry", sentence, exit_code::usage);
}

/// Walks over the words before the command.
class reader {
 public:
  explicit reader(const std::vector<std::string>& words) : words_(words) {}

  /// Nothing if the options are in `asked`; else what to print.
  std::optional<app::finished> read(options& asked) {
    for (; at_ < words_.size(); ++at_) {
      const std::string& word = words_[at_];
      if (word == "--") {
        ++at_;
        break;
      }
      if (word.size() < 2 || !word.starts_with('-')) break;
      if (const auto done = read_flag(word, asked)) return done;
    }
    asked.command.assign(words_.begin() + static_cast<std::ptrdiff_t>(at_), words_.end());
    if (asked.command.empty()) return misused("which command? Write it after the options and '--'");
    if (asked.command.front().empty()) return misused("the command's name is empty");
    return adjust(asked);
  }

 private:
  std::optional<app::finished> read_flag(const std::string& word, options& asked) {
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string name{in_full(word.substr(0, equals))};
    const auto* known = std::ranges::find(flags, name, &flag::name);
    if (known == std::end(flags)) return misused(app::unknown("option", name, flag_names));
    if (name == "--help") return app::finished{0, std::string{help()}};
    const bool inline_value = equals < word.size();
    if (!known->takes_value && inline_value) return misused(name + " takes no value");
    if (known->takes_value && !inline_value && at_ + 1 == words_.size()) {
      return misused(name + " needs a value");
    }
    std::string value;
    if (inline_value) value = word.substr(equals + 1);
    if (known->takes_value && !inline_value) value = words_[++at_];
    if (const auto taken = known->take(asked, value); !taken) {
      return misused(name + ": " + std::string{taken.error().message()});
    }
    given_[static_cast<std::size_t>(known - std::begin(flags))] = true;
    return std::nullopt;
  }

  [[nodiscard]] bool given(std::string_view name) const {
    return given_[static_cast<std::size_t>(std::ranges::find(flags, name, &flag::name) -
                                           std::begin(flags))];
  }

  // What follows from several options together.
  std::optional<app::finished> adjust(options& asked) const {
    if (!given("--max-backoff")) {
      asked.max_backoff = std::max(asked.max_backoff, asked.initial_backoff);
    } else if (!given("--initial-backoff")) {
      asked.initial_backoff = std::min(asked.max_backoff, asked.initial_backoff);
    }
    if (asked.max_backoff < asked.initial_backoff) {
      return misused("--max-backoff: " + to_text(asked.max_backoff) +
                     " is less than --initial-backoff, " + to_text(asked.initial_backoff));
    }
    if (given("--randomization") && asked.jitter != jitter::proportional) {
      if (given("--jitter")) return misused("--randomization goes with --jitter proportional only");
      asked.jitter = jitter::proportional;
    }
    if (!given("--max-attempts") && !asked.max_duration) asked.max_attempts = default_attempts;
    return std::nullopt;
  }

  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
  std::array<bool, std::size(flags)> given_{};
};

}  // namespace

std::variant<app::finished, options> parse(const std::vector<std::string>& words) {
  options asked;
  if (auto instead = reader{words}.read(asked)) return *std::move(instead);
  return asked;
}

}  // namespace weir::retry_cli
