#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <retry/simulation.hpp>

#include <weir/context/sleep.hpp>
#include <weir/retry/breaker.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;
using test::simulation;

static_assert(!std::is_copy_constructible_v<breaker_permit>);
static_assert(std::is_nothrow_move_constructible_v<breaker_permit>);
static_assert(std::is_trivially_destructible_v<breaker_options>);

/// Opens at the third failure in a row, for exactly a second (one that is the maximum is not
/// jittered upwards, and downwards by at most 15 %).
constexpr breaker_options three_in_a_row{
    .failures = 3, .window = 3, .open_for = 1s, .max_open_for = 8s, .slow_start = 10s, .seed = 1};

void fail_times(circuit_breaker& breaker, int times) {
  for (int i = 0; i < times; ++i) breaker.try_enter().value().failed();
}

/// Opens it and waits until a probe is let through.
breaker_permit probe_after_opening(circuit_breaker& breaker, manual_clock& time) {
  fail_times(breaker, 3);
  EXPECT_EQ(breaker.state(), breaker_state::open);
  time.advance(1150ms);
  return breaker.try_enter().value();
}

TEST(circuit_breaker, stays_closed_below_its_number_of_failures) {
  circuit_breaker breaker{{.failures = 3, .window = 5}};
  for (int round = 0; round < 100; ++round) {
    fail_times(breaker, 2);
    for (int i = 0; i < 3; ++i) breaker.try_enter().value().succeeded();
  }
  EXPECT_EQ(breaker.state(), breaker_state::closed);
  fail_times(breaker, 3);
  EXPECT_EQ(breaker.state(), breaker_state::open);
}

TEST(circuit_breaker, a_whole_word_of_calls_is_a_window) {
  circuit_breaker breaker{{.failures = 64, .window = 64}};
  fail_times(breaker, 63);
  EXPECT_EQ(breaker.state(), breaker_state::closed);
  fail_times(breaker, 1);
  EXPECT_EQ(breaker.state(), breaker_state::open);
}

TEST(circuit_breaker, open_it_refuses_at_once_and_says_when_to_come_back) {
  manual_clock time;
  circuit_breaker breaker{three_in_a_row, time};
  fail_times(breaker, 3);
  const auto refused = breaker.try_enter();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), errc::unavailable);
  EXPECT_EQ(refused.error().text("breaker"), "open");
  const auto hint = refused.error().number(retry_after_number);
  ASSERT_TRUE(hint);
  EXPECT_GE(*hint, 850'000'000);
  EXPECT_LE(*hint, 1'150'000'000);
  time.advance(std::chrono::nanoseconds{*hint} - 1ns);
  EXPECT_FALSE(breaker.try_enter());
  time.advance(1ns);
  EXPECT_TRUE(breaker.try_enter());
  EXPECT_EQ(breaker.read().opened, 1U);
  EXPECT_EQ(breaker.read().refused, 2U);
}

TEST(circuit_breaker, half_open_it_lets_one_probe_through_at_a_time) {
  manual_clock time;
  circuit_breaker breaker{three_in_a_row, time};
  {
    auto probe = probe_after_opening(breaker, time);
    EXPECT_EQ(breaker.state(), breaker_state::half_open);
    EXPECT_EQ(breaker.try_enter().error().text("breaker"), "half_open");
  }
  auto next = breaker.try_enter();
  ASSERT_TRUE(next) << "a probe that was dropped keeps nobody out";
  next->succeeded();
  EXPECT_EQ(breaker.state(), breaker_state::recovering);
}

TEST(circuit_breaker, as_many_probes_as_asked_for_succeed_one_after_the_other) {
  manual_clock time;
  breaker_options options = three_in_a_row;
  options.probes = 3;
  circuit_breaker breaker{options, time};
  probe_after_opening(breaker, time).succeeded();
  EXPECT_EQ(breaker.state(), breaker_state::half_open);
  breaker.try_enter().value().succeeded();
  breaker.try_enter().value().succeeded();
  EXPECT_EQ(breaker.state(), breaker_state::recovering);
}

TEST(circuit_breaker, each_probe_that_fails_doubles_the_time_up_to_the_maximum) {
  manual_clock time;
  circuit_breaker breaker{three_in_a_row, time};
  fail_times(breaker, 3);
  for (const duration expected : {1s, 2s, 4s, 8s, 8s}) {
    const duration told{*breaker.try_enter().error().number(retry_after_number)};
    EXPECT_GE(told, expected * 85 / 100);
    EXPECT_LE(told, std::min<duration>(expected * 115 / 100, 8s));
    time.advance(told);
    breaker.try_enter().value().failed();
    EXPECT_EQ(breaker.state(), breaker_state::open);
  }
}

TEST(circuit_breaker, it_recovers_slowly_and_closes_when_that_went_well) {
  manual_clock time;
  circuit_breaker breaker{three_in_a_row, time};
  probe_after_opening(breaker, time).succeeded();
  const auto admitted_of_100 = [&] {
    int admitted = 0;
    for (int i = 0; i < 100; ++i) {
      if (auto permit = breaker.try_enter()) {
        ++admitted;
        permit->succeeded();
      }
    }
    return admitted;
  };
  EXPECT_NEAR(admitted_of_100(), 10, 2);
  time.advance(5s);
  EXPECT_NEAR(admitted_of_100(), 50, 2);
  time.advance(4s);
  EXPECT_NEAR(admitted_of_100(), 90, 2);
  EXPECT_EQ(breaker.state(), breaker_state::recovering);
  time.advance(1s);
  EXPECT_EQ(admitted_of_100(), 100);
  EXPECT_EQ(breaker.state(), breaker_state::closed);
}

TEST(circuit_breaker, failures_while_it_recovers_open_it_again_for_longer) {
  manual_clock time;
  circuit_breaker breaker{three_in_a_row, time};
  probe_after_opening(breaker, time).succeeded();
  time.advance(9s);
  int failed = 0;
  while (failed < 3) {
    if (auto permit = breaker.try_enter()) {
      permit->failed();
      ++failed;
    }
  }
  EXPECT_EQ(breaker.state(), breaker_state::open);
  EXPECT_GE(breaker.try_enter().error().number(retry_after_number), 1'700'000'000);
}

TEST(circuit_breaker, without_a_slow_start_a_probe_closes_it) {
  manual_clock time;
  breaker_options options = three_in_a_row;
  options.slow_start = 0s;
  circuit_breaker breaker{options, time};
  probe_after_opening(breaker, time).succeeded();
  EXPECT_EQ(breaker.state(), breaker_state::closed);
}

TEST(circuit_breaker, calls_that_began_before_it_opened_say_nothing_about_later) {
  manual_clock time;
  circuit_breaker breaker{three_in_a_row, time};
  auto early = breaker.try_enter().value();
  auto late_failure = breaker.try_enter().value();
  auto probe = probe_after_opening(breaker, time);
  early.succeeded();
  EXPECT_EQ(breaker.state(), breaker_state::half_open) << "that was no probe";
  late_failure.failed();
  EXPECT_EQ(breaker.state(), breaker_state::half_open);
  probe.succeeded();
  EXPECT_EQ(breaker.state(), breaker_state::recovering);
}

TEST(circuit_breaker, a_hint_of_the_server_keeps_it_open_as_long) {
  manual_clock time;
  circuit_breaker breaker{three_in_a_row, time};
  fail_times(breaker, 2);
  breaker.try_enter().value().failed(5s);
  EXPECT_EQ(breaker.try_enter().error().number(retry_after_number), 5'000'000'000);
}

TEST(circuit_breaker, the_classifier_tells_failures_from_answers) {
  const auto state_after = [](error why) {
    circuit_breaker breaker{three_in_a_row};
    for (int i = 0; i < 3; ++i) {
      EXPECT_FALSE(
          call_through(breaker, {}, [&]() -> result<int> { return std::unexpected(why); }));
    }
    return breaker.state();
  };
  EXPECT_EQ(state_after({errc::unavailable, "down"}), breaker_state::open);
  EXPECT_EQ(state_after({errc::deadline_exceeded, "hung"}), breaker_state::open);
  EXPECT_EQ(state_after({errc::not_found, "no such row"}), breaker_state::closed);
  EXPECT_EQ(state_after({errc::cancelled, "nobody waits any more"}), breaker_state::closed);
}

TEST(circuit_breaker, each_field_that_is_out_of_its_range_is_named) {
  const auto field = [](const breaker_options& options) {
    const auto checked = options.check();
    return checked ? std::string{"none"} : std::string{*checked.error().text("field")};
  };
  EXPECT_EQ(field({}), "none");
  EXPECT_EQ(field({.window = 65}), "window");
  EXPECT_EQ(field({.window = 0}), "window");
  EXPECT_EQ(field({.failures = 21}), "failures");
  EXPECT_EQ(field({.failures = 0}), "failures");
  EXPECT_EQ(field({.open_for = 0ns}), "open_for");
  EXPECT_EQ(field({.max_open_for = 1ms}), "max_open_for");
  EXPECT_EQ(field({.probes = 0}), "probes");
  EXPECT_EQ(field({.slow_start = -1ns}), "slow_start");
}

TEST(circuit_breaker, a_retry_around_it_waits_for_the_probe) {
  simulation sim;
  circuit_breaker breaker{three_in_a_row, sim.time};
  auto body = [&](context ctx) -> task<int> {
    int calls = 0;
    auto fetch = [&]() -> task<result<int>> {
      if (++calls <= 3) co_return fail(errc::unavailable, "down");
      co_return calls;
    };
    auto guarded = [&](const context& attempt) { return call_through(breaker, attempt, fetch); };
    const auto done = co_await retry_call(
        ctx, {.initial_backoff = 10ms, .jitter = jitter::none, .max_retries = 10}, guarded);
    EXPECT_EQ(done.value_or(0), 4);
    co_return calls;
  };
  EXPECT_EQ(sim.run(body(sim.ctx())), 4) << "refused attempts call nobody";
  // Two waits of 10 and 20 ms before it opened, one of 40 before it was refused, and the rest of
  // its second, less or more 15 %.
  EXPECT_GE(sim.passed(), 10ms + 20ms + 850ms);
  EXPECT_LE(sim.passed(), 10ms + 20ms + 1150ms);
}

TEST(circuit_breaker, what_a_call_throws_is_passed_on_and_frees_the_probe) {
  manual_clock time;
  circuit_breaker breaker{three_in_a_row, time};
  probe_after_opening(breaker, time).failed();
  time.advance(3s);
  EXPECT_THROW((void)call_through(breaker, {}, []() -> result<int> { throw 1; }), int);
  EXPECT_TRUE(breaker.try_enter());
}

}  // namespace
}  // namespace weir
