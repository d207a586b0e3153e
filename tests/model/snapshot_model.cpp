// Snapshots against tasks that come and go, and a plan of stages against somebody who hurries it.

#include <array>
#include <deque>
#include <string>
#include <vector>

#include <weir/context/wait.hpp>
#include <weir/stopper/shutdown_plan.hpp>

#include "explorer/model.hpp"
#include "stage.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;
using model::stage;

// ---------------------------------------------------------------- walks

/// Some tasks that stay, in one shard: one more than a walk looks at under one lock.
struct crowd {
  core::live_tasks live;
  std::deque<core::live_task> stay;

  explicit crowd(std::size_t size = core::live_tasks::slice + 1) {
    for (std::size_t i = 0; i < size; ++i) {
      model::check(live.enter(stay.emplace_back("stays", std::source_location{}), 0), "it is open");
    }
  }
  ~crowd() {
    for (core::live_task& one : stay) static_cast<void>(live.leave(one));
  }

  /// How many of those that stay a walk saw; each at most once, and nothing without a name.
  [[nodiscard]] std::size_t seen() const {
    std::vector<core::live_task_info> found;
    live.copy(found);
    std::size_t count = 0;
    for (const core::live_task_info& one : found) {
      model::check(one.name != nullptr, "the marks of walks are not shown");
      if (std::string_view{one.name} == "stays") ++count;
    }
    return count;
  }
};

WEIR_MODEL(a_walk_sees_all_that_stay_while_others_come_and_go) {
  crowd in;
  core::live_task goes{"goes", {}};
  model::check(in.live.enter(goes, 0), "it is open");
  model::threads([&] { model::check(in.seen() == in.stay.size(), "all that stay are seen"); },
                 [&] {
                   static_cast<void>(in.live.leave(goes));
                   core::live_task comes{"comes", {}};
                   model::check(in.live.enter(comes, 0), "it is open");
                   static_cast<void>(in.live.leave(comes));
                 });
}

WEIR_MODEL(two_walks_do_not_lose_each_others_way) {
  crowd in;
  const auto walk = [&] { model::check(in.seen() == in.stay.size(), "all that stay are seen"); };
  model::threads(walk, walk);
}

WEIR_MODEL(a_walk_does_not_hold_up_the_end) {
  crowd in{1};
  core::live_task last{"last", {}};
  model::check(in.live.enter(last, 0), "it is open");
  core::atomic<int> told{0};
  model::threads([&] { static_cast<void>(in.seen()); },
                 [&] {
                   if (in.live.leave(last)) told.fetch_add(1);
                   if (in.live.close()) told.fetch_add(1);
                 });
  model::check(told.load() == 0, "one that stays is left");
  model::check(in.live.leave(in.stay.front()), "and it is the last");
  in.stay.clear();
}

// ---------------------------------------------------------------- the plan

WEIR_MODEL(hurry_against_a_plan_skips_or_comes_too_late, .pct = 10'000) {
  stage on;
  stopper it{on.rt, on.options()};
  shutdown_plan plan{it, {}, nullptr};
  int ran = 0;
  plan.stage("first", 1h, [&] { ++ran; });
  plan.stage("second", 1h, [&] { ++ran; });
  std::size_t skipped = 0;
  model::threads(
      [&] {
        const plan_report report = wait(plan.run());
        for (const plan_report::stage& one : report.stages) {
          if (one.state == plan_report::stage_state::skipped) ++skipped;
        }
        model::check(report.shutdown.has_value(), "it stopped all the same");
      },
      [&] { plan.hurry(); });
  model::check(ran + static_cast<int>(skipped) >= 2, "what was not skipped ran");
  model::sometimes(skipped == 0, "it came too late");
  model::sometimes(skipped == 2, "it came first");
}

}  // namespace
