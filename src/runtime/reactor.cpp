#include "runtime/reactor.hpp"

#include <memory>

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <weir/core/assert.hpp>
#include <weir/core/sync/thread.hpp>

namespace weir::core {

// Descriptors

fd_state::fd_state(reactor& owner, int fd) noexcept
    : wakeable([](wakeable& self) noexcept { static_cast<fd_state&>(self).update(); }),
      reactor_(owner),
      fd_(fd) {}

void fd_state::add(fd_operation& op, wake_list& wakes) noexcept {
  (op.direction_ == fd_direction::readable ? readers_ : writers_).push_back(op);
  mark(wakes);
}

void fd_state::mark(wake_list& wakes) noexcept {
  marked_ = true;
  if (updating_) return;
  updating_ = true;
  wakes.push(*this);
}

void fd_state::update() noexcept {
  for (;;) {
    std::uint32_t wanted = 0;
    {
      lock_guard guard{mutex_};
      if (!marked_) {
        updating_ = false;
        return;
      }
      marked_ = false;
      if (!readers_.empty()) wanted |= EPOLLIN | EPOLLRDHUP;
      if (!writers_.empty()) wanted |= EPOLLOUT;
    }
    if (wanted == 0) continue;
    const int failure = reactor_.arm(fd_, *this, wanted, known_);
    known_ = failure == 0;
    if (failure == 0) continue;
    // epoll takes no regular files: those never block.
    const fd_outcome outcome = failure == EPERM ? fd_outcome::ready : fd_outcome::failed;
    wake_list wakes;
    lock_guard guard{mutex_};
    grant_all(readers_, outcome, failure, wakes);
    grant_all(writers_, outcome, failure, wakes);
  }
}

void fd_state::grant_all(queue& waiting, fd_outcome outcome, int why, wake_list& wakes) noexcept {
  while (wait_node* node = waiting.pop_front()) {
    auto& op = static_cast<fd_operation&>(*node);
    op.outcome_ = outcome;  // before the claim: the operation may be gone after it
    op.errno_ = why;
    node->grant(wakes);
  }
}

void fd_state::on_events(std::uint32_t events, wake_list& wakes) noexcept {
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  lock_guard guard{mutex_};
  if (broken || (events & (EPOLLIN | EPOLLRDHUP)) != 0) {
    grant_all(readers_, fd_outcome::ready, 0, wakes);
  }
  if (broken || (events & EPOLLOUT) != 0) grant_all(writers_, fd_outcome::ready, 0, wakes);
  // One shot: whoever still waits for the other direction needs it armed again.
  if (!readers_.empty() || !writers_.empty()) mark(wakes);
}

void fd_state::close(bool unwatch) noexcept {
  for (;;) {
    {
      lock_guard guard{mutex_};
      if (!updating_) {
        updating_ = true;
        break;
      }
    }
    yield_thread();  // somebody is inside one epoll_ctl: it must not run after close()
  }
  if (unwatch && known_) reactor_.disarm(fd_);
  known_ = false;
  {
    wake_list wakes;
    lock_guard guard{mutex_};
    grant_all(readers_, fd_outcome::closed, 0, wakes);
    grant_all(writers_, fd_outcome::closed, 0, wakes);
  }
  update();
}

fd_table::~fd_table() {
  for (bucket& b : buckets_) {
    lock_guard guard{b.guard};
    while (fd_state* state = b.first) {
      b.first = state->next_in_bucket_;
      delete state;
    }
  }
}

fd_state* fd_table::bucket::find(int fd) noexcept {
  fd_state* state = first;
  while (state != nullptr && state->fd_ != fd) state = state->next_in_bucket_;
  return state;
}

fd_state* fd_table::find(int fd) noexcept {
  bucket& b = of(fd);
  lock_guard guard{b.guard};
  return b.find(fd);
}

fd_state& fd_table::get(reactor& owner, int fd) {
  if (fd_state* known = find(fd)) return *known;
  auto made = std::make_unique<fd_state>(owner, fd);
  bucket& b = of(fd);
  lock_guard guard{b.guard};
  if (fd_state* known = b.find(fd)) return *known;
  made->next_in_bucket_ = b.first;
  b.first = made.release();
  return *b.first;
}

void fd_table::close_all() noexcept {
  for (bucket& b : buckets_) {
    fd_state* state = nullptr;
    {
      lock_guard guard{b.guard};
      state = b.first;
    }
    // The rest of the chain never changes: new ones are put in front.
    for (; state != nullptr; state = state->next_in_bucket_) state->close(false);
  }
}

// epoll

reactor::reactor() {
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  WEIR_ASSERT(epoll_ >= 0 && event_ >= 0,
              "the runtime got no descriptors from the system: raise the limit on open files");
  // Edge-triggered: each kick is one event, and nobody has to read the counter back.
  epoll_event wanted{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
  epoll_ctl(epoll_, EPOLL_CTL_ADD, event_, &wanted);
}

reactor::~reactor() {
  ::close(event_);
  ::close(epoll_);
}

void reactor::kick() noexcept {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the event is there.
  [[maybe_unused]] const auto written = ::write(event_, &one, sizeof one);
}

namespace {

int wait_for_events(int epoll, epoll_event* events, int size, duration longest) noexcept {
  if (longest == duration::max()) return epoll_wait(epoll, events, size, -1);
  if (longest <= duration::zero()) return epoll_wait(epoll, events, size, 0);
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(longest);
  const timespec exact{.tv_sec = seconds.count(),
                       .tv_nsec = static_cast<long>((longest - seconds).count())};
  const int ready = epoll_pwait2(epoll, events, size, &exact, nullptr);
  if (ready >= 0 || errno != ENOSYS) return ready;
  // Before Linux 5.11 in whole milliseconds, rounded up: a timer is never early.
  const auto rounded = std::chrono::ceil<std::chrono::milliseconds>(longest).count();
  constexpr std::int64_t longest_ms = 3'600'000;
  return epoll_wait(epoll, events, size, static_cast<int>(std::min(rounded, longest_ms)));
}

}  // namespace

reactor::polled reactor::poll(duration longest, wake_list& wakes) noexcept {
  std::array<epoll_event, 128> events;
  const int ready =
      wait_for_events(epoll_, events.data(), static_cast<int>(events.size()), longest);
  polled seen;
  for (int i = 0; i < ready; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr) {
      seen.kicked = true;
      continue;
    }
    static_cast<fd_state*>(event.data.ptr)->on_events(event.events, wakes);
    ++seen.descriptors;
  }
  return seen;
}

int reactor::arm(int fd, fd_state& state, std::uint32_t events, bool known) noexcept {
  if (!in_use()) in_use_.store(true);
  epoll_event wanted{.events = events | EPOLLONESHOT, .data = {.ptr = &state}};
  const int first = known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (epoll_ctl(epoll_, first, fd, &wanted) == 0) return 0;
  // The number may have been closed and opened again without a word, either way.
  const bool swapped = errno == (known ? ENOENT : EEXIST);
  if (!swapped) return errno;
  return epoll_ctl(epoll_, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &wanted) == 0 ? 0 : errno;
}

void reactor::disarm(int fd) noexcept {
  epoll_event unused{};
  epoll_ctl(epoll_, EPOLL_CTL_DEL, fd, &unused);
}

void reactor::forget(int fd) noexcept {
  if (fd_state* state = states_.find(fd)) state->close(true);
}

}  // namespace weir::core
