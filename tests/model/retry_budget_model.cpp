#include <chrono>

#include <weir/context/context.hpp>
#include <weir/context/wait.hpp>
#include <weir/retry/budget.hpp>
#include <weir/retry/retry.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

/// Two withdrawals of one thread.
int take_two(retry_budget& budget) {
  int taken = 0;
  for (int i = 0; i < 2; ++i) taken += budget.try_withdraw() ? 1 : 0;
  return taken;
}

WEIR_MODEL(two_threads_never_take_the_same_token) {
  manual_clock time;
  retry_budget budget{{.initial = 3, .floor_per_second = 0}, time};
  int first = 0;
  int second = 0;
  model::threads([&] { first = take_two(budget); }, [&] { second = take_two(budget); });
  model::check(first + second == 3 && budget.available() == 0, "three tokens are three retries");
  model::sometimes(first == 1, "the second thread took two");
  model::sometimes(second == 1, "the first thread took two");
}

WEIR_MODEL(what_is_earned_and_spent_at_once_adds_up) {
  manual_clock time;
  retry_budget budget{{.per_try = 0.5, .initial = 1, .floor_per_second = 0}, time};
  int taken = 0;
  model::threads(
      [&] {
        budget.tried();
        budget.tried();
      },
      [&] { taken = take_two(budget); });
  model::check(taken + budget.available() == 2, "one at first and two halves");
  model::sometimes(taken == 2, "both halves were earned in time");
  model::sometimes(taken == 1, "a half was missing");
}

WEIR_MODEL(what_races_in_above_the_capacity_is_never_granted) {
  manual_clock time;
  retry_budget budget{{.per_try = 1, .capacity = 1, .floor_per_second = 0}, time};
  model::threads([&] { budget.tried(); }, [&] { budget.tried(); }, [&] { budget.refund(); });
  model::check(budget.available() == 1, "the capacity is one");
  model::check(take_two(budget) == 1, "only what fits is granted");
}

WEIR_MODEL(two_threads_never_take_the_same_token_of_the_floor) {
  manual_clock time;
  retry_budget budget{{.per_try = 0, .floor_per_second = 1}, time};
  int first = 0;
  int second = 0;
  model::threads([&] { first = take_two(budget); }, [&] { second = take_two(budget); },
                 [&] { time.advance(1s); });
  const int granted = first + second;
  model::check(granted == 1 || granted == 2, "one at once, and one when a second has passed");
  model::sometimes(granted == 1, "the second passed too late");
  model::sometimes(granted == 2, "the second passed in time");
}

WEIR_MODEL(a_loop_that_is_cancelled_pays_back_what_it_did_not_use, .timeouts = 2) {
  context_source source;
  retry_budget budget{{.per_try = 0, .initial = 2, .floor_per_second = 0}};
  int attempts = 0;
  model::threads(
      [&] {
        retry again{source.get(), {.initial_backoff = 1ms, .budget = &budget}};
        while (auto attempt = wait(again.next())) {
          ++attempts;
          again.failed(error{errc::unavailable, "not yet"});
        }
      },
      [&] { source.cancel(); });
  model::check(budget.available() == 3 - attempts, "each retry made cost one token, and no other");
  model::sometimes(attempts == 1, "the cancel came early");
  model::sometimes(attempts == 3, "the budget was used up");
}

}  // namespace
