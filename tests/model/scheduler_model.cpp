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

/// Two workers, reduced to their protocol: look, announce, look again, sleep, retire. Whoever is
/// the poller sleeps on a park of its own, as on epoll.
struct small_scheduler {
  core::work_queue queue;
  core::park poller;
  core::atomic<int> left{2};
  core::idle_set idle{2, [](void* self) noexcept { static_cast<small_scheduler*>(self)->kick(); },
                      this};

  void kick() noexcept { poller.wake(); }

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
          const core::sleep_role role = idle.announce(index, true, core::monotonic_now());
          item = take();
          if (item == nullptr && left.load() != 0) {
            if (role == core::sleep_role::poller) {
              while (!idle.roused(index, role) && idle.asleep(index)) {
                if (!idle.begin_poll()) continue;
                poller.wait();
                idle.end_poll();
              }
            } else if (!idle.roused(index, role)) {
              idle.park(index, role == core::sleep_role::standby
                                   ? idle.relief(core::monotonic_now())
                                   : core::time_point::max());
            }
          }
          searching = idle.retire(index, core::monotonic_now());
          if (!idle.has_poller()) idle.hand_over(index == 0);
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
  small_scheduler s;
  counted items[2];
  model::threads([&] { s.worker(0); }, [&] { s.worker(1); },
                 [&] {
                   s.put(items[0]);
                   s.put(items[1]);
                 });
  for (counted& item : items) model::check(item.runs.load() == 1, "each item ran once");
}

/// Workers that have done nothing else than sleep. Worker 0 polls, and has gone to work twice
/// within a tick, so that worker 1 stands by; worker 2, if there is one, had parked before that.
struct sleepers {
  core::idle_set idle{3, [](void*) noexcept {}, nullptr};
  core::park ends[2];  // of the work of 0 and 1
  core::time_point left;
  core::time_point relieved;

  explicit sleepers(bool third) {
    expect(0, core::sleep_role::poller);
    if (third) expect(2, core::sleep_role::parked);
    for (int i = 0; i < 2; ++i) {
      static_cast<void>(idle.retire(0, core::monotonic_now()));
      expect(0, core::sleep_role::poller);
    }
    expect(1, core::sleep_role::standby);
  }

  core::sleep_role announce(std::uint32_t w) {
    return idle.announce(w, false, core::monotonic_now());
  }
  void expect(std::uint32_t w, core::sleep_role role) {
    model::check(announce(w) == role, "it sleeps in that role");
  }

  /// Whether it has been woken.
  bool retire(std::uint32_t w, core::time_point now) {
    const bool woken = idle.retire(w, now);
    if (woken) static_cast<void>(idle.found());
    if (!idle.has_poller()) idle.hand_over(true);
    return woken;
  }

  void work(std::uint32_t w) {
    left = core::monotonic_now();
    retire(w, left);
    ends[w].wait();
  }

  /// One sleep. True: a waker has ended it.
  bool sleep(std::uint32_t w, core::sleep_role role) {
    if (role == core::sleep_role::standby) {
      for (core::time_point now = core::monotonic_now(), end = idle.relief(now);
           end > now && idle.asleep(w); now = core::monotonic_now(), end = idle.relief(now)) {
        idle.park(w, end);
      }
    } else {
      idle.park(w, core::time_point::max());
    }
    return retire(w, core::monotonic_now());
  }

  /// It is woken for nothing else.
  void sleep_until_it_polls(std::uint32_t w, core::sleep_role role) {
    for (; role != core::sleep_role::poller; role = announce(w)) sleep(w, role);
    relieved = core::monotonic_now();
    for (core::park& one : ends) one.wake();
  }
};

WEIR_MODEL(a_poller_that_is_long_at_work_is_relieved_within_a_tick, .timeouts = 1) {
  sleepers s{false};
  core::park nap;
  const core::time_point later = core::monotonic_now() + core::idle_set::tick / 2;
  model::threads(
      [&] {
        nap.wait_until(later);
        s.work(0);
      },
      [&] { s.sleep_until_it_polls(1, core::sleep_role::standby); });
  model::check(s.relieved <= s.left + core::idle_set::tick, "in time");
  model::sometimes(s.relieved > s.left, "it was left alone until then");
}

/// Woken to share work, the one who stood by leaves that to another.
WEIR_MODEL(who_stands_by_and_goes_to_work_is_replaced, .timeouts = 0) {
  sleepers s{true};
  model::threads([&] { s.work(0); },
                 [&] {
                   if (s.sleep(1, core::sleep_role::standby)) {
                     s.ends[1].wait();
                   } else {
                     s.sleep_until_it_polls(1, s.announce(1));
                   }
                 },
                 [&] { s.sleep_until_it_polls(2, core::sleep_role::parked); },
                 [&] { s.idle.wake(1); });
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
