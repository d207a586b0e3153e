#include <chrono>

#include <weir/context/context.hpp>
#include <weir/context/select.hpp>
#include <weir/context/sleep.hpp>
#include <weir/context/wait.hpp>
#include <weir/sync/semaphore.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;
using namespace std::chrono_literals;

/// The model by which the explorer's speed is told.
WEIR_MODEL(two_users_never_hold_more_than_the_total) {
  semaphore quota{1};
  core::atomic<int> inside{0};
  const auto use = [&] {
    for (int i = 0; i < 2; ++i) {
      const auto mine = wait(quota.acquire({}));
      model::check(mine.has_value(), "an acquire without a context succeeds");
      model::check(inside.fetch_add(1) == 0, "two users hold the one unit");
      inside.fetch_sub(1);
    }
  };
  model::threads(use, use);
  model::check(quota.available() == 1 && quota.waiting() == 0, "every unit came home");
}

WEIR_MODEL(three_users_of_two_units_all_come_through, .pct = 5'000) {
  semaphore quota{2};
  const auto use = [&](int count) {
    const auto mine = wait(quota.acquire({}, count));
    model::check(mine && mine->count() == count, "as many as were asked for");
  };
  model::threads([&] { use(2); }, [&] { use(1); }, [&] { use(1); });
  model::check(quota.available() == 2 && quota.waiting() == 0, "every unit came home");
}

WEIR_MODEL(who_waits_for_much_is_not_overtaken) {
  semaphore quota{2};
  auto held = quota.try_acquire(1);
  core::atomic<bool> served{false};
  model::threads(
      [&] {
        const auto big = wait(quota.acquire({}, 2));
        served.store(true);
      },
      [&] {
        const bool behind = quota.waiting() == 1;
        const auto small = wait(quota.acquire({}, 1));
        model::check(!behind || served.load(), "the one that came first was served first");
        model::sometimes(behind, "the small one came second");
      },
      [&] { held.reset(); });
  model::check(quota.available() == 2 && quota.waiting() == 0, "every unit came home");
}

WEIR_MODEL(a_cancelled_acquire_loses_no_unit) {
  semaphore quota{1};
  context_source source;
  bool granted = false;
  model::threads(
      [&] {
        auto mine = wait(quota.acquire(source.get()));
        granted = mine.has_value();
        if (mine) mine->release();
        const auto again = wait(quota.acquire({}));
        model::check(again.has_value(), "another context is not cancelled");
      },
      [&] { static_cast<void>(wait(quota.acquire({}))); }, [&] { source.cancel(); });
  model::check(quota.available() == 1 && quota.waiting() == 0, "every unit came home");
  model::sometimes(granted, "the grant was first");
  model::sometimes(!granted, "the cancel was first");
}

WEIR_MODEL(the_small_one_behind_a_big_one_that_left_goes_on) {
  semaphore quota{2};
  context_source impatient;
  auto held = quota.try_acquire(1);
  model::threads(
      [&] {
        const auto big = wait(quota.acquire(impatient.get(), 2));
        model::check(!big, "one of the two units is out until the end");
      },
      [&] {
        const auto small = wait(quota.acquire({}, 1));
        model::check(small.has_value(), "the small one goes on");
      },
      [&] { impatient.cancel(); });
  held.reset();
  model::check(quota.available() == 2 && quota.waiting() == 0, "every unit came home");
}

WEIR_MODEL(a_deadline_against_a_release_loses_no_unit, .timeouts = 2) {
  semaphore quota{1};
  context_source hasty{context{}, {.timeout = 1ms}};
  auto held = quota.try_acquire();
  bool granted = false;
  model::threads(
      [&] {
        const auto mine = wait(quota.acquire(hasty.get()));
        granted = mine.has_value();
      },
      [&] { static_cast<void>(wait(quota.acquire({}))); }, [&] { held.reset(); });
  model::check(quota.available() == 1 && quota.waiting() == 0, "every unit came home");
  model::sometimes(granted, "the release was first");
  model::sometimes(!granted, "the deadline was first");
}

WEIR_MODEL(a_close_fails_all_who_wait_and_whoever_comes_later) {
  semaphore quota{1};
  auto held = quota.try_acquire();
  const auto use = [&] {
    const auto first = wait(quota.acquire({}));
    model::sometimes(first.has_value(), "an acquire came before the close");
    model::sometimes(!first, "a close came before an acquire");
    if (first) return;
    model::check(first.error().code() == errc::closed, "it says that it is closed");
    model::check(!wait(quota.acquire({})), "closed stays closed");
  };
  model::threads(use, use, [&] {
    held.reset();
    quota.close();
  });
  model::check(quota.waiting() == 0, "nobody waits");
}

WEIR_MODEL(a_resize_grants_and_refuses) {
  semaphore quota{1};
  bool refused = false;
  model::threads(
      [&] {
        const auto mine = wait(quota.acquire({}, 2));
        refused = !mine;
        if (refused) {
          model::check(mine.error().code() == errc::invalid_argument, "more than the total");
        }
      },
      [&] { static_cast<void>(wait(quota.acquire({}, 1))); },
      [&] {
        quota.resize(2);
        quota.resize(1);
      });
  model::check(quota.available() == 1 && quota.waiting() == 0, "every unit came home");
  model::sometimes(refused, "it was refused");
  model::sometimes(!refused, "it was granted");
}

WEIR_MODEL(a_select_that_loses_has_taken_nothing) {
  semaphore left{1};
  semaphore right{1};
  auto a = left.try_acquire();
  auto b = right.try_acquire();
  std::size_t which = 9;
  model::threads(
      [&] {
        const auto first = wait(select(left.acquire({}), right.acquire({})));
        which = first.index();
        const semaphore& loser = which == 0 ? right : left;
        model::check(loser.waiting() == 0, "the loser's queue is left");
      },
      [&] { a.reset(); }, [&] { b.reset(); });
  model::check(left.available() == 1 && right.available() == 1, "every unit came home");
  model::sometimes(which == 0, "the left one was first");
  model::sometimes(which == 1, "the right one was first");
}

WEIR_MODEL(selects_in_opposite_orders_do_not_lock_each_other_out) {
  semaphore left{1};
  semaphore right{1};
  model::threads(
      [&] {
        static_cast<void>(wait(select(left.acquire({}), right.acquire({}))));
        static_cast<void>(wait(left.acquire({})));
      },
      [&] {
        static_cast<void>(wait(select(right.acquire({}), left.acquire({}))));
        static_cast<void>(wait(right.acquire({})));
      },
      [&] { static_cast<void>(wait(left.acquire({}))); });
  model::check(left.available() == 1 && right.available() == 1, "every unit came home");
}

}  // namespace
