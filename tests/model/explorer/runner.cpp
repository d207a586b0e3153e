#include "explorer/runner.hpp"

#include <algorithm>
#include <ctime>

namespace weir::model {
namespace {

void call(void* model) {
  const auto& of = *static_cast<const entry*>(model);
  of.body(of.planted);
}

class exploration {
 public:
  exploration(const entry& model, const settings& how) : model_(model), how_(how) {
    limits_ = model.within;
    deepest_ = limits_.bound < 0 ? how.bound : limits_.bound + std::max(0, how.bound - 2);
  }

  outcome run() {
    const std::clock_t begun = std::clock();
    forget_sometimes();
    const int first = how_.deepest_only ? deepest_ : 0;
    for (int bound = first; bound <= deepest_ && !found_.failed && !found_.cut; ++bound)
      every(bound);
    if (!found_.failed) sampled();
    if (!found_.failed && model_.finds == nullptr) {
      for (const char* sentence : never_happened()) {
        found_.failed = true;
        found_.why.failed = true;
        found_.why.sentence = std::string("it never happened that ") + sentence;
      }
    }
    found_.seconds = static_cast<double>(std::clock() - begun) / CLOCKS_PER_SEC;
    return found_;
  }

 private:
  bool one() {
    const verdict& end = execution::current.run(call, const_cast<entry*>(&model_), limits_, by_);
    ++found_.executions;
    found_.points = std::max(found_.points, execution::current.steps());
    if (!end.failed) return true;
    found_.failed = true;
    found_.why = end;
    found_.schedule = by_.text();
    return false;
  }

  bool again() {
    const unsigned steps = execution::current.steps();
    const unsigned choices = by_.choices();
    by_.repeat();
    if (!one()) return false;
    if (execution::current.steps() == steps && by_.choices() == choices) return true;
    found_.failed = true;
    found_.why.sentence = "a rerun differs: it made other steps";
    return false;
  }

  void every(int bound) {
    limits_.bound = bound;
    found_.bound = bound;
    found_.found_by = "exhaustive search";
    by_.start_exhaustive();
    std::uint64_t at_this_bound = 0;
    do {
      if (!one()) return;
      // The search rests on reruns that repeat themselves, so look whether they do.
      if (at_this_bound % 256 == 0 && !again()) return;
      if (++at_this_bound == how_.most) {
        found_.cut = true;
        if (how_.may_cut) return;
        found_.failed = true;
        found_.why.sentence = "too many schedules for this bound: make the model smaller";
        return;
      }
    } while (by_.next_execution());
  }

  void sampled() {
    const std::uint64_t runs =
        how_.pct != 0 && model_.within.pct != 0 ? how_.pct : model_.within.pct;
    for (std::uint64_t i = 0; i < runs; ++i) {
      found_.seed = how_.seed + i;
      // Every fourth is uniformly random: PCT alone never switches back and forth.
      if (i % 4 == 3) {
        found_.found_by = "random search";
        by_.start_random(found_.seed);
      } else {
        found_.found_by = "PCT";
        by_.start_pct(found_.seed, 2 + static_cast<unsigned>(i % 3), found_.points);
      }
      if (!one()) return;
    }
  }

  const entry& model_;
  const settings& how_;
  limits limits_;
  chooser by_;
  outcome found_;
  int deepest_ = 0;
};

}  // namespace

outcome explore(const entry& model, const settings& how) {
  return exploration(model, how).run();
}

bool replay(const entry& model, const std::string& schedule, int bound, verdict& why) {
  chooser by;
  if (!by.start_replay(schedule)) return false;
  limits within = model.within;
  within.bound = bound;
  tracing = true;
  why = execution::current.run(call, const_cast<entry*>(&model), within, by);
  tracing = false;
  return true;
}

}  // namespace weir::model
