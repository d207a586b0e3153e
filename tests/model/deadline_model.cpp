// A context's one timer stands with the loop that waited first. Others rely on it.

#include <weir/context/context.hpp>
#include <weir/context/wait.hpp>
#include <weir/runtime/run_loop.hpp>
#include <weir/runtime/task.hpp>
#include <weir/sync/event.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

errc code_of(const result<void>& done) {
  return done ? errc{} : done.error().code();
}

task<errc> waits(event& on, context ctx) {
  const auto done = co_await on.wait(ctx);
  co_return code_of(done);
}

/// Ends the other's wait, and waits under the deadline that the other's loop may have armed.
task<errc> relies(event& of_the_other, event& never, context ctx) {
  of_the_other.set();
  const auto done = co_await never.wait(ctx);
  co_return code_of(done);
}

/// Two loops under one deadline. The first one to wait arms it; when that one ends, it moves over.
void two_loops(const context& first, const context& second) {
  event other;
  event never;
  errc seen{};
  model::threads([&] { seen = wait(waits(other, first)); },
                 [&] {
                   const errc why = wait(relies(other, never, second));
                   model::check(why == errc::deadline_exceeded, "the deadline ended it");
                 });
  model::sometimes(seen == errc{}, "the first loop ended before the deadline");
}

WEIR_MODEL(a_deadline_outlives_the_loop_that_armed_it, .timeouts = 1) {
  const context_source source{context{}, {.timeout = 1ms}};
  two_loops(source.get(), source.get());
}

WEIR_MODEL(a_childs_waiter_takes_over_its_parents_deadline, .timeouts = 1) {
  const context_source source{context{}, {.timeout = 1ms}};
  const context_source child{source.get()};
  two_loops(source.get(), child.get());
}

}  // namespace
