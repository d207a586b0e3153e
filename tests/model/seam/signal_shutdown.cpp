// The shipped signal_shutdown on a model of its eventfd, of ppoll and of signal handlers.

#include <array>
#include <csignal>
#include <cstring>

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <weir/core/assert.hpp>
#include <weir/core/sync/thread.hpp>
#include <weir/stopper/signal_shutdown.hpp>

#include "explorer/execution.hpp"
#include "seam/descriptors.hpp"
#include "stopper/stopper_core.hpp"

namespace {

using weir::model::execution;
using weir::model::op;

/// Fresh in every execution.
struct model_signals {
  std::uint64_t serial = 0;
  std::uint64_t counter = 0;
  unsigned waiting = 0;
  std::array<struct sigaction, 32> handlers{};
};
model_signals the_signals;

model_signals& signals() {
  if (the_signals.serial != execution::current.serial()) {
    the_signals = {};
    the_signals.serial = execution::current.serial();
  }
  return the_signals;
}

void point(op what, const char* said) {
  const auto here = std::source_location::current();
  weir::model::step(what, &the_signals, here);
  if (weir::model::tracing) weir::model::trace(what, &the_signals, said, 0, here);
}

int model_eventfd(unsigned, int) {
  return 1'000'003;
}

ssize_t model_write(int, const void* amount, std::size_t size) {
  point(op::futex_wake, "adds to the eventfd");
  std::uint64_t more = 0;
  std::memcpy(&more, amount, sizeof more);
  signals().counter += more;
  execution::current.make_ready(signals().waiting);
  return static_cast<ssize_t>(size);
}

ssize_t model_read(int, void* into, std::size_t size) {
  point(op::load, "reads the eventfd");
  if (signals().counter == 0) return -1;
  std::memcpy(into, &signals().counter, sizeof signals().counter);
  signals().counter = 0;
  return static_cast<ssize_t>(size);
}

int model_ppoll(pollfd*, unsigned, const timespec* longest, const sigset_t*) {
  point(op::futex_wait, "polls");
  auto deadline = weir::model::time_point::max();
  if (longest != nullptr) {
    deadline = execution::current.now() + std::chrono::seconds(longest->tv_sec) +
               std::chrono::nanoseconds(longest->tv_nsec);
  }
  if (signals().counter == 0 && deadline > execution::current.now()) {
    const unsigned self = 1U << execution::current.thread();
    signals().waiting |= self;
    execution::current.block(op::futex_wait, &the_signals, deadline, false);
    signals().waiting &= ~self;
  }
  return signals().counter != 0 ? 1 : 0;
}

struct model_sigaction : sigaction {};

int model_sigaction(int number, const struct model_sigaction* next,
                    struct model_sigaction* before) {
  point(op::exchange, "sets a handler");
  struct sigaction& now = signals().handlers[static_cast<std::size_t>(number)];
  if (before != nullptr) static_cast<struct sigaction&>(*before) = now;
  if (next != nullptr) now = *next;
  return 0;
}

}  // namespace

namespace weir::model {

void raise_signal(int number) noexcept {
  point(op::load, "a signal arrives");
  const auto handler = signals().handlers[static_cast<std::size_t>(number)].sa_handler;
  if (handler != SIG_DFL) handler(number);
}

}  // namespace weir::model

#define eventfd model_eventfd
#define write model_write
#define read model_read
#define ppoll model_ppoll
#define sigaction model_sigaction
#include "../../../src/stopper/signal_shutdown.cpp"
