// Refuse-and-count, the ladder of a stop, closers, and the end of the stopper right after it.

#include <array>
#include <memory>
#include <optional>
#include <set>
#include <source_location>

#include <weir/context/wait.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/stopper/call_clock.hpp>

#include "explorer/model.hpp"
#include "stage.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;
using model::stage;

// ---------------------------------------------------------------- the count

WEIR_MODEL(of_entering_leaving_and_closing_one_is_told_of_the_last) {
  auto owner = std::make_unique<core::live_tasks>();
  core::live_tasks& live = *owner;
  core::atomic<int> told{0};
  core::atomic<bool> closed{false};
  int refused = 0;
  const auto last = [&] {
    told.fetch_add(1);
    owner.reset();
  };
  // One is live from before: the object must not go before everybody is past it.
  core::live_task before{"before", {}};
  model::check(live.enter(before, 1), "open at first");
  model::threads(
      [&] {
        core::live_task task{"task", {}};
        if (live.enter(task, 2)) {
          model::check(told.load() == 0, "nobody is told while a task is live");
          if (live.leave(task)) last();
        } else {
          ++refused;
          model::check(live.closed(), "refused because it was closed");
        }
        if (live.leave(before)) last();
      },
      [&] {
        if (live.close()) last();
        closed.store(true);
      });
  model::check(told.load() == 1, "exactly one was told of the last");
  model::sometimes(refused == 0, "the task came in");
  model::sometimes(refused == 1, "the task was refused");
}

WEIR_MODEL(a_refusal_is_followed_by_refusals_alone) {
  core::live_tasks live;
  core::atomic<bool> refused{false};
  const auto enter = [&](std::uint32_t shard) {
    core::live_task task{"task", {}};
    const bool before = refused.load();
    if (live.enter(task, shard)) {
      model::check(!before, "nobody is let in after somebody was refused");
      static_cast<void>(live.leave(task));
    } else {
      refused.store(true);
    }
  };
  model::threads([&] { enter(0); }, [&] { enter(15); }, [&] { static_cast<void>(live.close()); });
}

// ---------------------------------------------------------------- tasks, left on any thread

/// As a stopper's gate does it. Null: refused.
core::task_place* enter(core::live_tasks& live, const char* name) {
  core::thread_calls* const mine = live.calls_of_this_thread();
  core::task_place* const place =
      mine != nullptr ? mine->tasks().enter({name, {}, {}, nullptr, false}) : nullptr;
  if (place == nullptr) live.wait_until_closed();
  return place;
}

/// True: it was the last.
bool leave(core::live_tasks& live, core::task_place& place) {
  core::thread_calls* const mine = live.calls_of_this_thread();
  if (mine == nullptr) return live.leave_from_elsewhere(place, 3);
  return !mine->tasks().leave(place) && live.leave_late(mine->tasks());
}

WEIR_MODEL(of_tasks_and_a_close_one_is_told_of_the_last) {
  auto owner = std::make_unique<core::live_tasks>();
  core::live_tasks& live = *owner;
  core::atomic<int> told{0};
  bool entered = false;
  bool late = false;
  const auto last = [&] {
    told.fetch_add(1);
    owner.reset();
  };
  // Entered on a thread that takes no further part.
  core::task_place* const before = enter(live, "before");
  model::threads(
      [&] {
        if (core::task_place* const place = enter(live, "task")) {
          entered = true;
          model::check(told.load() == 0, "nobody is told while a task is live");
          if (leave(live, *place)) last();
        } else {
          model::check(live.closed(), "refused because it was closed");
        }
        late = live.closed();
        if (leave(live, *before)) last();
      },
      [&] {
        if (live.close()) last();
      });
  model::check(told.load() == 1, "exactly one was told of the last");
  model::sometimes(entered, "the task came in");
  model::sometimes(!entered, "the task was refused");
  model::sometimes(!late, "both had left before");
}

WEIR_MODEL(a_close_counts_who_leaves_on_another_thread_once, .bound = 2) {
  core::live_tasks live;
  core::atomic<int> told{0};
  core::task_place* const one = enter(live, "one");
  core::task_place* const two = enter(live, "two");
  const auto leaves = [&](core::task_place& place) {
    if (leave(live, place)) told.fetch_add(1);
  };
  model::threads([&] { leaves(*one); }, [&] { leaves(*two); },
                 [&] {
                   if (live.close()) told.fetch_add(1);
                 });
  model::check(told.load() == 1, "exactly one was told of the last");
  model::check(live.count() == 0, "nobody is left");
}

WEIR_MODEL(a_count_misses_nobody_who_stays, .bound = 2) {
  core::live_tasks live;
  core::atomic<core::task_place*> passed{nullptr};
  core::task_place* const stays = enter(live, "stays");
  std::size_t count = 0;
  model::threads([&] { passed.store(enter(live, "passes")); },
                 [&] {
                   core::task_place* const place = passed.exchange(nullptr);
                   if (place != nullptr) static_cast<void>(leave(live, *place));
                 },
                 [&] {
                   count = live.count();
                   model::check(count == 1 || count == 2, "one stays, and one may be there");
                 });
  static_cast<void>(leave(live, *stays));
  core::task_place* const place = passed.load();
  if (place != nullptr) static_cast<void>(leave(live, *place));
  model::check(live.count() == 0, "all have left");
  model::sometimes(count == 1, "one was there");
  model::sometimes(count == 2, "two were there");
}

WEIR_MODEL(what_is_read_of_a_place_is_of_one_task) {
  core::thread_tasks tasks;
  const auto at = [](int seconds) { return core::time_point{std::chrono::seconds{seconds}}; };
  int seen = 0;
  const core::task_place* place = tasks.enter({"0", {}, at(0), nullptr, false});
  static_cast<void>(tasks.leave(const_cast<core::task_place&>(*place)));
  model::threads(
      [&] {
        for (const char* name : {"1", "2"}) {
          core::task_place* const mine =
              tasks.enter({name, {}, at(*name - '0'), nullptr, *name == '2'});
          model::check(mine == place, "the place that was left last is used next");
          static_cast<void>(tasks.leave(*mine));
        }
      },
      [&] {
        const auto one = core::thread_tasks::read(*place);
        if (!one) return;
        seen = *one->name - '0';
        model::check(one->since == at(seen), "name and time are of the same task");
        model::check(one->cancelled_early == (seen == 2), "and so is what else is said of it");
      });
  model::sometimes(seen == 0, "there was none");
  model::sometimes(seen == 1, "the first was seen");
  model::sometimes(seen == 2, "the second was seen");
}

/// Regression: the item was looked at before the id, so that it could be of the task that had left,
/// and the id of the next.
WEIR_MODEL(a_task_that_has_left_does_not_run_in_the_place_of_the_next) {
  core::thread_tasks tasks;
  core::work gone{[](core::work&) noexcept {}};
  core::work next{[](core::work&) noexcept {}};
  core::task_place* const place = tasks.enter({"gone", {}, {}, &gone, false});
  static_cast<void>(tasks.leave(*place));
  bool seen = false;
  model::threads(
      [&] {
        core::task_place* const mine = tasks.enter({"next", {}, {}, &next, false});
        model::check(mine == place, "the place that was left last is used next");
      },
      [&] {
        model::check(!core::thread_tasks::runs_as(*place, gone), "it has left");
        seen = core::thread_tasks::runs_as(*place, next);
      });
  static_cast<void>(tasks.leave(*place));
  model::sometimes(seen, "the next one was seen");
  model::sometimes(!seen, "it had not come yet");
}

WEIR_MODEL(a_place_that_comes_back_is_given_out_once) {
  core::thread_tasks home;
  core::thread_tasks elsewhere;
  const auto enter_one = [&] { return home.enter({"task", {}, {}, nullptr, false}); };
  std::set<core::task_place*> taken;
  core::task_place* last = nullptr;
  while (taken.size() < 8) taken.insert(last = enter_one());  // all that there are at first
  core::task_place* const leaves = *taken.begin();
  taken.erase(last);
  static_cast<void>(elsewhere.leave(*last));
  std::array<core::task_place*, 2> more{};
  model::threads([&] { static_cast<void>(elsewhere.leave(*leaves)); },
                 [&] {
                   for (core::task_place*& one : more) one = enter_one();
                 });
  model::check(more[0] != more[1], "two tasks are in two places");
  const bool again = more[0] == leaves || more[1] == leaves;
  taken.erase(leaves);
  for (core::task_place* const one : more) {
    model::check(taken.insert(one).second, "nobody is given a place that is taken");
  }
  model::sometimes(again, "it was used again");
  model::sometimes(!again, "it came too late");
}

// ---------------------------------------------------------------- calls of one thread each

/// Of what a thread did, if it is let in: see thread_calls.
struct one_call {
  core::live_tasks& live;
  bool entered = false;
  bool last = false;

  void run(std::source_location site = std::source_location::current()) {
    core::thread_calls* const mine = live.calls_of_this_thread();
    if (mine == nullptr) {
      while (!live.closed()) core::yield_thread();  // as an enter does that is refused
      return;
    }
    const std::uint32_t place = mine->enter("call", site, {});
    entered = place < core::thread_calls::depth;
    if (!entered) {
      last = live.refused(*mine);
      return;
    }
    model::check(live.has(nullptr, core::this_thread_id()), "it is inside");
    if (!mine->leave(place)) last = live.leave_late(*mine);
  }
};

WEIR_MODEL(of_calls_and_a_close_one_is_told_of_the_last) {
  core::live_tasks live;
  int told = 0;
  one_call first{live};
  one_call second{live};
  bool closer = false;
  model::threads([&] { first.run(); }, [&] { second.run(); }, [&] { closer = live.close(); });
  told = int{first.last} + int{second.last} + int{closer};
  model::check(told == 1, "exactly one was told of the last");
  model::check(live.count() == 0, "nobody is left");
  model::sometimes(first.entered && second.entered, "both came in");
  model::sometimes(!first.entered && !second.entered, "both were refused");
  model::sometimes(first.last, "a call was the last");
  model::sometimes(closer, "the close was the last");
}

WEIR_MODEL(a_close_counts_the_call_that_it_does_not_refuse) {
  core::live_tasks live;
  core::atomic<bool> inside{false};
  core::atomic<bool> told{false};
  // Its place is there already, so that nothing but plain stores are between the two.
  core::thread_calls* mine = nullptr;
  model::threads(
      [&] {
        mine = live.calls_of_this_thread();
        if (mine == nullptr) return;
        const std::uint32_t place = mine->enter("call", {}, {});
        if (place == core::thread_calls::closed) {
          if (live.refused(*mine)) told.store(true);
          return;
        }
        inside.store(true);
        model::check(!told.load(), "nobody is told while it is inside");
        inside.store(false);
        if (!mine->leave(place) && live.leave_late(*mine)) told.store(true);
      },
      [&] {
        if (!live.close()) return;
        told.store(true);
        model::check(!inside.load(), "a close that is the last finds nobody inside");
      });
  model::check(told.load(), "somebody was told");
}

WEIR_MODEL(a_refused_call_is_followed_by_refusals_alone) {
  core::live_tasks live;
  core::atomic<bool> refused{false};
  const auto listed = [&] {
    core::live_task task{"task", {}};
    const bool before = refused.load();
    if (live.enter(task, 15)) {
      model::check(!before, "nobody is let in after somebody was refused");
      static_cast<void>(live.leave(task));
    } else {
      refused.store(true);
    }
  };
  const auto called = [&] {
    const bool before = refused.load();
    one_call call{live};
    call.run();
    if (call.entered) {
      model::check(!before, "nobody is let in after somebody was refused");
    } else {
      refused.store(true);
    }
  };
  model::threads(listed, called, [&] { static_cast<void>(live.close()); });
}

WEIR_MODEL(what_is_read_of_a_call_is_of_one_call) {
  core::thread_calls calls{1};
  const auto at = [](int seconds) { return core::time_point{std::chrono::seconds{seconds}}; };
  int seen = 0;
  model::threads(
      [&] {
        for (const char* name : {"1", "2"}) {
          const std::uint32_t place = calls.enter(name, {}, at(*name - '0'));
          static_cast<void>(calls.leave(place));
        }
      },
      [&] {
        const auto one = calls.read(0);
        if (!one) return;
        seen = *one->name - '0';
        model::check(one->since == at(seen), "name and time are of the same call");
      });
  model::sometimes(seen == 0, "there was none");
  model::sometimes(seen == 1, "the first was seen");
  model::sometimes(seen == 2, "the second was seen");
}

/// Real time that stands where a model puts it, and an executor whose timers expire when it says.
class still_clock final : public weir::clock {
 public:
  [[nodiscard]] time_point now() const noexcept override { return at; }
  time_point at{1s};
};

class idle_executor final : public core::executor, private core::timer_service {
 public:
  void execute(core::work&) noexcept override { model::check(false, "nothing is scheduled"); }
  core::timer_service& timers() noexcept override { return *this; }
  [[nodiscard]] weir::clock& time() noexcept override { return clock_; }
  [[nodiscard]] const char* name() const noexcept override { return "idle"; }

  void set(duration since_epoch) noexcept { clock_.at = time_point{since_epoch}; }
  void expire() noexcept {
    core::wake_list wakes;
    const core::lock_guard guard{mutex_};
    heap_.expire(time_point::max(), wakes);
  }

 private:
  core::mutex& guard() noexcept override { return mutex_; }
  void arm(core::timer_node& node, time_point when, core::wake_list&) noexcept override {
    heap_.arm(node, when);
  }
  bool disarm(core::timer_node& node) noexcept override { return heap_.disarm(node); }

  still_clock clock_;
  core::mutex mutex_;
  core::timer_heap heap_;
};

WEIR_MODEL(a_time_that_is_looked_up_while_it_expires_is_not_known_for_ever) {
  idle_executor where;
  core::call_clock time{where};
  core::thread_calls often{1};  // has begun none: it looks at the clock each time
  for (int i = 0; i < 33; ++i) static_cast<void>(time.now(often));
  model::threads(
      [&] {
        where.set(5s);
        static_cast<void>(time.now(often));
      },
      [&] { where.expire(); });
  where.set(9s);
  core::thread_calls seldom{2};
  static_cast<void>(seldom.leave(seldom.enter("call", {}, {})));
  model::check(time.now(seldom) == time_point{9s}, "who calls seldom looks for itself");
  time.close();
}

// ---------------------------------------------------------------- the whole

WEIR_MODEL(a_permit_against_a_stop_is_refused_or_waited_for, .pct = 10'000) {
  stage on;
  std::optional<stopper> s{std::in_place, on.rt, on.options()};
  stopper& it = *s;
  core::atomic<bool> stopped{false};
  bool entered = false;
  auto first = it.try_enter("first");
  model::check(first.has_value(), "it is running");
  model::threads(
      [&] {
        {
          auto second = it.try_enter("second");
          entered = second.has_value();
          if (entered) model::check(!stopped.load(), "a stop does not return before its permits");
        }
        model::check(!stopped.load(), "the first one is still there");
        first->release();
      },
      [&] {
        const auto report = wait(it.stop());
        stopped.store(true);
        model::check(report.has_value(), "it stopped");
        s.reset();
      });
  model::sometimes(entered, "the permit came in");
  model::sometimes(!entered, "the permit was refused");
}

WEIR_MODEL(two_stops_return_the_same_report, .pct = 10'000) {
  stage on;
  stopper it{on.rt, on.options()};
  auto one = it.try_enter("one");
  const auto stop = [&](const char* why) {
    const auto report = wait(it.stop({.reason = why}));
    model::check(report.has_value() && it.is_stopped(), "it has stopped");
  };
  model::threads([&] { stop("a"); },
                 [&] {
                   one->release();
                   stop("b");
                 });
}

/// The one who begins a stop tells the others; the one who ends it waits for that.
WEIR_MODEL(no_stop_returns_before_all_were_told, .pct = 10'000) {
  stage on;
  stopper it{on.rt, on.options()};
  core::atomic<bool> stopped{false};
  it.on_quiesce([&] {
      model::check(!stopped.load(), "it is told before a stop returns");
      core::cpu_relax();
      model::check(!stopped.load(), "and the stop waits for it");
    }).keep();
  const auto stop = [&] {
    static_cast<void>(wait(it.stop()));
    stopped.store(true);
  };
  model::threads(stop, stop);
}

WEIR_MODEL(a_call_inside_is_counted_and_others_are_refused, .pct = 10'000) {
  stage on;
  stopper it{on.rt, on.options()};
  core::atomic<bool> stopped{false};
  const auto call = [&] {
    const auto done = it.run("call", [&] {
      model::check(!stopped.load(), "a call runs before the stop returns");
      core::cpu_relax();
      model::check(!stopped.load(), "and the stop waits for its end");
    });
    model::sometimes(done.has_value(), "a call was let in");
    model::sometimes(!done, "a call was refused");
  };
  model::threads(
      [&] {
        call();
        call();
      },
      [&] {
        static_cast<void>(wait(it.stop()));
        stopped.store(true);
      });
}

WEIR_MODEL(a_closer_added_while_stop_races_always_runs, .pct = 10'000) {
  stage on;
  core::atomic<int> ran{0};
  {
    stopper it{on.rt, on.options()};
    model::threads(
        [&] {
          it.defer("first", [&] { ran.fetch_add(1); }).keep();
          it.defer("second", [&] { ran.fetch_add(1); }).keep();
        },
        [&] { static_cast<void>(wait(it.stop())); });
    model::check(ran.load() == 2, "each closer ran once");
  }
}

WEIR_MODEL(a_registration_that_ended_never_runs, .pct = 10'000) {
  stage on;
  stopper it{on.rt, on.options()};
  auto* alive = new core::atomic<bool>(true);
  bool taken_back = false;
  core::atomic<int> ran{0};
  auto closing = it.defer("closer", [&ran, alive] {
    model::check(alive->load(), "a closer ran after its registration had ended");
    ran.fetch_add(1);
  });
  model::threads(
      [&] {
        taken_back = closing.cancel();
        delete alive;
      },
      [&] { static_cast<void>(wait(it.stop())); });
  model::check(taken_back == (ran.load() == 0), "it ran, or was taken back");
  model::sometimes(taken_back, "it was taken back");
  model::sometimes(!taken_back, "it ran");
}

WEIR_MODEL(an_on_quiesce_call_runs_once, .pct = 10'000) {
  stage on;
  stopper it{on.rt, on.options()};
  core::atomic<int> ran{0};
  model::threads([&] { it.on_quiesce([&] { ran.fetch_add(1); }).keep(); },
                 [&] { static_cast<void>(wait(it.stop())); });
  model::check(ran.load() == 1, "it ran once");
}

WEIR_MODEL(the_budgets_of_a_stop_cancel_what_does_not_end, .pct = 10'000) {
  stage on;
  stopper it{on.rt, on.options()};
  auto one = it.try_enter("one");
  bool cancelled = false;
  model::threads(
      [&] {
        static_cast<void>(wait(until_draining(one->ctx())));
        while (!on.time.advance_to_next()) core::cpu_relax();
        cancelled = wait(until_cancelled(one->ctx())).has_value();
        one->release();
      },
      [&] {
        const auto report = wait(it.stop({.drain = 1ms, .cancel = 1h}));
        model::check(report.has_value(), "it stopped");
      });
  model::check(cancelled, "the drain budget ended");
}

WEIR_MODEL(who_waits_for_stopped_may_destroy_it, .pct = 10'000) {
  stage on;
  std::optional<stopper> s{std::in_place, on.rt, on.options()};
  stopper& it = *s;
  core::atomic<bool> over{false};
  auto one = it.try_enter("one");
  it.request_stop();
  model::threads(
      [&] {
        model::check(wait(it.stopped()).has_value() && it.is_stopped(), "it stopped");
        s.reset();
        over.store(true);
        on.loop.wake();
      },
      [&] { one->release(); },
      [&] {
        on.loop.run_until(
            [](void* end) noexcept { return static_cast<core::atomic<bool>*>(end)->load(); },
            &over);
      });
  on.loop.run_until_idle();
}

}  // namespace
