// The shipped reactor on a model of epoll: eventfds whose edge ends a poll, descriptors that are
// ready when a model says so and are told of once per epoll_ctl, one epoll in another, and a poll
// that times out.

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

constexpr int event_fds = 1'000'000;  // no such descriptors: closing them changes nothing
constexpr int epoll_fds = 2'000'000;
constexpr std::size_t most_sets = 4;  // of all reactors of an execution

/// What one epoll knows of a descriptor.
struct registration {
  std::uint32_t armed = 0;
  bool known = false;
  void* data = nullptr;
};

struct descriptor {
  std::uint32_t ready = 0;
  bool closed = false;
  std::array<registration, most_sets> in{};
};

/// An epoll, its eventfd, and the epolls in it.
struct model_set {
  bool edge = false;
  unsigned waiting = 0;
  std::array<registration, most_sets> nested{};
};

/// Fresh in every execution.
struct model_epoll {
  std::uint64_t serial = 0;
  std::size_t sets_made = 0;
  std::size_t events_made = 0;
  std::array<model_set, most_sets> sets{};
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

std::size_t set_of(int fd) {
  return static_cast<std::size_t>(fd - epoll_fds);
}

bool anything_ready(std::size_t set) {
  const model_set& one = epoll().sets[set];
  bool any = one.edge;
  for (const descriptor& d : epoll().descriptors) any |= (d.ready & d.in[set].armed) != 0;
  for (std::size_t i = 0; i < most_sets; ++i) any |= one.nested[i].known && anything_ready(i);
  return any;
}

void point(op what, const char* said) {
  const auto here = std::source_location::current();
  weir::model::step(what, &the_epoll, here);
  if (weir::model::tracing) weir::model::trace(what, &the_epoll, said, 0, here);
}

/// Who polls looks again.
void changed() {
  for (std::size_t i = 0; i < most_sets; ++i) {
    if (anything_ready(i)) execution::current.make_ready(epoll().sets[i].waiting);
  }
}

int model_epoll_create(int) {
  if (epoll().sets_made == most_sets) weir::model::fail("the model has not so many epolls");
  return epoll_fds + static_cast<int>(epoll().sets_made++);
}

int model_eventfd(unsigned, int) {
  return event_fds + static_cast<int>(epoll().events_made++);
}

bool in_a_circle(std::size_t outer, std::size_t inner) {
  return epoll().sets[inner].nested[outer].known;
}

int model_epoll_ctl(int where, int what, int fd, epoll_event* event) {
  if (fd >= event_fds && fd < epoll_fds) return 0;  // the n-th one is in the n-th epoll
  point(op::store, "epoll_ctl");
  const std::size_t set = set_of(where);
  const bool nests = fd >= epoll_fds;
  if (!nests && of(fd).closed) {
    weir::model::fail("epoll_ctl came after its descriptor was closed");
  }
  registration& one = nests ? epoll().sets[set].nested[set_of(fd)] : of(fd).in[set];
  if (what == EPOLL_CTL_DEL) {
    one = {};
    return 0;
  }
  if (nests && in_a_circle(set, set_of(fd))) {
    errno = ELOOP;
    return -1;
  }
  if (one.known != (what == EPOLL_CTL_MOD)) {
    errno = one.known ? EEXIST : ENOENT;
    return -1;
  }
  one = {.armed = event->events, .known = true, .data = event->data.ptr};
  changed();
  return 0;
}

ssize_t model_write(int fd, const void*, std::size_t size) {
  point(op::futex_wake, "kicks a poller");
  epoll().sets[static_cast<std::size_t>(fd - event_fds)].edge = true;
  changed();
  return static_cast<ssize_t>(size);
}

int model_poll(std::size_t set, epoll_event* events, int size, weir::core::time_point deadline) {
  const auto here = std::source_location::current();
  weir::model::step(op::futex_wait, &the_epoll, here);
  model_set& mine = epoll().sets[set];
  // Of several who sleep here one gets the event; the others sleep on.
  while (!anything_ready(set) && deadline > execution::current.now()) {
    const unsigned self = 1U << execution::current.thread();
    mine.waiting |= self;
    execution::current.block(op::futex_wait, &the_epoll, deadline, false);
    mine.waiting &= ~self;
  }
  int found = 0;
  const bool kicked = std::exchange(mine.edge, false);
  if (kicked) events[found++] = {.events = EPOLLIN, .data = {.ptr = nullptr}};
  for (std::size_t i = 0; i < most_sets; ++i) {
    if (!mine.nested[i].known || !anything_ready(i) || found == size) continue;
    events[found++] = {.events = EPOLLIN, .data = {.ptr = mine.nested[i].data}};
  }
  for (descriptor& one : epoll().descriptors) {
    registration& here_in = one.in[set];
    if ((one.ready & here_in.armed) == 0 || found == size) continue;
    events[found++] = {.events = one.ready & here_in.armed, .data = {.ptr = here_in.data}};
    here_in.armed = 0;  // one shot
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

int model_epoll_wait(int where, epoll_event* events, int size, int milliseconds) {
  const auto end = milliseconds < 0
                       ? weir::core::time_point::max()
                       : execution::current.now() + std::chrono::milliseconds(milliseconds);
  return model_poll(set_of(where), events, size, end);
}

int model_epoll_pwait2(int where, epoll_event* events, int size, const timespec* longest,
                       const void*) {
  return model_poll(set_of(where), events, size,
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
