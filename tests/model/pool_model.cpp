// Acquire, return, cancel, failed opens, closing, and the end of a pool with leases out. The pool's
// tasks run at once on whoever starts them, so that all of the race is the pool's own.

#include <memory>
#include <optional>

#include <weir/context/context.hpp>
#include <weir/context/select.hpp>
#include <weir/context/wait.hpp>
#include <weir/pool/pool.hpp>
#include <weir/runtime/inline_executor.hpp>
#include <weir/runtime/run_loop.hpp>

#include "explorer/model.hpp"
#include "stage.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

/// What the pools open: a number that says how many are open at once, and fails as told.
struct factory {
  core::atomic<int> open{0};
  core::atomic<int> opened{0};
  core::atomic<int> closed{0};
  int failures = 0;  // the first opens that fail
  int most = 1;
  bool alive = true;  // what validation finds
};

class source final : public pool_source<int> {
 public:
  explicit source(factory& of) noexcept : factory_(of) {}
  task<result<int>> open(context) override {
    const int number = factory_.opened.fetch_add(1);
    if (number < factory_.failures) co_return fail(errc::failed, "it does not open");
    model::check(factory_.open.fetch_add(1) < factory_.most, "never more than max_open are open");
    co_return result<int>{number};
  }
  task<bool> validate(int&, context) override { co_return factory_.alive; }
  task<void> close(int) override {
    factory_.open.fetch_sub(1);
    factory_.closed.fetch_add(1);
    co_return;
  }

 private:
  factory& factory_;
};

struct setting {
  manual_clock time;
  inline_executor here{time};
  factory made;

  std::unique_ptr<pool<int>> make(pool_options options) {
    options.max_open = options.max_open == 0 ? 1 : options.max_open;
    made.most = static_cast<int>(options.max_open);
    return std::make_unique<pool<int>>(here, options, std::make_unique<source>(made));
  }
};

WEIR_MODEL(two_users_of_one_resource_take_turns) {
  setting on;
  const auto it = on.make({});
  core::atomic<int> inside{0};
  const auto use = [&] {
    for (int i = 0; i < 2; ++i) {
      const auto mine = wait(it->acquire({}));
      model::check(mine.has_value(), "an acquire without a context succeeds");
      model::check(inside.fetch_add(1) == 0, "two users have the one resource");
      inside.fetch_sub(1);
    }
  };
  model::threads(use, use);
  const pool_stats end = it->stats();
  model::check(end.in_use == 0 && end.waiting == 0 && end.idle == 1, "it is home");
  model::check(on.made.opened.load() == 1, "it was opened once");
}

WEIR_MODEL(a_cancelled_acquire_loses_no_resource) {
  setting on;
  const auto it = on.make({});
  context_source impatient;
  bool granted = false;
  model::threads(
      [&] {
        const auto mine = wait(it->acquire(impatient.get()));
        granted = mine.has_value();
      },
      [&] { model::check(wait(it->acquire({})).has_value(), "the other one gets it"); },
      [&] { impatient.cancel(); });
  const pool_stats end = it->stats();
  model::check(end.in_use == 0 && end.waiting == 0, "nobody has it or waits for it");
  model::check(it->try_acquire().has_value(), "it can be had");
  model::sometimes(granted, "the grant was first");
  model::sometimes(!granted, "the cancel was first");
}

WEIR_MODEL(a_failed_open_is_told_to_one_and_the_others_get_attempts) {
  setting on;
  on.made.failures = 1;
  const auto it = on.make({});
  core::atomic<int> failed{0};
  const auto use = [&] {
    if (!wait(it->acquire({}))) failed.fetch_add(1);
  };
  model::threads(use, use);
  model::check(failed.load() == 1, "the one failure was told to one of them");
  model::check(it->stats().waiting == 0, "nobody is left waiting");
}

WEIR_MODEL(a_discarded_resource_makes_room_for_another) {
  setting on;
  const auto it = on.make({});
  const auto use = [&] {
    auto mine = wait(it->acquire({}));
    model::check(mine.has_value(), "each gets one");
    mine->discard();
  };
  model::threads(use, use);
  model::check(on.made.opened.load() == 2 && on.made.closed.load() == 2, "two were opened");
}

WEIR_MODEL(a_close_fails_waiters_and_waits_for_leases) {
  setting on;
  auto it = on.make({});
  auto first = wait(it->acquire({}));
  bool late = false;
  model::threads(
      [&] {
        const auto mine = wait(it->acquire({}));
        late = mine.has_value();
        if (!late) model::check(mine.error().code() == errc::closed, "it says that it is closed");
      },
      [&] { first->release(); },
      [&] {
        model::check(wait(it->close({})).has_value(), "all came home");
        model::check(on.made.open.load() == 0, "all are closed when close returns");
      });
  model::check(it->stats().open == 0, "nothing is open");
  model::sometimes(late, "the waiter was served");
  model::sometimes(!late, "the waiter was refused");
}

/// A close whose time is over names who holds what, while that comes home.
WEIR_MODEL(a_close_that_gives_up_names_no_lease_that_is_home) {
  setting on;
  const auto it = on.make({});
  auto first = wait(it->acquire({}));
  context_source over;
  over.cancel();
  bool late = false;
  model::threads([&] { first->release(); },
                 [&] {
                   const auto ended = wait(it->close(over.get()));
                   late = !ended;
                   const bool named = late && ended.error().text("held by").has_value();
                   model::check(!named || ended.error().number("in use") == 1, "it is not home");
                 });
  model::check(wait(it->close(over.get())).has_value(), "what is over is over for any context");
  model::check(on.made.open.load() == 0, "it was closed as it came home");
  model::sometimes(late, "the close was first");
  model::sometimes(!late, "the return was first");
}

WEIR_MODEL(a_pool_may_end_before_its_leases) {
  setting on;
  auto it = on.make({.max_open = 2});
  auto first = wait(it->acquire({}));
  auto second = wait(it->acquire({}));
  model::threads([&] { it.reset(); }, [&] { first->release(); },
                 [&] { static_cast<void>(second->detach()); });
  model::check(on.made.closed.load() == 1, "what came home was closed");
}

/// The pool goes while its stopper stops: closed by whichever comes first, and by none too late.
WEIR_MODEL(a_stop_returns_when_the_pool_that_went_meanwhile_is_closed, .bound = 1, .pct = 10'000) {
  model::stage on;
  factory made;
  stopper owner{on.rt, on.options_here()};
  std::optional<pool<int>> it{std::in_place, owner, pool_options{.max_open = 1},
                              std::make_unique<source>(made)};
  {
    auto lent = wait(it->acquire({}));
  }
  model::threads([&] { it.reset(); },
                 [&] {
                   const auto report = wait(owner.stop());
                   model::check(report && report->outcome() == shutdown_outcome::clean, "it stops");
                   model::check(made.closed.load() == 1, "what was open is closed by then");
                 });
}

/// The last lease of a pool that went before the stop comes home during it.
WEIR_MODEL(a_stop_waits_for_the_lease_of_a_pool_that_went, .bound = 1, .pct = 10'000) {
  model::stage on;
  factory made;
  std::optional<stopper> owner{std::in_place, on.rt, on.options_here()};
  std::optional<pool<int>> it{std::in_place, *owner, pool_options{.max_open = 1},
                              std::make_unique<source>(made)};
  auto lent = wait(it->acquire({}));
  it.reset();
  model::threads([&] { lent->release(); },
                 [&] {
                   model::check(wait(owner->stop()).has_value(), "it stops");
                   model::check(made.closed.load() == 1, "after the lease came home");
                   owner.reset();
                 });
}

WEIR_MODEL(a_timeout_against_a_return_loses_no_resource, .timeouts = 1) {
  factory made;
  run_loop loop;  // on real time, which waits of threads go by
  pool<int> it{loop, {.max_open = 1, .acquire_timeout = 1ms}, std::make_unique<source>(made)};
  std::optional<lease<int>> first;
  bool granted = false;
  model::threads(
      [&] {
        auto got = wait(it.acquire({}));
        if (got) first = std::move(*got);
      },
      [&] { loop.run_until_idle(); });
  loop.run_until_idle();
  if (!first) first = it.try_acquire();
  model::check(first.has_value(), "it was opened for somebody, and stays");
  model::threads(
      [&] {
        const auto mine = wait(it.acquire({}));
        granted = mine.has_value();
      },
      [&] { first->release(); });
  const pool_stats end = it.stats();
  model::check(end.in_use == 0 && end.waiting == 0 && end.idle == 1, "it is home");
  it.begin_close();
  loop.run_until_idle();
  model::sometimes(granted, "the return was first");
  model::sometimes(!granted, "the timeout was first");
}

WEIR_MODEL(a_select_of_two_pools_takes_one_resource) {
  setting left_side;
  setting right_side;
  const auto left = left_side.make({});
  const auto right = right_side.make({});
  auto a = wait(left->acquire({}));
  auto b = wait(right->acquire({}));
  std::size_t which = 9;
  model::threads([&] { which = wait(select(left->acquire({}), right->acquire({}))).index(); },
                 [&] { a->release(); }, [&] { b->release(); });
  model::check(left->stats().idle == 1 && right->stats().idle == 1, "both are home");
  model::sometimes(which == 0, "the left one was first");
  model::sometimes(which == 1, "the right one was first");
}

WEIR_MODEL(an_idle_resource_ends_by_its_timer_or_is_lent) {
  setting on;
  {
    const auto it = on.make({.max_idle_time = 5ms});
    {
      auto mine = wait(it->acquire({}));
    }
    bool lent = false;
    model::threads([&] { on.time.advance(5ms); },
                   [&] {
                     auto mine = it->try_acquire();
                     lent = mine.has_value();
                   });
    const pool_stats end = it->stats();
    model::check(end.in_use == 0 && end.idle + end.closed_idle_time == 1, "home or closed");
    model::sometimes(lent, "it was lent");
    model::sometimes(end.closed_idle_time == 1, "its time was over");
  }
  model::check(on.made.open.load() == 0, "nothing is open in the end");
  model::check(on.time.next_timer() == time_point::max(), "no timer is left armed");
}

WEIR_MODEL(a_pool_may_end_while_its_timer_expires) {
  setting on;
  auto it = on.make({.max_idle_time = 5ms});
  {
    auto mine = wait(it->acquire({}));
  }
  model::threads([&] { on.time.advance(5ms); }, [&] { it.reset(); });
  model::check(on.made.open.load() == 0, "nothing is open in the end");
  model::check(on.time.next_timer() == time_point::max(), "no timer is left armed");
}

WEIR_MODEL(a_lower_limit_closes_what_is_too_much) {
  setting on;
  const auto it = on.make({.max_open = 2});
  auto first = wait(it->acquire({}));
  auto second = wait(it->acquire({}));
  model::threads([&] { it->set_max_open(1); }, [&] { first->release(); },
                 [&] { second->release(); });
  const pool_stats end = it->stats();
  model::check(end.open == 1 && end.idle == 1, "one is left");
}

WEIR_MODEL(a_flush_against_a_return_and_an_acquire_leaves_nothing_old) {
  setting on;
  const auto it = on.make({});
  auto first = wait(it->acquire({}));
  bool old = false;
  model::threads([&] { it->flush(); }, [&] { first->release(); },
                 [&] {
                   const auto mine = wait(it->acquire({}));
                   old = **mine == 0;
                 });
  const auto last = wait(it->acquire({}));
  model::check(**last != 0, "after the flush nobody gets what was open before");
  model::check(it->stats().closed_flushed == 1, "it was closed for that");
  model::sometimes(old, "it was lent before the flush");
  model::sometimes(!old, "it was not");
}

/// So many returns that nobody waits for that the next ones find their way past the queue.
void calm_down(pool<int>& it) {
  for (int i = 0; i < 20; ++i) {
    auto one = wait(it.acquire({}));
  }
}

/// Returns find their way past the queue when nobody waits, and must not when somebody does.
WEIR_MODEL(a_waiter_gets_what_was_returned_past_the_queue) {
  setting on;
  const auto it = on.make({.max_open = 2});
  {
    auto one = wait(it->acquire({}));
    auto two = wait(it->acquire({}));
  }
  calm_down(*it);
  auto first = wait(it->acquire({}));  // not waited for: measured loans go through the lock
  auto second = wait(it->acquire({}));
  core::atomic<int> served{0};
  const auto use = [&] {
    if (auto mine = wait(it->acquire({}))) served.fetch_add(1);
  };
  model::threads([&] { first->release(); },
                 [&] {
                   second->release();
                   if (auto again = it->try_acquire()) served.fetch_add(0);
                 },
                 use);
  model::check(served.load() == 1, "the waiter was served");
  const pool_stats end = it->stats();
  model::check(end.idle == 2 && end.in_use == 0, "both are home");
}

WEIR_MODEL(a_flush_retires_what_was_lent_however_calm_the_pool_is) {
  setting on;
  const auto it = on.make({.max_open = 2});
  {
    auto warm = wait(it->acquire({}));
  }
  auto first = wait(it->acquire({}));  // not waited for: measured loans go through the lock
  it->flush();
  calm_down(*it);
  model::threads([&] { first->release(); },
                 [&] {
                   auto mine = wait(it->acquire({}));
                   model::check(**mine != 0, "nobody gets what was open before");
                 });
  model::check(it->stats().closed_flushed == 1, "it was closed for that");
}

struct lone_slot final : core::pool_slot {};

/// A cell whose lock has become its thread's, and the first who queues: the cells are closed then.
WEIR_MODEL(nothing_gets_into_a_closed_cell_however_often_its_thread_used_it) {
  core::pool_cells cells{2};
  cells.open(0);
  lone_slot slot;
  core::intrusive_list<core::pool_slot> found;
  std::size_t moved = 0;
  bool refused = false;
  model::threads(
      [&] {
        for (int i = 0; i < 3; ++i) {
          refused = cells.put(slot) != nullptr;
          if (!refused && cells.take() == nullptr) return;
        }
      },
      [&] {
        moved = cells.empty(found, core::pool_cells::then::close);
        model::check(cells.count() == 0, "nothing is in a cell that is closed");
      });
  model::check(cells.count() == 0, "nothing got in afterwards");
  model::check((moved == 1) == (found.front() == &slot), "it is in the list if it was in the cell");
  model::sometimes(moved == 1, "it was found in the cell");
  model::sometimes(refused, "it was refused");
  if (moved == 1) core::intrusive_list<core::pool_slot>::unlink(slot);
}

WEIR_MODEL(a_resume_serves_those_who_queued_meanwhile) {
  setting on;
  const auto it = on.make({});
  {
    auto warm = wait(it->acquire({}));
  }
  it->pause();
  const auto use = [&] {
    model::check(wait(it->acquire({})).has_value(), "everybody is served in the end");
  };
  model::threads(use, use, [&] { it->resume(); });
  model::check(it->stats().idle == 1, "it is home");
}

WEIR_MODEL(what_is_reserved_is_lent_to_high_priority_alone) {
  setting on;
  const auto it = on.make({.max_open = 2, .reserved_high = 1});
  {
    auto one = wait(it->acquire({}, {.priority = pool_priority::high}));
    auto two = wait(it->acquire({}, {.priority = pool_priority::high}));
  }
  core::atomic<int> normal{0};
  const auto use = [&] {
    const auto mine = wait(it->acquire({}));
    model::check(normal.fetch_add(1) == 0, "one is reserved");
    normal.fetch_sub(1);
  };
  model::threads(use, use, [&] {
    model::check(wait(it->acquire({}, {.priority = pool_priority::high})).has_value(), "served");
  });
  model::check(it->stats().idle == 2, "both are home");
}

WEIR_MODEL(a_dead_resource_is_found_by_its_check_and_replaced) {
  setting on;
  on.made.alive = false;
  const auto it = on.make({.validate_after = 0ms});
  {
    auto warm = wait(it->acquire({}));
  }
  context_source impatient;
  model::threads(
      [&] {
        const auto mine = wait(it->acquire(impatient.get()));
        if (mine) model::check(**mine != 0, "nobody gets the dead one");
      },
      [&] { impatient.cancel(); });
  const pool_stats end = it->stats();
  model::check(end.in_use == 0 && end.waiting == 0, "nothing is left behind");
}

WEIR_MODEL(a_probe_that_fails_is_told_to_all_but_to_who_gave_up) {
  setting on;
  on.made.failures = 2;
  const auto it = on.make({});
  context_source impatient;
  core::atomic<int> served{0};
  const auto use = [&](const context& ctx) {
    if (wait(it->acquire(ctx))) served.fetch_add(1);
  };
  it->pause();
  model::threads([&] { use(impatient.get()); }, [&] { use(context{}); },
                 [&] {
                   it->resume();
                   impatient.cancel();
                 });
  model::check(it->stats().waiting == 0 && it->stats().in_use == 0, "nobody is left waiting");
}

/// The pool's tasks on a loop that one more thread runs until the others are done.
struct loop_setting {
  manual_clock time;
  run_loop loop{time};
  factory made;
  core::atomic<int> left{0};

  void done() {
    if (left.fetch_sub(1) == 1) loop.wake();
  }
  void pump() {
    loop.run_until(
        [](void* self) noexcept { return static_cast<loop_setting*>(self)->left.load() == 0; },
        this);
  }
};

WEIR_MODEL(who_waits_behind_a_failed_open_gets_an_attempt, .pct = 10'000) {
  loop_setting on;
  on.made.failures = 1;
  on.left.store(2);
  {
    pool<int> it{on.loop, {.max_open = 1}, std::make_unique<source>(on.made)};
    core::atomic<int> failed{0};
    const auto use = [&] {
      {
        const auto mine = wait(it.acquire({}));
        if (!mine) failed.fetch_add(1);
      }
      on.done();
    };
    model::threads(use, use, [&] { on.pump(); });
    model::check(failed.load() == 1, "the one failure was told to one of them");
  }
  on.loop.run_until_idle();
  model::check(on.made.open.load() == 0, "nothing is open in the end");
}

WEIR_MODEL(a_close_against_an_open_that_is_on_its_way, .pct = 10'000) {
  loop_setting on;
  on.left.store(2);
  pool<int> it{on.loop, {.max_open = 1}, std::make_unique<source>(on.made)};
  bool served = false;
  model::threads(
      [&] {
        {
          const auto mine = wait(it.acquire({}));
          served = mine.has_value();
        }
        on.done();
      },
      [&] {
        model::check(wait(it.close({})).has_value(), "all came home");
        model::check(on.made.open.load() == 0, "what was on its way is closed too");
        on.done();
      },
      [&] { on.pump(); });
  model::sometimes(served, "the caller was served");
  model::sometimes(!served && on.made.opened.load() == 1, "it came too late for the caller");
}

}  // namespace
