// The callers of a lane and its pump, which ends when it finds nothing left.

#include <array>
#include <memory>

#include <weir/context/context.hpp>
#include <weir/context/wait.hpp>
#include <weir/sync/channel.hpp>
#include <weir/sync/event.hpp>

#include "explorer/model.hpp"
#include "postgres/pump_queue.hpp"

namespace {

using namespace weir;
using postgres::pump_queue;
using postgres::pumped;

/// A lane whose pumps run on the thread of whoever starts them.
struct lane {
  pump_queue queue;
  event quiet;
  core::atomic<int> pumps{0};
  core::atomic<bool> connection{false};  // in use
  int answered = 0;

  void use_connection() {
    model::check(!connection.exchange(true), "nobody else uses the connection");
    connection.store(false);
  }

  void pump() {
    model::check(pumps.fetch_add(1) == 0, "there is one pump at a time");
    for (;;) {
      while (const auto one = queue.take()) {
        use_connection();
        ++answered;
        queue.answered();
        one->done.set();
      }
      pumps.fetch_sub(1);  // another may begin as soon as this one has ended
      const auto ended = queue.try_end();
      if (ended == pump_queue::end::quiet) return;
      if (ended == pump_queue::end::closed) return quiet.set();
      model::check(pumps.fetch_add(1) == 0, "there is one pump at a time");
    }
  }
  /// False: it was closed.
  bool submit(const std::shared_ptr<pumped>& one) {
    const auto answer = queue.submit(one);
    if (answer == pump_queue::answer::start_the_pump) pump();
    return answer != pump_queue::answer::closed;
  }
  void close() {
    if (queue.begin_close()) {
      model::check(!connection.exchange(true), "nobody uses the connection any more");
      quiet.set();
    }
    static_cast<void>(wait(quiet.wait({})));
  }
};

WEIR_MODEL(a_request_that_comes_while_the_pump_ends_is_answered) {
  lane on;
  const auto ask = [&] {
    const auto mine = std::make_shared<pumped>();
    model::check(on.submit(mine), "the lane is open");
    static_cast<void>(wait(mine->done.wait({})));
  };
  model::threads(ask, ask);
  model::check(on.answered == 2 && on.queue.load() == 0, "both were answered");
}

WEIR_MODEL(who_leaves_is_told_whether_the_pump_had_its_request) {
  lane on;
  const auto left = std::make_shared<pumped>();
  bool taken = false;
  model::threads(
      [&] {
        const auto mine = std::make_shared<pumped>();
        on.submit(mine);
      },
      [&] {
        if (on.queue.submit(left) == pump_queue::answer::start_the_pump) {
          taken = on.queue.abandon(*left);
          on.pump();
        } else {
          taken = on.queue.abandon(*left);
        }
      });
  model::check(taken == left->done.is_set(), "what was taken is answered, what was not never is");
  model::check(on.queue.load() == 0, "nothing is left");
  model::sometimes(taken, "the pump was faster");
  model::sometimes(!taken, "the caller was faster");
}

WEIR_MODEL(a_pump_that_waits_is_told_by_the_first_of_those_who_queue) {
  pump_queue queue;
  channel<char> poke{1};
  model::check(queue.submit(std::make_shared<pumped>()) == pump_queue::answer::start_the_pump,
               "it is quiet");
  const auto ask = [&] {
    const auto answer = queue.submit(std::make_shared<pumped>());
    model::check(answer == pump_queue::answer::queued || answer == pump_queue::answer::queued_first,
                 "there is a pump");
    if (answer == pump_queue::answer::queued_first) static_cast<void>(poke.try_send('\0'));
    model::sometimes(answer == pump_queue::answer::queued, "somebody else tells it");
  };
  const auto pump = [&] {
    for (int answered = 0; answered < 3;) {
      if (const auto one = queue.take()) {
        ++answered;
        queue.answered();
      } else {
        static_cast<void>(wait(poke.recv({})));
      }
    }
  };
  model::threads(pump, ask, ask);
  model::check(queue.load() == 0, "nothing is left");
}

/// Bug: both chose before either was counted, and one waited behind the other's statement while the
/// second line was idle.
WEIR_MODEL(two_that_choose_at_once_choose_two_lines) {
  const std::array queues{std::make_unique<pump_queue>(), std::make_unique<pump_queue>()};
  const auto ask = [&] {
    pump_queue& on = postgres::reserve_least_loaded(queues);
    static_cast<void>(on.submit_reserved(std::make_shared<pumped>()));
  };
  model::threads(ask, ask);
  model::check(queues[0]->load() == 1 && queues[1]->load() == 1, "each has one");
  for (const auto& one : queues) static_cast<void>(one->take());
}

WEIR_MODEL(a_closed_lane_leaves_nobody_waiting_and_no_pump) {
  lane on;
  bool open = false;
  model::threads(
      [&] {
        const auto mine = std::make_shared<pumped>();
        open = on.submit(mine);
        if (open) static_cast<void>(wait(mine->done.wait({})));
      },
      [&] { on.close(); });
  model::check(on.queue.submit(std::make_shared<pumped>()) == pump_queue::answer::closed,
               "it stays closed");
  model::sometimes(open, "the request was faster");
  model::sometimes(!open, "the close was faster");
}

}  // namespace
