// Waits for descriptors, on a model of epoll: one update at a time, one event per arming, and a
// close that nothing comes after.

#include <sys/epoll.h>

#include <weir/context/context.hpp>
#include <weir/context/wait.hpp>
#include <weir/core/waiter.hpp>
#include <weir/runtime/fd.hpp>

#include "explorer/model.hpp"
#include "runtime/reactor.hpp"
#include "seam/descriptors.hpp"

namespace {

using namespace weir;

constexpr int fd = 3;

/// A reactor, and a thread that polls as the runtime's poller does until the others are done.
struct polled {
  core::reactor reactor{1};
  core::atomic<int> left;

  explicit polled(int users) noexcept : left(users) {}

  fd_operation wait_for(core::fd_direction direction, const context& ctx) {
    return {reactor.state_of(fd), ctx.state(), direction};
  }
  void done() {
    if (left.fetch_sub(1) == 1) reactor.kick(0);
  }
  void poll() {
    while (left.load() != 0) {
      core::wake_list wakes;
      reactor.poll(0, duration::max(), wakes);
    }
  }
};

WEIR_MODEL(a_wait_ends_when_its_descriptor_is_ready) {
  polled on{1};
  model::threads(
      [&] {
        for (int i = 0; i < 2; ++i) {
          const auto ready = wait(on.wait_for(core::fd_direction::readable, {}));
          model::check(ready.has_value(), "it is ready, and stays so");
        }
        on.done();
      },
      [&] { model::set_ready(fd, EPOLLIN); }, [&] { on.poll(); });
}

WEIR_MODEL(a_reader_and_a_writer_share_a_descriptor) {
  polled on{2};
  model::threads(
      [&] {
        model::check(wait(on.wait_for(core::fd_direction::readable, {})).has_value(), "readable");
        on.done();
      },
      [&] {
        model::check(wait(on.wait_for(core::fd_direction::writable, {})).has_value(), "writable");
        model::set_ready(fd, EPOLLIN | EPOLLOUT);
        on.done();
      },
      [&] {
        model::set_ready(fd, EPOLLOUT);
        on.poll();
      });
}

WEIR_MODEL(two_waits_at_once_are_both_armed) {
  polled on{2};
  const auto reads = [&] {
    model::check(wait(on.wait_for(core::fd_direction::readable, {})).has_value(), "readable");
    on.done();
  };
  model::set_ready(fd, EPOLLIN);
  model::threads(reads, reads, [&] { on.poll(); });
}

WEIR_MODEL(a_cancel_and_an_event_end_a_wait_once) {
  polled on{1};
  context_source source;
  bool ready = false;
  model::threads(
      [&] {
        ready = wait(on.wait_for(core::fd_direction::readable, source.get())).has_value();
        const auto again = wait(on.wait_for(core::fd_direction::readable, {}));
        model::check(again.has_value(), "the cancelled wait left the descriptor usable");
        on.done();
      },
      [&] { source.cancel(); },
      [&] {
        model::set_ready(fd, EPOLLIN);
        on.poll();
      });
  model::sometimes(ready, "the event was first");
  model::sometimes(!ready, "the cancel was first");
}

/// Two who poll, each in a set, until the one user is done. `fd` is at home in set 0.
struct two_sets {
  core::reactor reactor;
  core::atomic<bool> over{false};

  void waits() {
    const context never;
    const auto ready =
        wait(fd_operation{reactor.state_of(fd), never.state(), core::fd_direction::readable});
    model::check(ready.has_value(), "it is ready");
    over.store(true);
    reactor.kick(0);
    reactor.kick(1);
  }
  void poll(std::uint32_t set) {
    while (!over.load()) {
      core::wake_list wakes;
      if (!reactor.poll(set, duration::max(), wakes).lent) continue;
      if (reactor.look(1 - set, wakes).kicked) reactor.kick(1 - set);
    }
  }
};

/// Whichever set has it when it becomes ready.
WEIR_MODEL(a_wait_goes_on_while_its_descriptor_moves, .bound = 1) {
  two_sets on;
  model::threads([&] { on.waits(); },
                 [&] {
                   core::wake_list wakes;
                   on.reactor.state_of(fd).on_events(0, 1, wakes);
                 },
                 [&] {
                   model::set_ready(fd, EPOLLIN);
                   on.poll(0);
                 },
                 [&] { on.poll(1); });
}

/// Nobody sleeps in the set that has the descriptor.
WEIR_MODEL(an_event_of_a_lent_set_reaches_who_sleeps_in_the_other) {
  two_sets on;
  model::threads([&] { on.waits(); },
                 [&] {
                   model::set_ready(fd, EPOLLIN);
                   on.reactor.lend(0);
                 },
                 [&] { on.poll(1); });
}

WEIR_MODEL(a_set_that_was_taken_back_tells_its_own_sleeper) {
  two_sets on;
  model::threads([&] { on.waits(); },
                 [&] {
                   model::set_ready(fd, EPOLLIN);
                   on.reactor.lend(0);
                   on.reactor.take_back(0);
                   on.poll(0);
                 },
                 [&] { on.poll(1); });
  model::check(!on.reactor.lent(0), "it is taken back");
}

/// The number may belong to another file as soon as forget() has returned.
WEIR_MODEL(a_closed_descriptor_fails_its_waiters_and_is_touched_no_more) {
  core::reactor reactor;
  core::atomic<int> queued{0};
  const auto waits = [&](core::fd_direction direction) {
    core::thread_waiter me;
    const context never;
    fd_operation waiting{reactor.state_of(fd), never.state(), direction};
    {
      core::wake_list wakes;
      core::lock_guard guard{waiting.guard()};
      me.arm();
      waiting.enqueue(me, 0, wakes);
      queued.fetch_add(1);
    }
    me.wait();
    const auto ended = waiting.take();
    model::check(!ended && ended.error().code() == errc::closed, "it says that it was closed");
  };
  model::threads([&] { waits(core::fd_direction::readable); },
                 [&] { waits(core::fd_direction::writable); },
                 [&] {
                   while (queued.load() != 2) core::cpu_relax();
                   reactor.forget(fd);
                   model::close_descriptor(fd);
                 });
}

}  // namespace
