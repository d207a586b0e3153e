// Claims about the explorer itself that its planted bugs do not make.

#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/core/sync/thread_local.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;

/// Two threads of two steps have C(4, 2) = 6 interleavings, and an unbounded search makes exactly
/// these: the runner's line for this model says so.
WEIR_MODEL(two_threads_of_two_steps_have_six_orders, .bound = 4, .pct = 0) {
  core::atomic<unsigned> clock{0};
  unsigned at[2][2] = {};
  model::threads(
      [&] {
        at[0][0] = clock.fetch_add(1);
        at[0][1] = clock.fetch_add(1);
      },
      [&] {
        at[1][0] = clock.fetch_add(1);
        at[1][1] = clock.fetch_add(1);
      });
  model::sometimes(at[0][0] == 0 && at[0][1] == 1, "the order was AABB");
  model::sometimes(at[0][0] == 0 && at[0][1] == 2, "the order was ABAB");
  model::sometimes(at[0][0] == 0 && at[0][1] == 3, "the order was ABBA");
  model::sometimes(at[0][0] == 1 && at[0][1] == 2, "the order was BAAB");
  model::sometimes(at[0][0] == 1 && at[0][1] == 3, "the order was BABA");
  model::sometimes(at[0][0] == 2 && at[0][1] == 3, "the order was BBAA");
}

/// A thread-local starts fresh in each thread and in each execution.
WEIR_MODEL(a_thread_slot_belongs_to_one_thread_of_one_execution, .pct = 0) {
  struct tag {};
  using slot = core::thread_slot<int, tag>;
  const auto count = [] {
    model::check(slot::get() == 0, "a thread-local kept what another thread wrote");
    ++slot::get();
    core::yield_thread();
    model::check(slot::get() == 1, "a thread-local was changed by another thread");
  };
  model::threads(count, count);
  count();
}

/// Threads that the code under test starts are scheduled like the model's own.
WEIR_MODEL(a_started_thread_races_with_its_starter, .pct = 0) {
  core::atomic<int> value{0};
  core::thread other;
  other.start("other", [](void* it) { static_cast<core::atomic<int>*>(it)->store(2); }, &value);
  value.store(1);
  other.join();
  model::sometimes(value.load() == 1, "the starter was last");
  model::sometimes(value.load() == 2, "the started thread was last");
}

}  // namespace
