#include <chrono>

#include <weir/context/context.hpp>
#include <weir/context/wait.hpp>
#include <weir/retry/retry.hpp>
#include <weir/sync/event.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

WEIR_MODEL(a_cancel_ends_the_wait_between_attempts, .timeouts = 2) {
  context_source source;
  int attempts = 0;
  model::threads(
      [&] {
        retry again{source.get(), {.initial_backoff = 1ms, .max_retries = 2}};
        while (auto attempt = wait(again.next())) {
          ++attempts;
          again.failed(error{errc::unavailable, "not yet"});
        }
        model::check(attempts <= 3, "no more than the retries that were asked for");
      },
      [&] { source.cancel(); });
  model::check(attempts >= 1 || source.get().cancelled(), "the first attempt is granted");
  model::sometimes(attempts == 1, "the cancel came early");
  model::sometimes(attempts == 3, "the retries were used up");
}

WEIR_MODEL(a_cancel_on_a_manual_clock_leaves_no_timer) {
  manual_clock time;
  {
    context_source source{time};
    model::threads(
        [&] {
          retry again{source.get(), {.initial_backoff = 1ms, .max_retries = 1}};
          while (auto attempt = wait(again.next())) {
            again.failed(error{errc::unavailable, "not yet"});
          }
        },
        [&] { source.cancel(); }, [&] { time.advance(10ms); });
  }
  model::check(time.next_timer() == time_point::max(), "no timer is left armed");
}

}  // namespace
