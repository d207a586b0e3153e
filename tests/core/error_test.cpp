#include <set>
#include <thread>

#include <core/allocations.hpp>
#include <gtest/gtest.h>

#include <weir/core/error.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;

TEST(error, a_literal_message_allocates_nothing_even_when_copied_and_moved) {
  const std::size_t before = weir_test::allocations();
  error first{errc::closed, "the channel is closed"};
  error second = first;
  error third = std::move(first);
  second = third;
  const result<void> refused = fail(errc::throttled, "the quota is full");
  EXPECT_EQ(second.message().size(), third.message().size());
  EXPECT_EQ(refused.error().code(), errc::throttled);
  EXPECT_EQ(weir_test::allocations(), before);
}

TEST(error, a_copy_with_details_allocates_nothing) {
  const error original = error{errc::exhausted, "none free"}.with("max", 8);
  const std::size_t before = weir_test::allocations();
  const error copy = original;
  EXPECT_EQ(copy.number("max"), 8);
  EXPECT_EQ(weir_test::allocations(), before);
}

TEST(error, is_three_words) {
  EXPECT_LE(sizeof(error), 24U);
}

TEST(error, keeps_code_message_numbers_texts_and_durations) {
  const error e = error{errc::exhausted, "no connection became free"}
                      .with("max", 8)
                      .with("waited", 50ms)
                      .with("pool", std::string{"ledger"});
  EXPECT_EQ(e.code(), errc::exhausted);
  EXPECT_EQ(e.message(), "no connection became free");
  EXPECT_EQ(e.number("max"), 8);
  EXPECT_EQ(e.number("waited"), 50'000'000);
  EXPECT_EQ(e.text("pool"), "ledger");
  EXPECT_EQ(e.number("pool"), std::nullopt);
  EXPECT_EQ(e.text("max"), std::nullopt);
  EXPECT_EQ(e.number("idle"), std::nullopt);
  EXPECT_EQ(e.to_string(),
            "exhausted: no connection became free (max 8, waited 50ms, pool ledger)");
}

TEST(error, without_details_has_no_numbers_texts_or_cause) {
  const error e{errc::io, "disk full"};
  EXPECT_EQ(e.number("max"), std::nullopt);
  EXPECT_EQ(e.text("max"), std::nullopt);
  EXPECT_EQ(e.cause(), nullptr);
  EXPECT_EQ(e.to_string(), "io: disk full");
}

TEST(error, a_name_given_twice_keeps_the_last_value_whatever_its_kind) {
  const error e = error{errc::failed, "x"}.with("n", 1).with("n", 2).with("n", std::string{"3"});
  EXPECT_EQ(e.number("n"), std::nullopt);
  EXPECT_EQ(e.text("n"), "3");
  EXPECT_EQ(e.to_string(), "failed: x (n 3)");
}

TEST(error, with_on_a_shared_copy_leaves_the_other_as_it_was) {
  const error original = error{errc::busy, "locked"}.with("attempt", 1);
  error copy = original;
  copy = std::move(copy).with("attempt", 2).with("by", std::string{"peer"});
  EXPECT_EQ(original.number("attempt"), 1);
  EXPECT_EQ(original.text("by"), std::nullopt);
  EXPECT_EQ(copy.number("attempt"), 2);
}

TEST(error, a_cause_on_a_shared_copy_leaves_the_other_without_one) {
  const error original = error{errc::unavailable, "refused"}.with("max", 1);
  error copy = original;
  copy = std::move(copy).caused_by(error{errc::closed, "stopped"});
  EXPECT_EQ(original.cause(), nullptr);
  ASSERT_NE(copy.cause(), nullptr);
  EXPECT_EQ(copy.cause()->code(), errc::closed);
}

TEST(error, an_error_may_cause_itself_by_copy) {
  error e = error{errc::io, "broken"}.with("errno", 5);
  e = error{e}.caused_by(e);
  ASSERT_NE(e.cause(), nullptr);
  EXPECT_EQ(e.cause()->cause(), nullptr);
  EXPECT_EQ(e.to_string(), "io: broken (errno 5); caused by: io: broken (errno 5)");
}

TEST(error, a_second_cause_replaces_the_first) {
  const error e =
      error{errc::failed, "a"}.caused_by(error{errc::io, "b"}).caused_by(error{errc::busy, "c"});
  EXPECT_EQ(e.to_string(), "failed: a; caused by: busy: c");
}

TEST(error, a_message_made_at_run_time_is_kept) {
  const std::string text = "row " + std::to_string(42) + " is longer than any small string buffer";
  const error e{errc::not_found, text};
  const error copy = e;
  EXPECT_EQ(copy.message(), text);
  EXPECT_EQ(copy.to_string(), "not_found: " + text);
}

TEST(error, a_run_time_message_survives_with_on_a_shared_copy) {
  const error original{errc::not_found, std::string{"row forty-two of the longest table there is"}};
  error copy = original;
  copy = std::move(copy).with("table", std::string{"accounts"});
  EXPECT_EQ(copy.message(), original.message());
}

TEST(error, assigning_to_itself_changes_nothing) {
  error e = error{errc::io, "broken"}.with("errno", 5);
  const error& same = e;
  e = same;
  EXPECT_EQ(e.number("errno"), 5);
}

TEST(error, every_code_has_a_name_of_its_own) {
  std::set<std::string> names;
  for (int code = 0; code <= static_cast<int>(errc::failed); ++code) {
    names.insert(name_of(static_cast<errc>(code)));
  }
  EXPECT_EQ(names.size(), static_cast<std::size_t>(errc::failed) + 1);
  EXPECT_EQ(names.count("unknown"), 0U);
}

TEST(error, copies_are_shared_and_dropped_by_many_threads_at_once) {
  const error original = error{errc::exhausted, "none free"}.with("max", 8);
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([copy = original, t] {
      for (int i = 0; i < 2'000; ++i) {
        error mine = copy;
        const error changed = std::move(mine).with("max", t);
        ASSERT_EQ(changed.number("max"), t);
        ASSERT_EQ(copy.number("max"), 8);
      }
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(original.number("max"), 8);
}

struct duration_text {
  std::chrono::nanoseconds value;
  const char* text;
};

class to_text_of : public testing::TestWithParam<duration_text> {};

TEST_P(to_text_of, a_duration_has_at_most_three_significant_digits) {
  EXPECT_EQ(to_text(GetParam().value), GetParam().text);
}

INSTANTIATE_TEST_SUITE_P(
    durations, to_text_of,
    testing::Values(duration_text{0ns, "0ns"}, duration_text{1ns, "1ns"},
                    duration_text{999ns, "999ns"}, duration_text{1us, "1us"},
                    duration_text{1'234ns, "1.23us"}, duration_text{99'949ns, "99.9us"},
                    duration_text{99'951ns, "100us"}, duration_text{999'499ns, "999us"},
                    duration_text{999'500ns, "1ms"}, duration_text{999'999ns, "1ms"},
                    duration_text{1ms, "1ms"}, duration_text{1'500us, "1.5ms"},
                    duration_text{250ms, "250ms"}, duration_text{999'499'999ns, "999ms"},
                    duration_text{999'500us, "1s"}, duration_text{999'999'999ns, "1s"},
                    duration_text{3s, "3s"}, duration_text{59'949ms, "59.9s"},
                    duration_text{59'950ms, "1m 0s"}, duration_text{60s, "1m 0s"},
                    duration_text{125s, "2m 5s"}, duration_text{125'499ms, "2m 5s"},
                    duration_text{125'500ms, "2m 6s"}, duration_text{3'599'499ms, "59m 59s"},
                    duration_text{3'599'500ms, "1h 0m"}, duration_text{25h + 30min, "25h 30m"},
                    duration_text{std::chrono::nanoseconds::max(), "2562047h 47m"}));

INSTANTIATE_TEST_SUITE_P(
    negative_durations, to_text_of,
    testing::Values(duration_text{-1ns, "-1ns"}, duration_text{-999'999ns, "-1ms"},
                    duration_text{-1'500us, "-1.5ms"}, duration_text{-125s, "-2m 5s"},
                    duration_text{std::chrono::nanoseconds::min(), "-2562047h 47m"}));

}  // namespace
}  // namespace weir
