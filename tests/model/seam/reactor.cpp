// The shipped reactor on a model of epoll: an eventfd whose edge ends a poll, descriptors that are
// ready when a model says so and are told of once per epoll_ctl, and a poll that times out.

#include "runtime/reactor.hpp"

#include <array>
#include <cerrno>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "explorer/execution.hpp"
#include "seam/descriptors.hpp"

namespace {

using weir::model::execution;
using weir::model::op;

constexpr int event_fd = 1'000'001;  // no such descriptor: closing it changes nothing
constexpr int epoll_fd = 1'000'002;

struct descriptor {
  std::uint32_t ready = 0;
  std::uint32_t armed = 0;
  bool known = false;
  bool closed = false;
  void* data = nullptr;
};

/// One epoll and one eventfd, fresh in every execution.
struct model_epoll {
  std::uint64_t serial = 0;
  bool edge = false;
  unsigned waiting = 0;
  std::array<descriptor, 8> descriptors{};
};
model_epoll the_epoll;

model_epoll& epoll() {
  if (the_epoll.serial != execution::current.serial()) {
    the_epoll = {};
    the_epoll.serial = execution::current.serial();
  }
  return the_epoll;
}

descriptor& of(int fd) {
  if (fd < 0 || fd >= static_cast<int>(epoll().descriptors.size())) {
    weir::model::fail("the model of epoll has no such descriptor");
  }
  return epoll().descriptors[static_cast<std::size_t>(fd)];
}

bool anything_ready() {
  bool any = epoll().edge;
  for (const descriptor& one : epoll().descriptors) any |= (one.ready & one.armed) != 0;
  return any;
}

void point(op what, const char* said) {
  const auto here = std::source_location::current();
  weir::model::step(what, &the_epoll, here);
  if (weir::model::tracing) weir::model::trace(what, &the_epoll, said, 0, here);
}

/// Who polls looks again.
void changed() {
  if (anything_ready()) execution::current.make_ready(epoll().waiting);
}

int model_epoll_create(int) {
  return epoll_fd;
}

int model_eventfd(unsigned, int) {
  return event_fd;
}

int model_epoll_ctl(int, int what, int fd, epoll_event* event) {
  if (fd == event_fd) return 0;
  point(op::store, "epoll_ctl");
  descriptor& one = of(fd);
  if (one.closed) weir::model::fail("epoll_ctl came after its descriptor was closed");
  if (what == EPOLL_CTL_DEL) {
    one.known = false;
    one.armed = 0;
    return 0;
  }
  if (one.known != (what == EPOLL_CTL_MOD)) {
    errno = one.known ? EEXIST : ENOENT;
    return -1;
  }
  one.known = true;
  one.armed = event->events;
  one.data = event->data.ptr;
  changed();
  return 0;
}

ssize_t model_write(int, const void*, std::size_t size) {
  point(op::futex_wake, "kicks the poller");
  epoll().edge = true;
  changed();
  return static_cast<ssize_t>(size);
}

int model_poll(epoll_event* events, int size, weir::core::time_point deadline) {
  const auto here = std::source_location::current();
  weir::model::step(op::futex_wait, &the_epoll, here);
  // Of several who sleep here one gets the event; the others sleep on.
  while (!anything_ready() && deadline > execution::current.now()) {
    const unsigned self = 1U << execution::current.thread();
    epoll().waiting |= self;
    execution::current.block(op::futex_wait, &the_epoll, deadline, false);
    epoll().waiting &= ~self;
  }
  int found = 0;
  const bool kicked = std::exchange(epoll().edge, false);
  if (kicked) events[found++] = {.events = EPOLLIN, .data = {.ptr = nullptr}};
  for (descriptor& one : epoll().descriptors) {
    if ((one.ready & one.armed) == 0 || found == size) continue;
    events[found++] = {.events = one.ready & one.armed, .data = {.ptr = one.data}};
    one.armed = 0;  // one shot
  }
  if (weir::model::tracing) {
    weir::model::trace(op::futex_wait, &the_epoll,
                       kicked       ? "poll: kicked"
                       : found != 0 ? "poll: events"
                                    : "poll: nothing",
                       0, here);
  }
  return found;
}

int model_epoll_wait(int, epoll_event* events, int size, int milliseconds) {
  if (milliseconds < 0) return model_poll(events, size, weir::core::time_point::max());
  return model_poll(events, size,
                    execution::current.now() + std::chrono::milliseconds(milliseconds));
}

int model_epoll_pwait2(int, epoll_event* events, int size, const timespec* longest, const void*) {
  return model_poll(events, size,
                    execution::current.now() + std::chrono::seconds(longest->tv_sec) +
                        std::chrono::nanoseconds(longest->tv_nsec));
}

}  // namespace

namespace weir::model {

void set_ready(int fd, std::uint32_t events) noexcept {
  point(op::store, "a descriptor is ready");
  of(fd).ready = events;
  changed();
}

void close_descriptor(int fd) noexcept {
  point(op::store, "a descriptor is closed");
  of(fd).closed = true;
}

}  // namespace weir::model

#define epoll_create1 model_epoll_create
#define eventfd model_eventfd
#define epoll_ctl model_epoll_ctl
#define epoll_wait model_epoll_wait
#define epoll_pwait2 model_epoll_pwait2
#define write model_write
#include "../../../src/runtime/reactor.cpp"
