#pragma once

// The shipped mutex and park, compiled on Relacy's atomics and its model of the kernel's futex.

#include <algorithm>
#include <chrono>

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>

inline int relacy_yield() {
  weir::core::cpu_relax();
  return 0;
}

inline int relacy_sleep(int, int, const timespec*, timespec*) {
  return relacy_yield();
}

inline long relacy_futex(long, std::uint32_t* address, int what, std::uint32_t value,
                         const timespec* until, void*, std::uint32_t) {
  // The shipped code casts its atomic to the kernel's word; this is the way back.
  auto& word = reinterpret_cast<weir::core::atomic<std::uint32_t>*>(address)->raw();
  rl::context& c = rl::ctx();
  c.sched();
  c.atomic_thread_fence_seq_cst();
  if ((what & FUTEX_CMD_MASK) == FUTEX_WAKE) {
    word.wake(c, static_cast<rl::thread_id_t>(value), RL_INFO);
    return 0;
  }
  std::uint32_t seen = 0;
  {
    const rl::preemption_disabler pd(c);
    seen = word.load(rl::mo_acquire, RL_INFO);
  }
  if (seen != value) return 0;
  if (word.wait(c, until != nullptr, true, RL_INFO) != rl::unpark_reason_timeout) return 0;
  errno = ETIMEDOUT;
  return -1;
}

#define syscall relacy_futex
#define sched_yield relacy_yield
#define clock_nanosleep relacy_sleep
#include "../../src/core/sync/mutex.cpp"
#include "../../src/core/sync/park.cpp"
#undef syscall
#undef sched_yield
#undef clock_nanosleep
