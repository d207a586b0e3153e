// The shipped reactor on a model of epoll: an eventfd whose edge ends a poll, and a poll that times
// out when the model says so. Descriptors are never ready: what waits for them has no model here.

#include "runtime/reactor.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "explorer/execution.hpp"

namespace {

using weir::model::execution;
using weir::model::op;

constexpr int event_fd = 1'000'001;  // no such descriptor: closing it changes nothing
constexpr int epoll_fd = 1'000'002;

struct model_event {
  std::uint64_t serial = 0;
  bool edge = false;
  unsigned waiting = 0;
};
model_event the_event;

/// One epoll and one eventfd, fresh in every execution.
model_event& event() {
  if (the_event.serial != execution::current.serial()) {
    the_event = {execution::current.serial(), false, 0};
  }
  return the_event;
}

int model_epoll_create(int) {
  return epoll_fd;
}

int model_eventfd(unsigned, int) {
  return event_fd;
}

int model_epoll_ctl(int, int, int, epoll_event*) {
  return 0;
}

ssize_t model_write(int, const void*, std::size_t size) {
  weir::model::step(op::futex_wake, &the_event, std::source_location::current());
  event().edge = true;
  execution::current.make_ready(event().waiting);
  if (weir::model::tracing) {
    weir::model::trace(op::futex_wake, &the_event, "kicks the poller", 0,
                       std::source_location::current());
  }
  return static_cast<ssize_t>(size);
}

int model_poll(epoll_event* events, weir::core::time_point deadline) {
  const auto here = std::source_location::current();
  weir::model::step(op::futex_wait, &the_event, here);
  if (!event().edge && deadline > execution::current.now()) {
    const unsigned self = 1U << execution::current.thread();
    event().waiting |= self;
    execution::current.block(op::futex_wait, &the_event, deadline, false);
    event().waiting &= ~self;
  }
  const bool kicked = std::exchange(event().edge, false);
  if (weir::model::tracing) {
    weir::model::trace(op::futex_wait, &the_event, kicked ? "poll: kicked" : "poll: nothing", 0,
                       here);
  }
  if (!kicked) return 0;
  events[0] = {.events = EPOLLIN, .data = {.ptr = nullptr}};
  return 1;
}

int model_epoll_wait(int, epoll_event* events, int, int milliseconds) {
  if (milliseconds < 0) return model_poll(events, weir::core::time_point::max());
  return model_poll(events, execution::current.now() + std::chrono::milliseconds(milliseconds));
}

int model_epoll_pwait2(int, epoll_event* events, int, const timespec* longest, const void*) {
  return model_poll(events, execution::current.now() + std::chrono::seconds(longest->tv_sec) +
                                std::chrono::nanoseconds(longest->tv_nsec));
}

}  // namespace

#define epoll_create1 model_epoll_create
#define eventfd model_eventfd
#define epoll_ctl model_epoll_ctl
#define epoll_wait model_epoll_wait
#define epoll_pwait2 model_epoll_pwait2
#define write model_write
#include "../../../src/runtime/reactor.cpp"
