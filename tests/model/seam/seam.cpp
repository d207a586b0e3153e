#include <chrono>
#include <utility>

#include <weir/core/assert.hpp>
#include <weir/core/sync/atomic.hpp>
#include <weir/core/sync/clock.hpp>
#include <weir/core/sync/mutex.hpp>
#include <weir/core/sync/park.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/core/sync/thread_local.hpp>

#include "explorer/execution.hpp"

namespace weir::model {

unsigned thread_index() noexcept {
  return execution::current.thread();
}

std::uint64_t execution_serial() noexcept {
  return execution::current.active() ? execution::current.serial() : 0;
}

}  // namespace weir::model

namespace weir::core {
namespace {

using model::execution;
using model::op;

unsigned self_bit() noexcept {
  return 1U << execution::current.thread();
}

}  // namespace

void misuse(const char* sentence, std::source_location where) noexcept {
  execution::current.fail(sentence, where);
}

void cpu_relax() noexcept {
  execution::current.relax();
}

// ---------------------------------------------------------------- mutex

void mutex::lock(place where) noexcept {
  model::step(op::lock, this, where);
  life_.expect(op::lock, this, where);
  const unsigned self = execution::current.thread() + 1;
  if (owner_ == self) model::fail("a thread locked a mutex that it already holds", where);
  while (owner_ != 0 && execution::current.active()) {
    model::statics::about_to_write(&waiting_, sizeof waiting_);
    waiting_ |= self_bit();
    execution::current.block(op::lock, this, time_point::max(), false);
    life_.expect(op::lock, this, where);
    waiting_ &= ~self_bit();
  }
  take(self);
  if (model::tracing) model::trace(op::lock, this, "taken", 0, where);
}

void mutex::take(unsigned owner) noexcept {
  // A static one may still be locked when an execution fails.
  model::statics::about_to_write(&owner_, sizeof owner_);
  owner_ = owner;
}

bool mutex::try_lock(place where) noexcept {
  model::step(op::try_lock, this, where);
  life_.expect(op::try_lock, this, where);
  const bool taken = owner_ == 0;
  if (taken) take(execution::current.thread() + 1);
  if (model::tracing) model::trace(op::try_lock, this, "", taken ? 1 : 0, where);
  return taken;
}

void mutex::unlock(place where) noexcept {
  model::step(op::unlock, this, where);
  life_.expect(op::unlock, this, where);
  if (owner_ != execution::current.thread() + 1) {
    model::fail("a thread unlocked a mutex that it does not hold", where);
  }
  owner_ = 0;
  execution::current.make_ready(waiting_);
  if (model::tracing) model::trace(op::unlock, this, "freed", 0, where);
}

void mutex::destroy() noexcept {
  if (execution::current.active()) {
    if (waiting_ != 0) model::fail("a mutex was destroyed while a thread waits for it");
    if (owner_ != 0 && owner_ != execution::current.thread() + 1) {
      model::fail("a mutex was destroyed while another thread holds it");
    }
  }
  life_.end();
}

// ---------------------------------------------------------------- park

park::~park() {
  if (waiter_ != 0 && execution::current.active()) {
    model::fail("a park was destroyed while a thread waits there");
  }
  life_.end();
}

void park::wait(place where) noexcept {
  wait_until(time_point::max(), where);
}

bool park::wait_until(time_point deadline, place where) noexcept {
  model::step(op::wait, this, where);
  life_.expect(op::wait, this, where);
  if (waiter_ != 0) model::fail("two threads wait at one park", where);
  if (!token_) {
    waiter_ = execution::current.thread() + 1;
    execution::current.block(op::wait, this, deadline, false);
    life_.expect(op::wait, this, where);
    waiter_ = 0;
  }
  const bool taken = token_;
  token_ = false;
  if (model::tracing) {
    model::trace(op::wait, this, taken ? "took the token" : "timed out", 0, where);
  }
  return taken;
}

bool park::try_wait(place where) noexcept {
  model::step(op::try_wait, this, where);
  life_.expect(op::try_wait, this, where);
  const bool taken = token_;
  token_ = false;
  if (model::tracing) model::trace(op::try_wait, this, "", taken ? 1 : 0, where);
  return taken;
}

void park::wake(place where) noexcept {
  model::step(op::wake, this, where);
  life_.expect(op::wake, this, where);
  token_ = true;
  if (waiter_ != 0) execution::current.make_ready(1U << (waiter_ - 1));
  if (model::tracing) model::trace(op::wake, this, "left a token", 0, where);
}

// ---------------------------------------------------------------- clock

time_point monotonic_now() noexcept {
  const auto here = std::source_location::current();
  model::step(op::clock, nullptr, here);
  if (model::tracing) model::trace(op::clock, nullptr, "", 0, here);
  return execution::current.now();
}

time_point coarse_now() noexcept {
  return execution::current.now();
}

std::chrono::system_clock::time_point wall_now() noexcept {
  return std::chrono::system_clock::time_point{} +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(
             execution::current.now().time_since_epoch());
}

// ---------------------------------------------------------------- thread

thread::thread(thread&& other) noexcept
    : number_(other.number_), started_(std::exchange(other.started_, false)) {}

thread& thread::operator=(thread&& other) noexcept {
  WEIR_ASSERT(!started_, "a thread was overwritten while it runs: join it first");
  number_ = other.number_;
  started_ = std::exchange(other.started_, false);
  return *this;
}

thread::~thread() {
  WEIR_ASSERT(!started_, "a thread was destroyed while it runs: join it first");
}

int thread::start(std::string_view, entry run, void* argument) noexcept {
  WEIR_ASSERT(!started_, "a thread was started twice");
  const int made = execution::current.spawn(run, argument);
  WEIR_ASSERT(made >= 0, "the model has more threads than the explorer can schedule");
  number_ = static_cast<unsigned>(made);
  started_ = true;
  const auto here = std::source_location::current();
  if (model::tracing) model::trace(op::start, nullptr, "", 0, here);
  model::step(op::start, nullptr, here);
  return 0;
}

void thread::join() noexcept {
  WEIR_ASSERT(started_, "joined a thread that does not run");
  execution::current.join(1U << number_, std::source_location::current());
  started_ = false;
}

std::uintptr_t this_thread_id() noexcept {
  return execution::current.thread() + 1;
}

void yield_thread() noexcept {
  execution::current.relax();
}

unsigned available_processors() noexcept {
  return execution::current.within().processors;
}

}  // namespace weir::core
