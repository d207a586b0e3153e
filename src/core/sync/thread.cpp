#include <algorithm>
#include <memory>
#include <new>
#include <utility>

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include <weir/core/assert.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/core/sync/thread_local.hpp>

namespace weir::core {
namespace {

struct launch {
  thread::entry run;
  void* argument;
  char name[16];
};

void* trampoline(void* raw) {
  const std::unique_ptr<launch> start{static_cast<launch*>(raw)};
  pthread_setname_np(pthread_self(), start->name);
  start->run(start->argument);
  return nullptr;
}

struct id_tag {};

}  // namespace

thread::thread(thread&& other) noexcept
    : handle_(other.handle_), started_(std::exchange(other.started_, false)) {}

thread& thread::operator=(thread&& other) noexcept {
  WEIR_ASSERT(!started_, "a thread was overwritten while it runs: join it first");
  handle_ = other.handle_;
  started_ = std::exchange(other.started_, false);
  return *this;
}

thread::~thread() {
  WEIR_ASSERT(!started_, "a thread was destroyed while it runs: join it first");
}

int thread::start(std::string_view name, entry run, void* argument) noexcept {
  WEIR_ASSERT(!started_, "a thread was started twice");
  std::unique_ptr<launch> start{new (std::nothrow) launch{run, argument, {}}};
  if (!start) return ENOMEM;
  const std::size_t length = std::min(name.size(), sizeof start->name - 1);
  memcpy(start->name, name.data(), length);
  pthread_t handle{};
  const int rc = pthread_create(&handle, nullptr, trampoline, start.get());
  if (rc != 0) return rc;
  static_cast<void>(start.release());
  handle_ = static_cast<std::uintptr_t>(handle);
  started_ = true;
  return 0;
}

void thread::join() noexcept {
  WEIR_ASSERT(started_, "joined a thread that does not run");
  pthread_join(static_cast<pthread_t>(handle_), nullptr);
  started_ = false;
}

std::uintptr_t this_thread_id() noexcept {
  return reinterpret_cast<std::uintptr_t>(&thread_slot<char, id_tag>::get());
}

void yield_thread() noexcept {
  sched_yield();
}

void wait_a_little(int round) noexcept {
  constexpr int spins = 40;   // a critical section is some twenty instructions
  constexpr int yields = 20;  // it was preempted: let it run
  constexpr long first_sleep_ns = 5'000;
  constexpr long longest_sleep_ns = 100'000;
  constexpr int doublings = 5;
  if (round < spins) {
    cpu_relax();
  } else if (round < spins + yields) {
    sched_yield();
  } else {
    // Under SCHED_FIFO a yielding waiter of higher priority would starve the other for ever.
    const long wanted = first_sleep_ns << std::min(round - spins - yields, doublings);
    const timespec slice{.tv_sec = 0, .tv_nsec = std::min(wanted, longest_sleep_ns)};
    clock_nanosleep(CLOCK_MONOTONIC, 0, &slice, nullptr);
  }
}

unsigned available_processors() noexcept {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

}  // namespace weir::core
