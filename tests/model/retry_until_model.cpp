// A retry loop that ends when something happens: the grant against the wait, and against the end of
// the loop.

#include <chrono>
#include <optional>

#include <weir/context/context.hpp>
#include <weir/context/wait.hpp>
#include <weir/retry/retry.hpp>
#include <weir/sync/event.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

WEIR_MODEL(what_it_was_to_try_until_ends_the_wait, .timeouts = 1) {
  context_source source;
  event closed;
  std::optional<retry_reason> why;
  model::threads(
      [&] {
        auto until = closed.wait({});
        retry again{source.get(), {.initial_backoff = 1ms, .max_retries = 1, .until = until}};
        while (auto attempt = wait(again.next())) again.failed(error{errc::unavailable, "not yet"});
        why = again.reason();
      },
      [&] { closed.set(); }, [&] { source.cancel(); });
  model::sometimes(why == retry_reason::until, "it happened first");
  model::sometimes(why == retry_reason::cancelled, "the cancel was first");
  model::sometimes(why == retry_reason::attempts, "the attempts were used up first");
}

/// Nothing else ends the wait: an hour never passes here.
WEIR_MODEL(what_happens_between_two_attempts_is_not_slept_through, .timeouts = 0) {
  event closed;
  model::threads(
      [&] {
        auto until = closed.wait({});
        retry again{context{}, {.initial_backoff = 1h, .max_backoff = 1h, .until = until}};
        while (auto attempt = wait(again.next())) again.failed(error{errc::unavailable, "not yet"});
        model::check(again.reason() == retry_reason::until, "it ended for the right reason");
      },
      [&] { closed.set(); });
}

}  // namespace
