// Stoppers that are parts of others: both are stopped, and one comes while the other goes.

#include <optional>

#include <weir/context/wait.hpp>

#include "explorer/model.hpp"
#include "stage.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;
using model::stage;

stopper_options part_of(stage& on, stopper& parent) {
  stopper_options options = on.options();
  options.parent = &parent;
  return options;
}

/// Destroyed right after its own stop has returned, while the parent may just hear of it.
WEIR_MODEL(a_part_and_its_parent_are_stopped_at_once, .bound = 1, .pct = 10'000) {
  stage on;
  stopper parent{on.rt, on.options()};
  std::optional<stopper> part{std::in_place, on.rt, part_of(on, parent)};
  std::size_t parts = 0;
  model::threads(
      [&] {
        const auto report = wait(part->stop({.drain = 1h}));
        model::check(report && report->outcome() == shutdown_outcome::clean, "the part stopped");
        part.reset();
      },
      [&] {
        const auto report = wait(parent.stop({.drain = 1h}));
        model::check(report && report->outcome() == shutdown_outcome::clean, "the parent stopped");
        parts = report->children.size();
      });
  model::check(parts == 1, "the parent's report has its part");
}

/// What a part lets in is waited for by the stop of its parent, whenever the part was made.
WEIR_MODEL(a_part_made_while_its_parent_stops_refuses_or_is_waited_for, .bound = 1, .pct = 10'000) {
  stage on;
  stopper parent{on.rt, on.options()};
  core::atomic<bool> stopped{false};
  bool entered = false;
  model::threads(
      [&] {
        stopper part{on.rt, part_of(on, parent)};
        if (auto in = part.try_enter("work")) {
          entered = true;
          model::check(!stopped.load(), "the parent's stop waits for what is in");
        }
      },
      [&] {
        model::check(wait(parent.stop({.drain = 1h})).has_value(), "the stop returns");
        stopped.store(true);
      });
  model::sometimes(entered, "the part was made in time");
  model::sometimes(!entered, "the part came too late");
}

}  // namespace
