#include <csignal>
#include <cstdlib>
#include <exception>

#include <sys/time.h>

#include "explorer/model.hpp"

namespace weir::model {
namespace {

constexpr int watch_seconds = 5;
std::uint64_t watched_serial = 0;
unsigned watched_steps = 0;

void on_crash(int signal) {
  if (!execution::current.active()) {
    std::signal(signal, SIG_DFL);
    std::raise(signal);
    return;
  }
  execution::current.crashed(signal == SIGABRT
                                 ? "the program aborted"
                                 : "a crash: a pointer led nowhere (0xdd… is freed memory)");
}

/// Model code that loops without a scheduling point would hang the explorer.
void on_watch(int) {
  execution& here = execution::current;
  const bool stuck =
      here.active() && here.serial() == watched_serial && here.steps() == watched_steps;
  watched_serial = here.serial();
  watched_steps = here.steps();
  if (stuck) here.crashed("livelock: a loop without a scheduling point");
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action{};
  action.sa_handler = handler;
  // The handler leaves by switching stacks and never returns, so the signal must not stay blocked.
  action.sa_flags = SA_ONSTACK | SA_NODEFER;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void install_crash_handlers() {
  static char stack[64 * 1024];
  stack_t alternative{};
  alternative.ss_sp = stack;
  alternative.ss_size = sizeof stack;
  sigaltstack(&alternative, nullptr);
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) handle(signal, on_crash);
  handle(SIGVTALRM, on_watch);
  const itimerval every{{watch_seconds, 0}, {watch_seconds, 0}};
  setitimer(ITIMER_VIRTUAL, &every, nullptr);
  std::set_terminate([] {
    if (execution::current.active()) execution::current.crashed("std::terminate was called");
    std::abort();
  });
}

}  // namespace weir::model
