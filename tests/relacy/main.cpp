// Kernels of weir whose memory orders are weaker than seq_cst, or whose correctness rests on the
// total order of seq_cst, under Relacy: it reorders what the language allows to be reordered, which
// the explorer in tests/model does not.

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <sstream>

#include <weir/core/executor.hpp>
#include <weir/core/sync/fence.hpp>
#include <weir/core/waiter.hpp>

#include "core/biased_mutex.cpp"
#include "runtime/ring.hpp"
#include "shipped_seam.hpp"

namespace {

using namespace weir;

/// mutex.hpp: the release store of unlock pairs with the acquire exchange of lock.
struct mutex_passes_on_what_was_written : rl::test_suite<mutex_passes_on_what_was_written, 3> {
  core::mutex lock;
  rl::var<int> value;

  void before() { value(RL_INFO) = 0; }
  void thread(unsigned) {
    for (int i = 0; i < 2; ++i) {
      const core::lock_guard guard{lock};
      value(RL_INFO) = value(RL_INFO) + 1;
    }
  }
  void after() { RL_ASSERT(value(RL_INFO) == 6); }
};

/// biased_mutex.hpp: so does a lock that its owner takes by two plain stores, and others by a
/// fence.
struct bias_passes_on_what_was_written : rl::test_suite<bias_passes_on_what_was_written, 2> {
  core::biased_mutex lock{2};
  rl::var<int> value;

  void before() { value(RL_INFO) = 0; }
  void thread(unsigned index) {
    for (unsigned i = 0; i < (index == 0 ? 5 : 2); ++i) {
      const core::biased_guard guard{lock, index + 1};
      value(RL_INFO) = value(RL_INFO) + 1;
    }
  }
  void after() { RL_ASSERT(value(RL_INFO) == 7); }
};

/// park.hpp: what happened before `wake` is visible after the `wait` that took its token.
struct park_passes_on_what_was_written : rl::test_suite<park_passes_on_what_was_written, 2> {
  core::park there;
  core::park back;
  rl::var<int> value;

  void before() { value(RL_INFO) = 0; }
  void thread(unsigned index) {
    if (index == 0) {
      value(RL_INFO) = 1;
      there.wake();
      back.wait();
      RL_ASSERT(value(RL_INFO) == 2);
    } else {
      there.wait();
      RL_ASSERT(value(RL_INFO) == 1);
      value(RL_INFO) = 2;
      back.wake();
    }
  }
};

/// A wait that times out, or finds the token that came at the last moment.
struct park_times_out_or_takes_the_token : rl::test_suite<park_times_out_or_takes_the_token, 2> {
  core::park bed;
  rl::var<int> value;
  rl::var<int> taken;

  void before() {
    value(RL_INFO) = 0;
    taken(RL_INFO) = 0;
  }
  void thread(unsigned index) {
    if (index == 0) {
      value(RL_INFO) = 1;
      bed.wake();
    } else if (bed.wait_until(core::time_point{core::duration{1}})) {
      RL_ASSERT(value(RL_INFO) == 1);
      taken(RL_INFO) = 1;
    }
  }
  void after() { RL_ASSERT(bed.try_wait() == (taken(RL_INFO) == 0)); }
};

/// Store buffering: who goes to sleep says so and then looks, who wakes makes it true and then
/// looks for sleepers. One of the two sees the other, or the sleeper sleeps for ever.
struct a_flag_and_a_sleeper_see_each_other
    : rl::test_suite<a_flag_and_a_sleeper_see_each_other, 2> {
  core::park bed;
  core::atomic<bool> ready{false};
  core::atomic<bool> sleeping{false};

  void thread(unsigned index) {
    if (index == 0) {
      sleeping.store(true);
      if (!ready.load()) bed.wait();
    } else {
      ready.store(true);
      if (sleeping.load()) bed.wake();
    }
  }
};

/// waiter.hpp: `arm` then a look at the level, the level then `claim`: cancellation is not missed.
struct a_cancel_claims_a_waiter_or_is_seen
    : rl::test_suite<a_cancel_claims_a_waiter_or_is_seen, 2> {
  core::thread_waiter waiter;
  core::atomic<bool> cancelled{false};
  core::atomic<int> claims{0};

  void thread(unsigned index) {
    if (index == 0) {
      waiter.arm();
      if (cancelled.load() && waiter.claim(1)) {
        claims.fetch_add(1);
        return;
      }
      waiter.wait();
    } else {
      cancelled.store(true);
      if (waiter.claim(1)) {
        claims.fetch_add(1);
        waiter.wake();
      }
    }
  }
  void after() { RL_ASSERT(claims.load() == 1); }
};

/// state.hpp, error.cpp: counts go up relaxed, as whoever adds one holds one; they come down
/// seq_cst, so that who frees has seen what all others did.
struct counts_go_up_relaxed : rl::test_suite<counts_go_up_relaxed, 3> {
  core::atomic<std::uint32_t> count{3};
  rl::var<int> value[3];
  rl::var<int> freed;

  void before() {
    for (auto& one : value) one(RL_INFO) = 0;
    freed(RL_INFO) = 0;
  }
  void drop() {
    if (count.fetch_sub(1) != 1) return;
    for (auto& one : value) RL_ASSERT(one(RL_INFO) == 1);
    freed(RL_INFO) = freed(RL_INFO) + 1;
  }
  void thread(unsigned index) {
    count.fetch_add(1, std::memory_order_relaxed);
    value[index](RL_INFO) = 1;
    drop();
    drop();
  }
  void after() { RL_ASSERT(freed(RL_INFO) == 1); }
};

/// thread_calls.hpp, in its orders: a call is refused, or collected while it goes on, or what it
/// did is visible to who collects.
struct a_call_is_refused_or_counted_or_over
    : rl::test_suite<a_call_is_refused_or_counted_or_over, 2> {
  static constexpr std::uint32_t leaving = 0x80;
  core::atomic<std::uint32_t> live{0};
  core::atomic<bool> closed{false};
  core::mutex lock;
  core::atomic<bool> admitted{false};
  rl::var<bool> collected;
  rl::var<std::uint32_t> counted;
  rl::var<int> value;

  void before() {
    collected(RL_INFO) = false;
    counted(RL_INFO) = 0;
    value(RL_INFO) = 0;
  }

  void call() {
    live.store(1, std::memory_order_release);
    core::light_fence();
    if (closed.load(std::memory_order_relaxed)) {
      const core::lock_guard guard{lock};
      live.store(0);
      return;
    }
    admitted.store(true, std::memory_order_relaxed);
    value(RL_INFO) = 1;
    live.store(1 | leaving, std::memory_order_relaxed);
    core::light_fence();
    if (!closed.load(std::memory_order_relaxed)) {
      live.store(0, std::memory_order_release);
      return;
    }
    const core::lock_guard guard{lock};
    live.store(0);
    RL_ASSERT(!collected(RL_INFO) || counted(RL_INFO) == 1);
  }

  void thread(unsigned index) {
    if (index == 0) return call();
    closed.store(true);
    core::heavy_fence();
    for (;;) {
      const core::lock_guard guard{lock};
      const std::uint32_t now = live.load();
      if ((now & leaving) != 0) continue;
      collected(RL_INFO) = true;
      counted(RL_INFO) = now;
      break;
    }
    const core::lock_guard guard{lock};
    if (counted(RL_INFO) == 0 && admitted.load(std::memory_order_relaxed)) {
      RL_ASSERT(value(RL_INFO) == 1);
    }
  }
};

/// thread_tasks.hpp, in its orders: what is read of a place between two looks at the same id is of
/// one task, although the next one writes without waiting for anybody.
struct what_is_read_of_a_place_is_of_one_task
    : rl::test_suite<what_is_read_of_a_place_is_of_one_task, 2> {
  core::atomic<std::uint64_t> id{0};
  core::atomic<int> name{0};
  core::atomic<int> since{0};

  void thread(unsigned index) {
    if (index == 0) {
      for (int task = 1; task <= 3; ++task) {
        name.store(task, std::memory_order_release);
        since.store(task, std::memory_order_release);
        id.store(static_cast<std::uint64_t>(task), std::memory_order_release);
        id.store(0, std::memory_order_release);
      }
      return;
    }
    const std::uint64_t seen = id.load();
    if (seen == 0) return;
    const int name_seen = name.load();
    const int since_seen = since.load();
    if (id.load() != seen) return;
    RL_ASSERT(name_seen == static_cast<int>(seen) && since_seen == static_cast<int>(seen));
  }
};

struct numbered : core::work {
  numbered() noexcept : core::work([](core::work&) noexcept {}) {}
  rl::var<int> value;
  rl::var<int> owners;
};

/// ring.hpp: `push` releases the slot and what the item holds to whoever takes it, owner or thief;
/// whoever moves the head releases the slot for its reuse. The ring is so small that it is reused.
struct a_ring_hands_each_item_to_one : rl::test_suite<a_ring_hands_each_item_to_one, 3> {
  core::work_ring<2> ring{core::sharing::shared};
  numbered items[4];

  void before() {
    for (numbered& item : items) {
      item.value(RL_INFO) = 0;
      item.owners(RL_INFO) = 0;
    }
  }
  static void own(core::work* taken) {
    auto& item = *static_cast<numbered*>(taken);
    RL_ASSERT(item.value(RL_INFO) == 7);
    item.owners(RL_INFO) = item.owners(RL_INFO) + 1;
  }
  void thread(unsigned index) {
    if (index == 0) {
      for (numbered& item : items) {
        item.value(RL_INFO) = 7;
        while (!ring.push(item)) {
          if (core::work* mine = ring.pop()) own(mine);
        }
      }
      while (core::work* mine = ring.pop()) own(mine);
    } else {
      std::array<core::work*, 2> taken{};
      const std::size_t count = ring.steal(taken);
      for (std::size_t i = 0; i < count; ++i) own(taken[i]);
    }
  }
  void after() {
    for (numbered& item : items) RL_ASSERT(item.owners(RL_INFO) == 1);
  }
};

/// ring.hpp with idle_set.hpp: `publish` orders the pushes before the look for sleepers, as
/// `announce` orders the sleeper before its last look at the ring.
struct a_push_is_not_slept_through : rl::test_suite<a_push_is_not_slept_through, 2> {
  core::work_ring<2> ring{core::sharing::shared};
  numbered item;
  core::park bed;
  core::atomic<std::uint32_t> sleepers{0};

  void thread(unsigned index) {
    if (index == 0) {
      RL_ASSERT(ring.push(item));
      ring.publish();
      if (sleepers.load() != 0) bed.wake();
    } else {
      sleepers.fetch_add(1);
      if (ring.size() == 0) bed.wait();
      RL_ASSERT(ring.size() == 1);
    }
  }
};

/// Relacy itself: the same store buffering with weaker orders is a lost wake-up that it must find.
struct weaker_orders_lose_a_wake_up
    : rl::test_suite<weaker_orders_lose_a_wake_up, 2, rl::test_result_deadlock> {
  core::park bed;
  core::atomic<bool> ready{false};
  core::atomic<bool> sleeping{false};

  void thread(unsigned index) {
    if (index == 0) {
      sleeping.store(true, std::memory_order_release);
      if (!ready.load(std::memory_order_acquire)) bed.wait();
    } else {
      ready.store(true, std::memory_order_release);
      if (sleeping.load(std::memory_order_acquire)) bed.wake();
    }
  }
};

unsigned passed = 0;
unsigned failed = 0;

template <class Kernel>
void run(const char* name, unsigned iterations) {
  rl::test_params how;
  std::ostringstream output;
  how.iteration_count = iterations;
  how.output_stream = &output;
  how.progress_stream = &output;
  const bool good = rl::simulate<Kernel>(how);
  const bool planted = Kernel::params::expected_result != rl::test_result_success;
  if (!good) std::fputs(output.str().c_str(), stdout);
  std::printf("%-48s %s in %llu iterations\n", name,
              !good     ? "FAILED"
              : planted ? "found"
                        : "clean",
              static_cast<unsigned long long>(how.stop_iteration));
  ++(good ? passed : failed);
}

}  // namespace

#define RUN(kernel) run<kernel>(#kernel, iterations)

int main(int argc, char** argv) {
  unsigned iterations = 1'000'000;
  if (argc > 1) std::from_chars(argv[1], argv[1] + std::strlen(argv[1]), iterations);
  RUN(mutex_passes_on_what_was_written);
  RUN(bias_passes_on_what_was_written);
  RUN(park_passes_on_what_was_written);
  RUN(park_times_out_or_takes_the_token);
  RUN(a_flag_and_a_sleeper_see_each_other);
  RUN(a_cancel_claims_a_waiter_or_is_seen);
  RUN(counts_go_up_relaxed);
  RUN(a_call_is_refused_or_counted_or_over);
  RUN(what_is_read_of_a_place_is_of_one_task);
  RUN(a_ring_hands_each_item_to_one);
  RUN(a_push_is_not_slept_through);
  RUN(weaker_orders_lose_a_wake_up);
  std::printf("%u passed, %u failed\n", passed, failed);
  return failed == 0 ? 0 : 1;
}
