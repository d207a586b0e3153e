// The cancellation tree: raising against registering, deadlines, callbacks and the end of nodes.

#include <array>
#include <memory>
#include <optional>

#include <weir/context/context.hpp>
#include <weir/context/on_cancel.hpp>
#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/core/sync/thread.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

inline constexpr context_key<int> number;

errc code_of(const result<void>& r) {
  return r ? errc{} : r.error().code();
}

WEIR_MODEL(a_cancel_is_never_missed_by_a_wait_that_begins) {
  context_source source;
  model::threads(
      [&] {
        const auto first = wait(until_draining(source.get()));
        model::check(first.has_value(), "the wait for the level ended with it");
        const auto second = wait(until_cancelled(source.get()));
        model::check(second.has_value() && source.get().cancelled(), "cancelled after the wait");
      },
      [&] {
        source.drain();
        source.cancel();
      });
}

WEIR_MODEL(of_two_causes_one_counts_and_all_see_it) {
  context_source source;
  bool won[2] = {};
  const auto end = [&](int me, errc why) {
    won[me] = source.cancel(error{why, "told so"});
    const auto cause = source.get().cancel_cause();
    model::check(cause.has_value(), "a cause is visible when the level is");
    if (won[me]) model::check(cause->what.code() == why, "the winner's cause counts");
  };
  model::threads([&] { end(0, errc::cancelled); }, [&] { end(1, errc::unavailable); });
  model::check(won[0] != won[1], "exactly one call cancelled");
  model::sometimes(won[0], "the first thread won");
  model::sometimes(won[1], "the second thread won");
}

WEIR_MODEL(a_child_made_while_its_parent_is_cancelled_is_cancelled) {
  context_source parent;
  model::threads(
      [&] {
        const context_source child{parent.get()};
        const context_source grandchild{child.get()};
        const auto ended = wait(until_cancelled(grandchild.get()));
        model::check(ended && child.get().cancelled(), "the parent is cancelled before its child");
      },
      [&] {
        parent.drain();
        parent.cancel();
      });
}

WEIR_MODEL(a_deadline_and_a_cancel_end_a_thread_once, .timeouts = 1) {
  context_source source{context{}, {.timeout = 5ms}};
  errc seen{};
  model::threads(
      [&] {
        const auto slept = wait(sleep_for(source.get(), 1h));
        model::check(!slept, "the sleep was cut short");
        seen = code_of(slept);
        const auto again = wait(sleep_for(source.get(), 1h));
        model::check(!again && again.error().code() == seen, "the first cause stays");
      },
      [&] {
        source.drain();
        source.cancel();
      });
  model::sometimes(seen == errc::cancelled, "the cancel was first");
  model::sometimes(seen == errc::deadline_exceeded, "the deadline was first");
}

WEIR_MODEL(a_deadline_on_a_manual_clock_wakes_a_thread) {
  manual_clock time;
  {
    context_source source{time, {.timeout = 5ms}};
    errc seen{};
    model::threads(
        [&] {
          const auto slept = wait(sleep_for(source.get(), 1h));
          model::check(!slept, "the sleep was cut short");
          seen = code_of(slept);
        },
        [&] { time.advance(5ms); }, [&] { source.cancel(); });
    model::sometimes(seen == errc::cancelled, "the cancel was first");
    model::sometimes(seen == errc::deadline_exceeded, "the deadline was first");
  }
  model::check(time.next_timer() == time_point::max(), "no timer is left armed");
}

WEIR_MODEL(a_timer_against_a_cancel_ends_a_sleep_once) {
  manual_clock time;
  context_source source{time};
  bool slept_well = false;
  model::threads(
      [&] {
        slept_well = wait(sleep_for(source.get(), 3ms)).has_value();
        static_cast<void>(wait(sleep_for(source.get(), 0ms)));
      },
      [&] {
        while (!time.advance_to_next() && !source.get().cancelled()) core::cpu_relax();
      },
      [&] { source.cancel(); });
  model::check(time.next_timer() == time_point::max(), "no timer is left armed");
  model::sometimes(slept_well, "the timer was first");
  model::sometimes(!slept_well, "the cancel was first");
}

WEIR_MODEL(a_callback_runs_once_and_never_after_its_registration_ended) {
  context_source source;
  core::atomic<int> runs{0};
  model::threads(
      [&] {
        auto* alive = new core::atomic<bool>(true);
        {
          const auto hook = on_cancel(source.get(), [&runs, alive]() noexcept {
            model::check(alive->load(), "the callback ran within its registration's life");
            runs.fetch_add(1);
          });
          runs.load();
        }
        delete alive;
      },
      [&] {
        source.drain();
        source.cancel();
      });
  model::check(runs.load() <= 1, "a callback ran twice");
  model::sometimes(runs.load() == 0, "the registration ended first");
  model::sometimes(runs.load() == 1, "the callback ran");
}

WEIR_MODEL(callbacks_of_two_levels_each_run_once_under_two_raisers) {
  context_source source;
  core::atomic<int> drains{0};
  core::atomic<int> cancels{0};
  {
    const auto first = on_drain(source.get(), [&]() noexcept { drains.fetch_add(1); });
    const auto second = on_cancel(source.get(), [&]() noexcept { cancels.fetch_add(1); });
    model::threads([&] { source.drain(); }, [&] { source.cancel(); });
  }
  model::check(drains.load() == 1, "the drain callback ran once");
  model::check(cancels.load() == 1, "the cancel callback ran once");
}

WEIR_MODEL(a_callback_may_end_its_own_registration) {
  context_source source;
  core::atomic<int> runs{0};
  struct ending {
    core::atomic<int>* runs;
    void* own;
    void (*end)(void*);
    void operator()() const noexcept {
      runs->fetch_add(1);
      end(own);
    }
  };
  std::optional<context_hook<ending>> hook;
  const auto end = [](void* own) {
    static_cast<std::optional<context_hook<ending>>*>(own)->reset();
  };
  hook.emplace(source.get(), context_level::cancelled, ending{&runs, &hook, end});
  model::threads([&] { source.cancel(); }, [&] { source.cancel(); });
  model::check(runs.load() == 1, "it ran once");
}

WEIR_MODEL(a_scope_may_end_while_its_parent_is_cancelled) {
  context_source parent;
  model::threads(
      [&] {
        context_scope child{parent.get()};
        const context_scope grandchild{child.get()};
        model::sometimes(grandchild.get().cancelled(), "the cancel came down in time");
      },
      [&] {
        parent.drain();
        parent.cancel();
      });
}

/// Regression: an owner that saw the level, and did not wait for it, ended the scope under the
/// hands of whoever was still raising it.
WEIR_MODEL(a_scope_may_end_as_soon_as_its_owner_sees_it_cancelled) {
  context_source parent;
  auto scope = std::make_unique<context_scope>(parent.get());
  context_scope& shared = *scope;
  model::threads([&] { shared.cancel(); },
                 [&] {
                   while (!shared.get().cancelled()) core::yield_thread();
                   scope.reset();
                 });
}

WEIR_MODEL(a_scope_may_end_while_its_own_deadline_expires) {
  manual_clock time;
  context_source parent{time};
  model::threads(
      [&] {
        context_scope child{parent.get(), {.timeout = 2ms}};
        const auto slept = wait(sleep_for(child.get(), 1ms));
        model::sometimes(slept.has_value(), "the sleep ended in time");
        model::sometimes(!slept.has_value(), "the deadline was seen first");
      },
      [&] {
        time.advance(1ms);
        time.advance(2ms);
        parent.cancel();
      });
  model::check(time.next_timer() == time_point::max(), "no timer is left armed");
}

WEIR_MODEL(the_last_handle_may_go_while_the_tree_is_cancelled) {
  context_source parent;
  std::optional<context_source> child{std::in_place, parent.get()};
  context copy = child->get();
  model::threads([&] { child.reset(); }, [&] { copy = {}; }, [&] { parent.cancel(); });
}

/// Regression: a cancel that met one from above on its way down said so, and came back before that
/// one had arrived below.
WEIR_MODEL(who_cancels_second_finds_all_below_cancelled) {
  context_source parent;
  context_source child{parent.get()};
  const context_source grandchild{child.get()};
  model::threads([&] { parent.cancel(); },
                 [&] {
                   child.cancel();
                   model::check(grandchild.get().cancelled(), "whoever was first");
                 });
}

/// The parent is there for its children's sake until the last of them goes: one ends it.
WEIR_MODEL(the_last_handle_and_the_last_child_may_go_at_once) {
  context_source grandparent;
  std::optional<context_source> parent{std::in_place, grandparent.get()};
  std::optional<context_source> a{std::in_place, parent->get()};
  std::optional<context_source> b{std::in_place, parent->get()};
  model::threads([&] { parent.reset(); }, [&] { a.reset(); }, [&] { b.reset(); });
  model::check(!grandparent.get().cancelled(), "what is above goes on");
}

WEIR_MODEL(a_scope_may_be_the_last_that_its_parent_is_there_for) {
  context_source grandparent;
  context parent = grandparent.get().with_value(number, 1);
  context sibling = parent.with_value(number, 2);
  model::threads(
      [&] {
        const context_scope child{sibling};
        sibling = {};
      },
      [&] { parent = {}; }, [&] { grandparent.cancel(); });
}

/// A select locks all that it waits for, and a cancel locks its way down the tree.
WEIR_MODEL(a_select_over_a_family_of_contexts_does_not_lock_out_a_cancel, .timeouts = 0) {
  context_source parent;
  const context_source child{parent.get()};
  const context_source sibling{parent.get()};
  model::threads(
      [&] {
        const auto first = wait(select(until_cancelled(child.get()), until_draining(parent.get())));
        model::check(first.index() == 0 ? child.get().cancelled() : parent.get().draining(),
                     "the case that won is true");
      },
      [&] {
        static_cast<void>(wait(select(until_cancelled(parent.get()), sleep_for(child.get(), 1h),
                                      until_cancelled(sibling.get()))));
        model::check(parent.get().cancelled(), "it waited for the cancel");
      },
      [&] {
        parent.drain();
        parent.cancel();
      });
}

/// Two waits under one context, and another context that ends one of them.
WEIR_MODEL(contexts_of_two_cases_end_the_case_they_bound, .timeouts = 0) {
  context_source left;
  context_source right;
  std::size_t which = 9;
  model::threads(
      [&] {
        const auto ended = wait(select(sleep_for(left.get(), 1h), sleep_for(right.get(), 1h)));
        which = ended.index();
        model::check(which == 0 ? left.get().cancelled() : right.get().cancelled(),
                     "the case whose context ended");
      },
      [&] { left.cancel(); }, [&] { right.cancel(); });
  model::sometimes(which == 0, "the left one was first");
  model::sometimes(which == 1, "the right one was first");
}

/// Nothing but the second case's own context ends this.
WEIR_MODEL(the_context_of_the_second_case_ends_the_select, .timeouts = 0) {
  context_source left;
  context_source right;
  model::threads(
      [&] {
        const auto first = wait(select(sleep_for(left.get(), 1h), sleep_for(right.get(), 1h)));
        model::check(first.index() == 1, "the case whose context ended");
        const auto again = wait(select(sleep_for(left.get(), 1h), sleep_for(right.get(), 1h)));
        model::check(again.index() == 1, "it stays ended");
      },
      [&] { right.cancel(); });
}

/// Locks are taken from the top of the tree down, wherever its nodes lie in memory.
WEIR_MODEL(a_select_locks_a_child_that_lies_before_its_parent_after_it, .timeouts = 0) {
  std::array<std::optional<context_scope>, 2> places;
  const context_scope& parent = places[1].emplace(context{});
  const context_scope& child = places[0].emplace(parent.get());
  model::threads(
      [&] {
        const auto first = wait(select(until_cancelled(child.get()), until_draining(parent.get())));
        model::check(first.index() == 0 ? child.get().cancelled() : parent.get().draining(),
                     "the case that won is true");
      },
      [&] {
        places[1]->drain();
        places[1]->cancel();
      });
  places[0].reset();
}

}  // namespace
