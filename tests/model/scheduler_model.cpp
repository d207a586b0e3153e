// The parts of the runtime's scheduler: queues, who sleeps, and the threads that may block.

#include <array>
#include <memory>

#include <weir/core/log.hpp>
#include <weir/runtime/thread_executor.hpp>

#include "explorer/model.hpp"
#include "runtime/blocking_threads.hpp"
#include "runtime/idle_set.hpp"
#include "runtime/ring.hpp"
#include "runtime/work_queue.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

struct counted : core::work {
  counted() noexcept
      : core::work([](core::work& self) noexcept { static_cast<counted&>(self).ran(); }) {}
  void ran() noexcept { runs.fetch_add(1); }
  core::atomic<int> runs{0};
};

WEIR_MODEL(a_ring_hands_each_item_to_owner_or_thief) {
  core::work_ring<2> ring{core::sharing::shared};
  counted items[3];
  bool stole = false;
  const auto thief = [&] {
    std::array<core::work*, 2> loot{};
    const std::size_t count = ring.steal(loot);
    stole |= count != 0;
    for (std::size_t i = 0; i < count; ++i) loot[i]->run();
  };
  model::threads(
      [&] {
        for (counted& item : items) {
          while (!ring.push(item)) {
            if (core::work* mine = ring.pop()) mine->run();
          }
        }
        while (core::work* mine = ring.pop()) mine->run();
      },
      thief, thief);
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
  model::sometimes(stole, "a thief was faster");
}

WEIR_MODEL(a_shared_queue_hands_each_item_out_once) {
  core::work_queue queue;
  counted items[3];
  const auto takes = [&](std::size_t most) {
    core::work_chain mine = queue.pop(most);
    while (core::work* item = mine.pop()) item->run();
  };
  model::threads(
      [&] {
        queue.push(items[0]);
        core::work_chain two;
        two.push(items[1]);
        two.push(items[2]);
        queue.push(two);
      },
      [&] { takes(2); }, [&] { takes(1); });
  takes(3);
  model::check(queue.size() == 0, "the queue is empty");
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

/// What ends a sleep in a set.
struct kicks {
  core::atomic<bool> pending[2]{};
  core::park beds[2];

  void kick(std::uint32_t set) noexcept {
    pending[set].store(true);
    beds[set].wake();
  }
  void wait(std::uint32_t set, core::time_point end) {
    while (!pending[set].exchange(false)) {
      if (core::monotonic_now() >= end) return;
      beds[set].wait_until(end);
    }
  }
};

/// A sleep of somebody who polls.
void poll(core::idle_set& idle, kicks& epoll, std::uint32_t w, const core::idle_set::berth& at) {
  while (idle.asleep(w)) {
    const core::time_point now = core::monotonic_now();
    const bool standby = at.role == core::sleep_role::standby;
    const core::time_point end = standby ? idle.relief(now) : core::time_point::max();
    if (end <= now || !idle.begin_poll(w)) return;
    epoll.wait(at.set, end);
    idle.end_poll(w);
  }
}

/// Some workers, reduced to their protocol: look, announce, look again, sleep, retire.
template <std::uint32_t Workers>
struct small_scheduler {
  core::work_queue queue;
  kicks epoll;
  core::atomic<int> left{2};
  core::idle_set idle{Workers,
                      [](void* self, std::uint32_t set) noexcept {
                        static_cast<small_scheduler*>(self)->epoll.kick(set);
                      },
                      this};

  void put(core::work& item) {
    queue.push(item);
    idle.wake_one();
  }

  core::work* take() { return queue.pop(1).pop(); }

  void ran() {
    if (left.fetch_sub(1) == 1) idle.wake_all();
  }

  void worker(std::uint32_t index) {
    bool searching = false;
    while (left.load() != 0) {
      core::work* item = take();
      if (item == nullptr) {
        if (!searching) idle.search();
        item = take();
        if (item == nullptr) {
          const core::idle_set::berth at = idle.announce(index, true, index % 2);
          item = take();
          if (item == nullptr && left.load() != 0 && !idle.roused(index, at.role)) {
            if (at.role == core::sleep_role::parked) {
              idle.park(index, core::time_point::max());
            } else {
              poll(idle, epoll, index, at);
            }
          }
          searching = idle.retire(index, core::monotonic_now());
          if (!idle.watched()) idle.hand_over();
          if (item == nullptr) item = take();
        } else {
          searching = true;
        }
      }
      if (item == nullptr) continue;
      if (searching && idle.found() && queue.size() != 0) idle.wake_one();
      searching = false;
      item->run();
      ran();
    }
    if (searching) static_cast<void>(idle.found());
  }
};

WEIR_MODEL(work_from_outside_is_not_slept_through, .bound = 2) {
  small_scheduler<2> s;
  counted items[2];
  model::threads([&] { s.worker(0); }, [&] { s.worker(1); },
                 [&] {
                   s.put(items[0]);
                   s.put(items[1]);
                 });
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

WEIR_MODEL(work_from_outside_is_not_slept_through_by_three, .bound = 1, .timeouts = 0) {
  small_scheduler<3> s;
  counted items[2];
  model::threads([&] { s.worker(0); }, [&] { s.worker(1); }, [&] { s.worker(2); },
                 [&] {
                   s.put(items[0]);
                   s.put(items[1]);
                 });
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

/// Workers that do nothing else than sleep. Worker 0 polls and worker 1 stands by. Worker 0 has
/// gone to work twice within a tick, so that worker 1 looks whether there is a poller.
struct sleepers {
  kicks epoll;
  core::idle_set idle{
      3,
      [](void* self, std::uint32_t set) noexcept { static_cast<sleepers*>(self)->epoll.kick(set); },
      this};
  core::park over;  // the work
  core::time_point left;
  core::time_point relieved;

  explicit sleepers(bool often) {
    expect(0, core::sleep_role::poller);
    expect(1, core::sleep_role::standby);
    for (int i = 0; often && i < 2; ++i) {
      static_cast<void>(idle.retire(0, core::monotonic_now()));
      expect(0, core::sleep_role::poller);
    }
  }

  void expect(std::uint32_t w, core::sleep_role role) {
    const auto at = idle.announce(w, false, w);
    model::check(at.role == role, "it sleeps in that role");
    model::check(at.set == w, "it sleeps in its own set");
  }

  /// Whether it has been woken.
  bool retire(std::uint32_t w, core::time_point now) {
    const bool woken = idle.retire(w, now);
    if (woken) static_cast<void>(idle.found());
    if (!idle.watched()) idle.hand_over();
    return woken;
  }

  /// One sleep. True: a waker has ended it.
  bool sleep(std::uint32_t w, const core::idle_set::berth& at) {
    if (at.role == core::sleep_role::parked) {
      idle.park(w, core::time_point::max());
    } else {
      poll(idle, epoll, w, at);
    }
    return retire(w, core::monotonic_now());
  }

  /// An event sends the poller to work for long.
  void work(std::uint32_t w) {
    left = core::monotonic_now();
    retire(w, left);
    over.wait();
  }

  void stands_by_until_it_is_the_poller() {
    core::idle_set::berth at{core::sleep_role::standby, 1};
    for (; at.role != core::sleep_role::poller; at = idle.announce(1, false, 1)) sleep(1, at);
    relieved = core::monotonic_now();
    over.wake();
  }
};

WEIR_MODEL(a_poller_that_is_long_at_work_is_relieved_within_a_tick, .timeouts = 1) {
  sleepers s{true};
  core::park nap;
  const core::time_point later = core::monotonic_now() + core::idle_set::tick / 2;
  model::threads(
      [&] {
        nap.wait_until(later);
        s.work(0);
      },
      [&] { s.stands_by_until_it_is_the_poller(); });
  model::check(s.relieved <= s.left + core::idle_set::tick, "in time");
  model::sometimes(s.relieved > s.left, "it was left alone until then");
}

/// Nobody has told the one who stands by to look.
WEIR_MODEL(a_poller_that_goes_to_work_seldom_wakes_who_stands_by, .timeouts = 0) {
  sleepers s{false};
  model::threads([&] { s.work(0); }, [&] { s.stands_by_until_it_is_the_poller(); });
}

/// Sleeps again and again until it is asked to end.
void sleep_until(sleepers* s, std::uint32_t w, core::idle_set::berth at,
                 core::atomic<bool>* asked) {
  while (!asked->load()) {
    s->sleep(w, at);
    if (asked->load()) return;
    at = s->idle.announce(w, false, w);
  }
  s->retire(w, core::monotonic_now());
}

/// Whichever roles and sets they have by then.
WEIR_MODEL(a_kick_reaches_the_one_of_two_it_is_for, .timeouts = 0) {
  sleepers s{false};
  core::atomic<bool> asked[2]{};
  const auto ask = [&](std::uint32_t w) {
    asked[w].store(true);
    s.idle.wake(w);
  };
  model::threads([&] { sleep_until(&s, 0, {core::sleep_role::poller, 0}, &asked[0]); },
                 [&] { sleep_until(&s, 1, {core::sleep_role::standby, 1}, &asked[1]); },
                 [&] { ask(1); }, [&] { ask(0); });
}

/// Somebody came to a set while its usual sleeper was at work, which takes the other one.
WEIR_MODEL(who_finds_its_set_taken_sleeps_in_the_other, .timeouts = 0) {
  sleepers s{false};
  model::check(!s.retire(1, core::monotonic_now()), "nobody woke it");
  const auto third = s.idle.announce(2, false, 1);
  model::check(third.role == core::sleep_role::standby && third.set == 1, "the free set");
  model::check(!s.retire(0, core::monotonic_now()), "nobody woke it");
  const auto first = s.idle.announce(1, false, 1);
  model::check(first.role == core::sleep_role::poller && first.set == 0, "the free set");
  core::atomic<bool> asked[3]{};
  model::threads([&] { sleep_until(&s, 1, first, &asked[1]); },
                 [&] { sleep_until(&s, 2, third, &asked[2]); },
                 [&] {
                   for (const std::uint32_t w : {2U, 1U}) {
                     asked[w].store(true);
                     s.idle.wake(w);
                   }
                 });
}

/// Who sleeps in the other set looks at this one, and is faster.
WEIR_MODEL(a_kick_that_another_one_sees_reaches_whom_it_is_for, .timeouts = 0) {
  sleepers s{false};
  bool saw = false;
  model::threads([&] { s.sleep(1, {core::sleep_role::standby, 1}); },
                 [&] {
                   saw = s.epoll.pending[1].exchange(false);
                   if (saw) s.idle.pass_on(1);
                 },
                 [&] { s.idle.wake(1); });
  model::sometimes(saw, "it was");
}

/// Whoever ends the deep sleep of a runtime tells the poller to look after the others again.
WEIR_MODEL(the_end_of_a_deep_sleep_reaches_the_poller, .timeouts = 0) {
  sleepers s{false};
  core::atomic<bool> over{false};
  model::threads(
      [&] {
        model::check(s.sleep(0, {core::sleep_role::poller, 0}), "it was woken");
        over.store(true);
        s.idle.wake(1);
      },
      [&] { sleep_until(&s, 1, {core::sleep_role::standby, 1}, &over); },
      [&] { s.idle.wake_poller(); });
}

WEIR_MODEL(blocking_threads_run_all_before_stop_returns, .timeouts = 1) {
  counted items[3];
  {
    core::blocking_threads threads{"m", 1, 1ms, no_log()};
    model::threads([&] { threads.execute(items[0]); },
                   [&] {
                     threads.execute(items[1]);
                     threads.execute(items[2]);
                   });
    threads.stop();
  }
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

WEIR_MODEL(a_blocking_thread_that_gives_up_is_not_given_work, .timeouts = 2) {
  counted items[2];
  {
    core::blocking_threads threads{"m", 2, 1ms, no_log()};
    model::threads([&] {
      threads.execute(items[0]);
      threads.execute(items[1]);
    });
    threads.stop();
  }
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

WEIR_MODEL(a_thread_executor_runs_what_is_queued_before_it_ends) {
  counted items[2];
  {
    thread_executor one{{.name = "one"}};
    model::threads([&] { one.execute(items[0]); }, [&] { one.execute(items[1]); });
  }
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

}  // namespace
