// The parts of `weir retry` that need no process: exit codes, patterns, hints, the command line.

#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "retry/exit_codes.hpp"
#include "retry/hint.hpp"
#include "retry/parse.hpp"
#include "retry/pattern.hpp"

namespace weir::retry_cli {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

// ---- exit codes

TEST(exit_codes, a_list_has_codes_and_ranges) {
  const auto set = exit_code_set::parse("1,75,100-110").value();
  for (const int code : {1, 75, 100, 105, 110}) EXPECT_TRUE(set.contains(code)) << code;
  for (const int code : {0, 2, 74, 99, 111, 255, 256, -1}) EXPECT_FALSE(set.contains(code)) << code;
  EXPECT_TRUE(exit_code_set::parse("255").value().contains(255));
  EXPECT_TRUE(exit_code_set::parse("7-7").value().contains(7));
}

TEST(exit_codes, what_is_no_list_is_refused_with_the_item) {
  for (const char* text :
       {"", ",", "1,", "1;2", "256", "-1", "x", "1-", "1-x", "3-2", "0", "0-3"}) {
    EXPECT_FALSE(exit_code_set::parse(text)) << text;
  }
  EXPECT_THAT(std::string{exit_code_set::parse("1,two").error().message()}, HasSubstr("'two'"));
}

// ---- patterns

TEST(pattern, it_is_searched_for_in_the_whole_line) {
  const auto compiled = pattern::compile("time(d)? ?out|reset$").value();
  EXPECT_TRUE(compiled.matches("operation timed out."));
  EXPECT_TRUE(compiled.matches("connection reset"));
  EXPECT_FALSE(compiled.matches("connection reset by peer"));
  EXPECT_FALSE(compiled.matches(""));
}

TEST(pattern, neither_nul_nor_a_very_long_line_disturbs_it) {
  const auto compiled = pattern::compile("(a|b)*c$").value();
  EXPECT_TRUE(compiled.matches(std::string_view{"x\0c", 3}));
  std::string line(60'000, 'a');
  line.back() = 'c';
  EXPECT_TRUE(compiled.matches(line));
}

// ---- hints

std::optional<duration> hint(std::string_view line) {
  return hint_in(line, std::chrono::system_clock::from_time_t(946'684'790));  // 1999-12-31 23:59:50
}

TEST(hint, each_form_is_understood) {
  EXPECT_EQ(hint("Retry-After: 120"), 120s);
  EXPECT_EQ(hint("< retry-after: 3\r"), 3s);
  EXPECT_EQ(hint("RETRY-AFTER=0"), 0s);
  EXPECT_EQ(hint("Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"), 9s);
  EXPECT_EQ(hint("Retry-After-Ms: 1500"), 1500ms);
  EXPECT_EQ(hint(R"({"retry_after": 0.25, "global": false})"), 250ms);
  EXPECT_EQ(hint("x-ms-retry-after-ms: 20"), 20ms);
  EXPECT_EQ(hint("grpc-retry-pushback-ms: 250"), 250ms);
  EXPECT_EQ(hint(R"(  "retryDelay": "3.5s")"), 3500ms);
  EXPECT_EQ(hint("Rate limit reached. Please try again in 20s. Visit our page"), 20s);
  EXPECT_EQ(hint("Please try again in 6m0s."), 6min);
  EXPECT_EQ(hint("please retry after 2 minutes"), 2min);
  EXPECT_EQ(hint("retry in 1h30m"), 90min);
  EXPECT_EQ(hint("retry in 5, please"), 5s);
  EXPECT_EQ(hint("retry after 10 s 3 retries left"), 10s);
}

TEST(hint, other_lines_have_none) {
  for (const char* line : {"", "retry", "retry-after", "Retry-After:", "Retry-After: soon",
                           "retry in a moment", "retries: 3", "no retry after all",
                           "Retry-After: Fri, 99 Foo 1999", "retry-after: nan", "retry in ."}) {
    EXPECT_EQ(hint(line), std::nullopt) << line;
  }
}

TEST(hint, a_negative_one_says_never) {
  EXPECT_LT(hint("grpc-retry-pushback-ms: -1"), duration::zero());
  EXPECT_LT(hint("Retry-After: -0.5"), duration::zero());
}

TEST(hint, a_date_in_the_past_is_no_wait) {
  EXPECT_EQ(hint("Retry-After: Fri, 31 Dec 1999 23:00:00 GMT"), 0s);
}

TEST(hint, extremes_stay_finite_and_are_rounded_up) {
  EXPECT_EQ(hint("Retry-After: 99999999999999999999999"), 24h * 3650);
  EXPECT_EQ(hint("Retry-After: -99999999999999999999999"), -1s);
  EXPECT_EQ(hint("retry-after-ms: 0.0000001"), 1ns);
}

// ---- the command line

options parsed(const std::vector<std::string>& words) {
  return std::get<options>(parse(words));
}

TEST(parse, the_defaults_are_those_of_the_help) {
  const options asked = parsed({"true"});
  EXPECT_EQ(asked.initial_backoff, 1s);
  EXPECT_EQ(asked.max_backoff, 1min);
  EXPECT_EQ(asked.multiplier, 2);
  EXPECT_EQ(asked.jitter, jitter::equal);
  EXPECT_EQ(asked.max_attempts, 10);
  EXPECT_EQ(asked.kill_after, 10s);
  EXPECT_EQ(asked.keep_limit_bytes, 64U << 20U);
  EXPECT_FALSE(asked.max_duration || asked.attempt_timeout || asked.on_exit || asked.on_output);
}

TEST(parse, a_command_begins_at_the_first_word_that_is_no_option) {
  EXPECT_THAT(parsed({"-q", "ls", "-n", "--"}).command, testing::ElementsAre("ls", "-n", "--"));
  EXPECT_THAT(parsed({"--", "--quiet"}).command, testing::ElementsAre("--quiet"));
  EXPECT_THAT(parsed({"--json", "--", "x"}).command, testing::ElementsAre("x"));
  EXPECT_THAT(parsed({"-"}).command, testing::ElementsAre("-"));
}

TEST(parse, a_limit_of_time_lifts_the_default_limit_of_attempts) {
  EXPECT_EQ(parsed({"--max-duration", "1h", "x"}).max_attempts, std::nullopt);
  EXPECT_EQ(parsed({"--max-duration", "1h", "-n", "3", "x"}).max_attempts, 3);
  EXPECT_EQ(parsed({"-n", "unlimited", "x"}).max_attempts, std::nullopt);
}

TEST(parse, one_backoff_alone_moves_the_other) {
  EXPECT_EQ(parsed({"--initial-backoff", "5m", "x"}).max_backoff, 5min);
  EXPECT_EQ(parsed({"--max-backoff", "10ms", "x"}).initial_backoff, 10ms);
}

TEST(parse, a_value_may_stand_behind_an_equals_sign_and_the_last_one_counts) {
  EXPECT_EQ(parsed({"--seed=3", "--seed", "4", "x"}).seed, 4U);
  EXPECT_EQ(parsed({"--json=a=b", "x"}).json, "a=b");
}

TEST(parse, sizes_have_a_unit_or_are_bytes) {
  EXPECT_EQ(parsed({"--keep-limit", "0", "x"}).keep_limit_bytes, 0U);
  EXPECT_EQ(parsed({"--keep-limit", "3K", "x"}).keep_limit_bytes, 3072U);
  EXPECT_EQ(parsed({"--keep-limit", "1024G", "x"}).keep_limit_bytes, std::uint64_t{1} << 40U);
  for (const char* text : {"", "K", "-1", "1.5M", "1T", "1MB", "1025G", "99999999999999999999"}) {
    const auto read = parse({"--keep-limit", text, "x"});
    ASSERT_TRUE(std::holds_alternative<app::finished>(read)) << text;
    EXPECT_EQ(std::get<app::finished>(read).exit_code, exit_code::usage);
  }
}

TEST(parse, a_randomization_alone_implies_its_jitter) {
  EXPECT_EQ(parsed({"--randomization", "0.5", "x"}).jitter, jitter::proportional);
}

}  // namespace
}  // namespace weir::retry_cli
