#include <chrono>
#include <optional>

#include <weir/retry/breaker.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;
using enum breaker_state;

/// One failure opens it, for one second or a little less or more.
constexpr breaker_options touchy{
    .failures = 1, .window = 1, .open_for = 1s, .max_open_for = 1s, .slow_start = 10s, .seed = 1};

void open_and_wait(circuit_breaker& breaker, manual_clock& time) {
  breaker.try_enter().value().failed();
  time.advance(2s);
}

/// Enters; ends as `picked`: 0 success, 1 failure, 2 dropped. False if it was refused.
bool call(circuit_breaker& breaker, unsigned picked) {
  auto permit = breaker.try_enter();
  if (!permit) return false;
  if (picked == 0) permit->succeeded();
  if (picked == 1) permit->failed();
  return true;
}

WEIR_MODEL(failures_that_race_open_it_once) {
  manual_clock time;
  circuit_breaker breaker{touchy, time};
  int entered = 0;
  const auto fails = [&] {
    for (int i = 0; i < 2; ++i) entered += call(breaker, 1) ? 1 : 0;
  };
  model::threads(fails, fails);
  model::check(breaker.state() == open && breaker.read().opened == 1,
               "a call of the time before it opened says nothing");
  model::check(entered + static_cast<int>(breaker.read().refused) == 4, "every call is counted");
  model::sometimes(entered == 2, "both were inside when it opened");
  model::sometimes(entered == 1, "the second was refused");
}

WEIR_MODEL(there_is_one_probe_at_a_time) {
  manual_clock time;
  breaker_options options = touchy;
  options.probes = 9;  // it stays half open
  circuit_breaker breaker{options, time};
  open_and_wait(breaker, time);
  core::atomic<int> probes{0};
  int refused = 0;
  const auto probe = [&] {
    for (int i = 0; i < 2; ++i) {
      auto permit = breaker.try_enter();
      if (!permit) {
        ++refused;
        continue;
      }
      model::check(breaker.state() == half_open, "whoever is let through is a probe");
      model::check(probes.fetch_add(1) == 0, "two probes at once");
      probes.fetch_sub(1);
      if (i == 0) permit->succeeded();  // the second is dropped
    }
  };
  model::threads(probe, probe);
  model::sometimes(refused == 0, "one after the other");
  model::sometimes(refused > 0, "one was in the other's way");
  model::check(breaker.try_enter().has_value(), "a probe that was dropped keeps nobody out");
}

WEIR_MODEL(a_probe_that_ends_while_time_passes_decides_alone) {
  manual_clock time;
  circuit_breaker breaker{touchy, time};
  open_and_wait(breaker, time);
  const unsigned first = model::pick(3);
  const unsigned second = model::pick(3);
  bool probed = false;
  bool other = false;
  model::threads([&] { probed = call(breaker, first); }, [&] { other = call(breaker, second); });
  model::check(probed || other, "somebody is let through");
  const breaker_state now = breaker.state();
  model::check(now != closed, "a slow start comes before it is closed");
  model::sometimes(now == open && breaker.read().opened == 2, "half open to open");
  model::sometimes(now == recovering, "half open to recovering");
  model::sometimes(now == half_open, "both were dropped, or one refused");
}

WEIR_MODEL(without_a_slow_start_a_probe_closes_it_for_all) {
  manual_clock time;
  breaker_options options = touchy;
  options.slow_start = 0s;
  circuit_breaker breaker{options, time};
  open_and_wait(breaker, time);
  bool other = false;
  model::threads([&] { static_cast<void>(call(breaker, 0)); }, [&] { other = call(breaker, 0); });
  model::check(breaker.state() == closed, "half open to closed");
  model::sometimes(other, "the other came before or after the probe");
  model::sometimes(!other, "the other was refused");
}

WEIR_MODEL(a_slow_start_ends_or_breaks_off) {
  manual_clock time;
  circuit_breaker breaker{touchy, time};
  open_and_wait(breaker, time);
  breaker.try_enter().value().succeeded();
  model::check(breaker.state() == recovering, "it recovers");
  const unsigned picked = model::pick(2);
  model::threads(
      [&] {
        static_cast<void>(call(breaker, picked));
        static_cast<void>(call(breaker, 0));
      },
      [&] {
        static_cast<void>(call(breaker, 0));
        static_cast<void>(call(breaker, 0));
      },
      [&] { time.advance(10s); });
  const breaker_state now = breaker.state();
  model::sometimes(now == closed, "recovering to closed");
  model::sometimes(now == recovering, "nobody came when it was over");
  model::sometimes(now == open || breaker.read().opened == 2, "recovering to open");
}

/// From the first failure to the end: what each call sees is one of the four states, and whoever is
/// refused was refused by a breaker that had opened.
WEIR_MODEL(calls_of_two_threads_go_through_the_whole_of_it) {
  manual_clock time;
  circuit_breaker breaker{touchy, time};
  const auto calls = [&](unsigned first) {
    const bool entered = call(breaker, first);
    model::check(entered || breaker.read().opened > 0, "refused by a breaker that never opened");
    time.advance(2s);
    static_cast<void>(call(breaker, 0));
  };
  model::threads([&] { calls(1); }, [&] { calls(model::pick(2)); });
  const breaker_state now = breaker.state();
  model::sometimes(breaker.read().opened == 2, "closed to open, and from there to open again");
  model::sometimes(now == recovering, "open to half open to recovering");
}

}  // namespace
