#pragma once

// The shipped mutex and park, compiled on Relacy's atomics and its model of the kernel's futex.

#include <chrono>

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>
#include <weir/core/sync/thread.hpp>

void weir::core::wait_a_little(int) noexcept {
  cpu_relax();
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
#include "../../src/core/sync/mutex.cpp"
#include "../../src/core/sync/park.cpp"
#undef syscall
