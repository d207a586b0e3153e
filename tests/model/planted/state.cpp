// Planted bugs of shared state: atomicity, order, identity.

#include <utility>

#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>

#include "explorer/model.hpp"

namespace {

using namespace weir;

WEIR_PLANTED(lost_update, "an increment was lost") {
  core::atomic<int> count{0};
  const auto twice = [&] {
    for (int i = 0; i < 2; ++i) {
      if (planted) {
        count.store(count.load() + 1);
      } else {
        count.fetch_add(1);
      }
    }
  };
  model::threads(twice, twice);
  model::check(count.load() == 4, "an increment was lost");
}

/// closed is looked at before the lock and not again under it.
WEIR_PLANTED(check_then_act_on_closed, "an item was sent after the last look") {
  core::mutex lock;
  core::atomic<bool> closed{false};
  int items = 0;
  int drained = 0;
  model::threads(
      [&] {
        if (closed.load()) return;
        const core::lock_guard guard(lock);
        if (!planted && closed.load()) return;
        ++items;
      },
      [&] {
        const core::lock_guard guard(lock);
        closed.store(true);
        drained = std::exchange(items, 0);
      });
  model::check(items == 0 || drained == 0, "items are drained once");
  model::check(items == 0, "an item was sent after the last look");
}

/// A stack of indices: pop reads next, is overtaken by pop, pop, push of the same node, and then
/// swings the head to a node that is in use.
struct index_stack {
  core::atomic<std::uint64_t> head{0};
  core::atomic<int> next[3] = {-1, 0, 1};  // 2 → 1 → 0
  bool tagged;

  explicit index_stack(bool with_tags) : tagged(with_tags) { head.store(pack(2, 0)); }

  static std::uint64_t pack(int index, std::uint64_t tag) {
    return (tag << 32U) | static_cast<std::uint32_t>(index + 1);
  }
  static int index_of(std::uint64_t word) { return static_cast<int>(word & 0xFFFFFFFFU) - 1; }
  std::uint64_t after(std::uint64_t word) const { return tagged ? (word >> 32U) + 1 : 0; }

  int pop() {
    std::uint64_t seen = head.load();
    while (index_of(seen) >= 0) {
      const int top = index_of(seen);
      if (head.compare_exchange_strong(seen, pack(next[top].load(), after(seen)))) return top;
    }
    return -1;
  }

  void push(int index) {
    std::uint64_t seen = head.load();
    do {
      next[index].store(index_of(seen));
    } while (!head.compare_exchange_strong(seen, pack(index, after(seen))));
  }
};

WEIR_PLANTED(aba, "a node has two owners") {
  index_stack free_nodes(!planted);
  core::atomic<int> owners[3]{};
  const auto own = [&](int index) {
    if (index < 0) return;
    model::check(owners[index].fetch_add(1) == 0, "a node has two owners");
  };
  model::threads([&] { own(free_nodes.pop()); },
                 [&] {
                   const int first = free_nodes.pop();
                   const int second = free_nodes.pop();
                   own(second);
                   if (first >= 0) free_nodes.push(first);
                   own(free_nodes.pop());
                   own(free_nodes.pop());
                 });
}

/// "Has it been released?" and "release it" are two steps.
WEIR_PLANTED(double_release, "released twice") {
  core::atomic<bool> held{true};
  core::atomic<int> units{0};
  const auto release = [&] {
    if (planted) {
      if (!held.load()) return;
      held.store(false);
    } else if (!held.exchange(false)) {
      return;
    }
    units.fetch_add(1);
  };
  model::threads(release, release);
  model::check(units.load() == 1, "a permit was released twice");
}

/// Two selects over the same two channels lock them in the order of their arguments.
WEIR_PLANTED(wrong_order_of_two_locks, "deadlock") {
  core::mutex locks[2];
  int meetings = 0;
  const auto meet = [&](int first, int second) {
    if (!planted && first > second) std::swap(first, second);
    const core::lock_guard a(locks[first]);
    const core::lock_guard b(locks[second]);
    ++meetings;
  };
  model::threads([&] { meet(0, 1); }, [&] { meet(1, 0); });
  model::check(meetings == 2, "both met");
}

struct counted {
  core::atomic<int> references{2};
  core::atomic<int> dropped{0};
};

/// The count goes to zero and only then the object is used once more.
WEIR_PLANTED(last_decrement_touches_freed, "was freed") {
  auto* object = new counted;
  const auto drop = [&] {
    if (!planted) object->dropped.fetch_add(1);
    const bool last = object->references.fetch_sub(1) == 1;
    if (planted) object->dropped.fetch_add(1);
    if (last) delete object;
  };
  model::threads(drop, drop);
}

struct latched {
  core::mutex lock;
  core::atomic<int> pending{1};
};

/// The count falls inside the lock; who sees zero without the lock frees the mutex under it.
WEIR_PLANTED(unlock_of_a_freed_mutex, "mutex") {
  auto* latch = new latched;
  model::threads(
      [&] {
        if (planted) {
          const core::lock_guard guard(latch->lock);
          latch->pending.fetch_sub(1);
        } else {
          latch->pending.fetch_sub(1);
        }
      },
      [&] {
        while (latch->pending.load() != 0) core::cpu_relax();
        delete latch;
      });
}

/// A plain write through a pointer that another thread has freed: no instrumented access at all.
WEIR_PLANTED(plain_write_to_freed_memory, "freed memory was written to") {
  struct record {
    int value = 0;
  };
  core::atomic<record*> shared{new record};
  model::threads(
      [&] {
        record* mine = planted ? shared.load() : shared.exchange(nullptr);
        if (mine == nullptr) return;
        core::cpu_relax();
        mine->value = 7;
        if (!planted) delete mine;
      },
      [&] { delete shared.exchange(nullptr); });
}

/// Dekker's entry with the two lines the wrong way round.
WEIR_PLANTED(mutual_exclusion_by_two_flags, "two threads are inside") {
  core::atomic<bool> wants[2]{};
  core::atomic<int> inside{0};
  const auto enter = [&](int me) {
    if (planted) {
      if (wants[1 - me].load()) return;
      wants[me].store(true);
    } else {
      wants[me].store(true);
      if (wants[1 - me].load()) return;
    }
    model::check(inside.fetch_add(1) == 0, "two threads are inside");
    inside.fetch_sub(1);
    wants[me].store(false);
  };
  model::threads([&] { enter(0); }, [&] { enter(1); });
}

/// A stopper that looks at its phase before it counts the task.
WEIR_PLANTED(task_counted_after_the_phase_was_checked, "a task ran after the drain") {
  core::atomic<bool> stopping{false};
  core::atomic<int> tasks{0};
  core::atomic<bool> drained{false};
  model::threads(
      [&] {
        if (planted) {
          if (stopping.load()) return;
          tasks.fetch_add(1);
        } else {
          tasks.fetch_add(1);
          if (stopping.load()) {
            tasks.fetch_sub(1);
            return;
          }
        }
        model::check(!drained.load(), "a task ran after the drain");
        tasks.fetch_sub(1);
      },
      [&] {
        stopping.store(true);
        while (tasks.load() != 0) core::cpu_relax();
        drained.store(true);
      });
}

/// Looks whether it is made, takes the lock, makes it: twice.
WEIR_PLANTED(double_checked_once, "made twice") {
  core::mutex lock;
  core::atomic<bool> made{false};
  core::atomic<int> times{0};
  const auto once = [&] {
    if (made.load()) return;
    const core::lock_guard guard(lock);
    if (!planted && made.load()) return;
    times.fetch_add(1);
    made.store(true);
  };
  model::threads(once, once);
  model::check(times.load() == 1, "it was made twice");
}

/// A weak compare-and-swap without a loop: it may fail although nobody is there.
WEIR_PLANTED(weak_failure_taken_for_contention, "nobody else was there") {
  core::atomic<int> slot{0};
  int expected = 0;
  bool taken = slot.compare_exchange_weak(expected, 1);
  while (!planted && !taken && expected == 0) taken = slot.compare_exchange_weak(expected, 1);
  model::check(taken, "the slot was refused although nobody else was there");
}

/// The list node of a wait that was withdrawn is never given back.
WEIR_PLANTED(waiter_left_behind, "memory was left behind") {
  core::atomic<int*> node{nullptr};
  model::threads([&] { node.store(new int(1)); },
                 [&] {
                   if (int* mine = node.exchange(nullptr)) delete mine;
                 });
  if (!planted) delete node.load();
}

/// State that survives an execution: the explorer must notice that it no longer controls the run.
WEIR_PLANTED(rerun_differs, "a rerun differs") {
  static int runs = 0;
  core::atomic<int> count{0};
  const int rounds = planted ? 1 + (runs++ % 2) : 1;
  const auto add = [&] {
    for (int i = 0; i < rounds; ++i) count.fetch_add(1);
  };
  model::threads(add, add);
}

/// A crash in model code is a failure with a schedule, not the end of the program.
WEIR_PLANTED(null_pointer_behind_a_race, "a crash") {
  core::atomic<core::atomic<int>*> shared{nullptr};
  core::atomic<int> value{3};
  model::threads([&] { shared.store(&value); },
                 [&] {
                   core::atomic<int>* seen = shared.load();
                   if (planted || seen != nullptr) seen->store(4);
                 });
}

}  // namespace
