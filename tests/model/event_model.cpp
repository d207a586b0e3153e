#include <memory>

#include <weir/context/context.hpp>
#include <weir/context/select.hpp>
#include <weir/context/wait.hpp>
#include <weir/sync/event.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;

WEIR_MODEL(a_set_is_never_missed) {
  event ready;
  int prepared = 0;
  const auto waits = [&] {
    model::check(wait(ready.wait({})).has_value(), "the wait ends with the event");
    model::check(prepared == 1 && ready.is_set(), "the event is set after the wait");
  };
  model::threads(waits, waits, [&] {
    prepared = 1;
    ready.set();
    ready.set();
  });
}

WEIR_MODEL(an_event_may_be_destroyed_after_its_wait) {
  auto ready = std::make_unique<event>();
  event& it = *ready;
  model::threads(
      [&] {
        static_cast<void>(wait(it.wait({})));
        ready.reset();
      },
      [&] { it.set(); });
}

WEIR_MODEL(an_event_may_be_destroyed_by_who_sees_it_set) {
  auto ready = std::make_unique<event>();
  event& it = *ready;
  model::threads(
      [&] {
        while (!it.is_set()) core::cpu_relax();
        ready.reset();
      },
      [&] { it.set(); });
}

WEIR_MODEL(a_set_and_a_cancel_end_a_wait_once) {
  context_source source;
  event ready;
  bool set = false;
  model::threads(
      [&] {
        const auto first = wait(ready.wait(source.get()));
        set = first.has_value();
        model::check(set || source.get().cancelled(), "the wait ended for a reason");
        model::check(!wait(ready.wait(source.get())) || set, "a cancel is not forgotten");
      },
      [&] { source.cancel(); }, [&] { ready.set(); });
  model::sometimes(set, "the event was first");
  model::sometimes(!set, "the cancel was first");
}

WEIR_MODEL(a_select_of_two_events_ends_with_one_of_them) {
  event left;
  event right;
  std::size_t which = 9;
  model::threads(
      [&] {
        which = wait(select(left.wait({}), right.wait({}))).index();
        model::check(which == 0 ? left.is_set() : right.is_set(), "the case that won is set");
        static_cast<void>(wait(select(right.wait({}), left.wait({}))));
      },
      [&] { left.set(); }, [&] { right.set(); });
  model::sometimes(which == 0, "the left one was first");
  model::sometimes(which == 1, "the right one was first");
}

WEIR_MODEL(a_select_leaves_no_node_in_the_event_that_lost) {
  event common;
  auto other = std::make_unique<event>();
  event& second = *other;
  model::threads(
      [&] {
        static_cast<void>(wait(select(common.wait({}), second.wait({}))));
        other.reset();
      },
      [&] { common.set(); });
}

}  // namespace
