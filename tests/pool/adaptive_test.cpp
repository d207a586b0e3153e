#include <cmath>

#include <weir/pool/adaptive_limit.hpp>

#include "limited_server.hpp"
#include "pool/fixture.hpp"

namespace weir::pool_tests {
namespace {

using simulate::knee;
using simulate::limited_server;

double best_fixed(knee server) {
  return server.rate(server.best_limit());
}

TEST(adaptive_limit, reaches_nine_tenths_of_the_best_fixed_limit_from_any_start) {
  for (const knee server : {knee{12, 0.03}, knee{12, 0}, knee{2, 0.2}, knee{40, 0.05}}) {
    for (const std::size_t start : {1U, 2U, 6U, 12U, 24U, 64U}) {
      double rate = 0;
      for (const std::uint64_t seed : {1U, 2U, 3U}) {
        limited_server it{start, 64, seed};
        it.run(server, 12'000);
        rate += it.run(server, 20'000) / 3;
      }
      EXPECT_GE(rate, 0.9 * best_fixed(server))
          << "knee " << server.processors << ", thrash " << server.thrash << ", start " << start;
    }
  }
}

TEST(adaptive_limit, starts_within_few_returns) {
  for (const knee server : {knee{8, 0}, knee{8, 0.02}, knee{4, 0.05}}) {
    double rate = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      rate += limited_server{1, 16, seed}.run(server, 2'000) / 10;
    }
    EXPECT_GE(rate, 0.78 * best_fixed(server)) << "thrash " << server.thrash;
  }
}

/// Each window sees another machine, and a trial of a wrong limit costs throughput: what counts is
/// to be seldom led astray and not to try all the time.
TEST(adaptive_limit, holds_its_place_beside_neighbours_that_take_the_processors_in_turns) {
  const simulate::neighbours others{.deviation = 0.4};
  for (const knee server : {knee{2, 0.05}, knee{4, 0.03}}) {
    for (const std::size_t start : {1U, 16U}) {
      double rate = 0;
      for (std::uint64_t seed = 1; seed <= 5; ++seed) {
        limited_server it{start, 16, seed, others};
        it.run(server, 60'000, 0.1);
        rate += it.run(server, 200'000, 0.1) / 5;
      }
      EXPECT_GE(rate, 0.96 * std::exp(0.4 * 0.4 / 2) * server.rate(server.best_limit(), 0.1))
          << "knee " << server.processors << ", start " << start;
    }
  }
}

/// There is nothing to try below one, nor above `most`: a refusal at an end counted for neither
/// direction, so the search went on for ever, half of the time under the worse limit.
TEST(adaptive_limit, rests_at_either_end) {
  struct {
    knee server;
    std::size_t best;
  } const ends[] = {{{1, 0.3}, 1}, {{40, 0}, 6}};
  for (const auto& [server, best] : ends) {
    limited_server it{best, 6};
    it.run(server, 20'000, 1);
    int elsewhere = 0;
    for (int i = 0; i < 50'000; ++i) {
      it.step(server, 1);
      elsewhere += it.limit.limit() == best ? 0 : 1;
    }
    EXPECT_LT(elsewhere, 50'000 / 5) << "best " << best;
  }
}

/// Of two connections both begin on one processor, and for half a second that looks worse than one.
TEST(adaptive_limit, sees_what_is_better_only_after_a_while) {
  const simulate::neighbours others{.deviation = 0.2};
  const simulate::placement scheduler{.settles_ms = 400};
  const knee server{2, 0.15};
  for (const std::size_t start : {1U, 4U, 16U}) {
    double rate = 0;
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      limited_server it{start, 16, seed, others, scheduler};
      it.run(server, 400'000, 0.1);
      rate += it.run(server, 800'000, 0.1) / 5;
    }
    EXPECT_GE(rate, 0.9 * std::exp(0.2 * 0.2 / 2) * server.rate(2, 0.1)) << "start " << start;
  }
}

/// The search after the first rest looks late enough already: it looked after a sixth of a second,
/// and the next one came a quarter of a minute later, which callers spent at half of the best rate.
TEST(adaptive_limit, sees_in_its_second_search_what_is_better_only_after_a_while) {
  const knee server{2, 0.15};
  double rate = 0;
  for (const double settles_ms : {200.0, 400.0, 700.0}) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      limited_server it{1, 16, seed, {.deviation = 0.2}, {.settles_ms = settles_ms}};
      rate += it.run_in_bursts(server, 12s, 12s, 0.1) / (3 * 8);
    }
  }
  EXPECT_GE(rate, 0.62 * std::exp(0.2 * 0.2 / 2) * server.rate(2, 0.1));
}

/// Two transactions on a server that writes a log: the second has to wait until that of the first
/// is written, and then for its own. There a limit of one tried two again and again, and nothing
/// beyond.
TEST(adaptive_limit, looks_past_a_two_that_is_no_better_than_one) {
  const knee server{16, 0.03, true};
  for (const std::size_t start : {1U, 2U, 16U}) {
    double rate = 0;
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      limited_server it{start, 16, seed, {.deviation = 0.3}};
      it.run(server, 2'000);
      rate += it.run(server, 6'000) / 10;
    }
    EXPECT_GE(rate, 0.9 * std::exp(0.3 * 0.3 / 2) * best_fixed(server)) << "start " << start;
  }
}

/// A pause is no reason to forget: windows that begin anew after each are never over if the callers
/// come in bursts that are shorter than two of them, and half of the time the limit is the wrong
/// one.
TEST(adaptive_limit, learns_from_bursts_that_are_shorter_than_its_windows) {
  const simulate::placement scheduler{.settles_ms = 400};
  const knee server{2, 0.15};
  for (const auto burst : {300ms, 1'000ms}) {
    double rate = 0;
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      limited_server it{1, 16, seed, {.deviation = 0.2}, scheduler};
      it.run_in_bursts(server, 60s, burst, 0.1);
      rate += it.run_in_bursts(server, 60s, burst, 0.1) / 3;
    }
    EXPECT_GE(rate, 0.88 * std::exp(0.2 * 0.2 / 2) * server.rate(2, 0.1)) << burst.count() << " ms";
  }
}

/// A rest is long when nothing changes; when the server does, it ends.
TEST(adaptive_limit, ends_a_rest_when_the_server_becomes_another_one) {
  const knee large{12, 0.03};
  const knee small{4, 0.1};
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    limited_server it{1, 64, seed};
    it.run(large, 100'000);
    const std::size_t before = it.limit.limit();
    it.run(small, 8'000);
    EXPECT_LT(it.limit.limit(), before) << "seed " << seed;
  }
}

TEST(adaptive_limit, prefers_the_lower_of_two_limits_that_do_the_same) {
  limited_server it{64};
  it.run(knee{12, 0}, 30'000);
  EXPECT_LE(it.limit.limit(), 20U);
}

TEST(adaptive_limit, follows_a_server_that_becomes_smaller_and_larger) {
  limited_server it{1};
  it.run(knee{30, 0.05}, 30'000);
  it.run(knee{4, 0.05}, 20'000);
  EXPECT_GE(it.run(knee{4, 0.05}, 20'000), 0.85 * best_fixed(knee{4, 0.05}));
  it.run(knee{30, 0.05}, 40'000);
  EXPECT_GE(it.run(knee{30, 0.05}, 20'000), 0.85 * best_fixed(knee{30, 0.05}));
}

/// Four connections do on the larger server what they did on the smaller one: only a search finds
/// out, and it must be quick to trust in what it finds.
TEST(adaptive_limit, finds_what_its_server_has_more_within_two_rests) {
  const knee large{12, 0.03};
  const knee small{4, 0.03};
  int back = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    limited_server it{1, 64, seed};
    const auto run_until = [&](duration end, const knee& server) {
      while (it.time.now().time_since_epoch() < end) it.step(server);
    };
    const duration start = it.time.now().time_since_epoch();
    run_until(start + 20s, large);
    run_until(start + 50s, small);
    run_until(start + 90s, large);
    back += it.limit.limit() >= 9 ? 1 : 0;
  }
  EXPECT_GE(back, 18);
}

TEST(adaptive_limit, changes_nothing_while_nobody_waits) {
  manual_clock time;
  adaptive_limit limit{64, 8};
  for (int i = 0; i < 10'000; ++i) {
    time.advance(1ms);
    limit.returned(adaptive_limit::demand::none, time);
    EXPECT_EQ(limit.limit(), 8U);
  }
}

TEST(adaptive_limit, stays_between_one_and_most) {
  limited_server small{5, 1};
  small.run(knee{12, 0}, 1'000);
  EXPECT_EQ(small.limit.limit(), 1U);
  limited_server it{50};
  it.run(knee{40, 0}, 5'000);
  it.limit.set_most(6);
  for (int i = 0; i < 100; ++i) {
    it.run(knee{40, 0}, 100);
    EXPECT_LE(it.limit.limit(), 6U);
  }
}

/// The whole pool on such a server: callers wait in its queue, and what it lends is the load.
class adaptive_pool : public pool_test {
 protected:
  /// How many jobs 40 callers get done in so long.
  int work(pool<conn>& p, const knee& server, double job_ms, duration length) {
    std::size_t busy = 0;
    int done = 0;
    run([&]() -> task<void> {
      const time_point end = time.now() + length;
      std::vector<task_handle<void>> all;
      for (int i = 0; i < 40; ++i) {
        all.push_back(spawn([&, end]() -> task<void> {
          while (time.now() < end) {
            auto lent = co_await p.acquire({});
            ++busy;
            const double took_ns = job_ms * 1e6 / server.speed(busy);
            (void)co_await sleep_for(root.get(), duration{static_cast<duration::rep>(took_ns)});
            --busy;
            ++done;
          }
        }));
      }
      for (auto& one : all) (void)co_await one;
    });
    return done;
  }
};

TEST_F(adaptive_pool, finds_the_knee_of_its_server) {
  const knee server{4, 0.1};
  auto& p = make({.max_open = 32, .busy = busy_limit::adaptive});
  EXPECT_GE(work(p, server, 10, 60s), 0.9 * 60 * server.rate(server.best_limit()));
  EXPECT_LT(p.stats().busy_limit, 10U);
}

/// Each wait is far shorter than an open, so that without the limit nobody would be opened one.
TEST_F(adaptive_pool, opens_what_its_limit_tries_however_short_the_waits_are) {
  const knee server{4, 0.1};
  backend.open_time = 100ms;
  auto& p = make({.max_open = 32, .busy = busy_limit::adaptive});
  EXPECT_GE(work(p, server, 1, 20s), 0.9 * 20 * server.rate(server.best_limit(), 1));
}

}  // namespace
}  // namespace weir::pool_tests
