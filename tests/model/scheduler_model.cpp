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

/// What ends a sleep in epoll_wait: a kick is taken by whoever of those who sleep there comes
/// first.
template <std::uint32_t Workers>
struct kicks {
  core::atomic<bool> pending{false};
  core::park beds[Workers];

  void kick() noexcept {
    pending.store(true);
    for (core::park& one : beds) one.wake();
  }
  /// False: the time is over.
  bool wait(std::uint32_t w, core::time_point end) {
    for (;;) {
      if (pending.exchange(false)) return true;
      if (core::monotonic_now() >= end) return false;
      beds[w].wait_until(end);
    }
  }
};

/// Some workers, reduced to their protocol: look, announce, look again, sleep, retire.
template <std::uint32_t Workers>
struct small_scheduler {
  core::work_queue queue;
  kicks<Workers> epoll;
  core::atomic<int> left{2};
  core::idle_set idle{
      Workers, [](void* self) noexcept { static_cast<small_scheduler*>(self)->kick(); }, this};

  void kick() noexcept { epoll.kick(); }

  void put(core::work& item) {
    queue.push(item);
    idle.wake_one();
  }

  core::work* take() { return queue.pop(1).pop(); }

  void ran() {
    if (left.fetch_sub(1) == 1) idle.wake_all();
  }

  void poll(std::uint32_t w, core::sleep_role role) {
    while (idle.asleep(w)) {
      const core::time_point now = core::monotonic_now();
      const bool standby = role == core::sleep_role::standby;
      const core::time_point end = standby ? idle.relief(now) : core::time_point::max();
      if (end <= now || !idle.begin_poll(w)) return;
      const bool kicked = epoll.wait(w, end);
      idle.end_poll(w);
      if (kicked && idle.awaited(w)) return kick();
    }
  }

  void worker(std::uint32_t index) {
    bool searching = false;
    while (left.load() != 0) {
      core::work* item = take();
      if (item == nullptr) {
        if (!searching) idle.search();
        item = take();
        if (item == nullptr) {
          const core::sleep_role role = idle.announce(index, true);
          item = take();
          if (item == nullptr && left.load() != 0 && !idle.roused(index, role)) {
            if (role == core::sleep_role::parked) {
              idle.park(index, core::time_point::max());
            } else {
              poll(index, role);
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
  kicks<3> epoll;
  core::idle_set idle{3, [](void* self) noexcept { static_cast<sleepers*>(self)->epoll.kick(); },
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
    model::check(idle.announce(w, false) == role, "it sleeps in that role");
  }

  /// Whether it has been woken.
  bool retire(std::uint32_t w, core::time_point now) {
    const bool woken = idle.retire(w, now);
    if (woken) static_cast<void>(idle.found());
    if (!idle.watched()) idle.hand_over();
    return woken;
  }

  /// One sleep. True: a waker has ended it.
  bool sleep(std::uint32_t w, core::sleep_role role) {
    if (role == core::sleep_role::parked) {
      idle.park(w, core::time_point::max());
    } else {
      while (idle.asleep(w)) {
        const core::time_point now = core::monotonic_now();
        const core::time_point end =
            role == core::sleep_role::standby ? idle.relief(now) : core::time_point::max();
        if (end <= now || !idle.begin_poll(w)) break;
        const bool kicked = epoll.wait(w, end);
        idle.end_poll(w);
        if (kicked && idle.awaited(w)) {
          epoll.kick();
          break;
        }
      }
    }
    return retire(w, core::monotonic_now());
  }

  /// An event sends the poller to work for long.
  void work(std::uint32_t w) {
    left = core::monotonic_now();
    retire(w, left);
    over.wait();
  }

  void sleep_until_it_is_the_poller(std::uint32_t w, core::sleep_role role) {
    for (; role != core::sleep_role::poller; role = idle.announce(w, false)) sleep(w, role);
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
      [&] { s.sleep_until_it_is_the_poller(1, core::sleep_role::standby); });
  model::check(s.relieved <= s.left + core::idle_set::tick, "in time");
  model::sometimes(s.relieved > s.left, "it was left alone until then");
}

/// Nobody has told the one who stands by to look.
WEIR_MODEL(a_poller_that_goes_to_work_seldom_wakes_who_stands_by, .timeouts = 0) {
  sleepers s{false};
  model::threads([&] { s.work(0); },
                 [&] { s.sleep_until_it_is_the_poller(1, core::sleep_role::standby); });
}

/// Sleeps again and again until it is asked to end.
void sleep_until(sleepers* s, std::uint32_t w, core::sleep_role role, core::atomic<bool>* asked) {
  while (!asked->load()) {
    s->sleep(w, role);
    if (asked->load()) return;
    role = s->idle.announce(w, false);
  }
  s->retire(w, core::monotonic_now());
}

/// Both sleep in one epoll_wait, and each may get the kick of the other.
WEIR_MODEL(a_kick_reaches_the_one_of_two_it_is_for, .timeouts = 0) {
  sleepers s{false};
  core::atomic<bool> asked[2]{};
  const auto ask = [&](std::uint32_t w) {
    asked[w].store(true);
    s.idle.wake(w);
  };
  model::threads([&] { sleep_until(&s, 0, core::sleep_role::poller, &asked[0]); },
                 [&] { sleep_until(&s, 1, core::sleep_role::standby, &asked[1]); }, [&] { ask(1); },
                 [&] { ask(0); });
}

/// Whoever ends the deep sleep of a runtime tells the poller to look after the others again; the
/// kick may come to the one who stands by.
WEIR_MODEL(the_end_of_a_deep_sleep_reaches_the_poller, .timeouts = 0) {
  sleepers s{false};
  core::atomic<bool> over{false};
  model::threads(
      [&] {
        model::check(s.sleep(0, core::sleep_role::poller), "it was woken");
        over.store(true);
        s.idle.wake(1);
      },
      [&] { sleep_until(&s, 1, core::sleep_role::standby, &over); }, [&] { s.idle.wake_poller(); });
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
