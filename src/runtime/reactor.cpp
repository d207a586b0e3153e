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
      fd_(fd),
      home_(owner.next_home()),
      wanted_home_(home_) {}

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
    std::uint32_t home = 0;
    {
      lock_guard guard{mutex_};
      if (!marked_) {
        updating_ = false;
        return;
      }
      marked_ = false;
      if (!readers_.empty()) wanted |= EPOLLIN | EPOLLRDHUP;
      if (!writers_.empty()) wanted |= EPOLLOUT;
      home = wanted_home_;
    }
    if (wanted == 0) continue;
    if (known_ && home != home_) {
      reactor_.disarm(home_, fd_);
      known_ = false;
    }
    home_ = home;
    const int failure = reactor_.arm(home_, fd_, *this, wanted, known_);
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

void fd_state::on_events(std::uint32_t events, std::uint32_t set, wake_list& wakes) noexcept {
  const bool broken = (events & (EPOLLERR | EPOLLHUP)) != 0;
  lock_guard guard{mutex_};
  wanted_home_ = set;
  if (broken || (events & (EPOLLIN | EPOLLRDHUP)) != 0) {
    grant_all(readers_, fd_outcome::ready, 0, wakes);
  }
  if (broken || (events & EPOLLOUT) != 0) grant_all(writers_, fd_outcome::ready, 0, wakes);
  // One shot: whoever still waits for the other direction needs it armed again.
  if (!readers_.empty() || !writers_.empty()) mark(wakes);
}

void fd_state::close(bool unwatch) noexcept {
  for (int round = 0;; ++round) {
    {
      lock_guard guard{mutex_};
      if (!updating_) {
        updating_ = true;
        break;
      }
    }
    wait_a_little(round);  // somebody is inside one epoll_ctl: it must not run after close()
  }
  if (unwatch && known_) reactor_.disarm(home_, fd_);
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

reactor::reactor(std::uint32_t sets) : count_(sets) {
  for (std::uint32_t i = 0; i < count_; ++i) {
    set& one = sets_[i];
    one.epoll = epoll_create1(EPOLL_CLOEXEC);
    one.event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    WEIR_ASSERT(one.epoll >= 0 && one.event >= 0,
                "the runtime got no descriptors from the system: raise the limit on open files");
    // Edge-triggered: each kick is one event, and nobody has to read the counter back.
    epoll_event wanted{.events = EPOLLIN | EPOLLET, .data = {.ptr = nullptr}};
    epoll_ctl(one.epoll, EPOLL_CTL_ADD, one.event, &wanted);
  }
}

reactor::~reactor() {
  for (std::uint32_t i = 0; i < count_; ++i) {
    ::close(sets_[i].event);
    ::close(sets_[i].epoll);
  }
}

void reactor::kick(std::uint32_t set) noexcept {
  const std::uint64_t one = 1;
  // Fails only when the counter is full, and then the event is there.
  [[maybe_unused]] const auto written = ::write(sets_[set].event, &one, sizeof one);
}

void reactor::lend(std::uint32_t set) noexcept {
  if (count_ == 1) return;
  lock_guard guard{lending_};
  if (lent(set)) return;
  epoll_event wanted{.events = EPOLLIN, .data = {.ptr = this}};
  // Not while the other one is lent: then there is nobody to lend to, and Linux wants no circles.
  const int failed = epoll_ctl(sets_[1 - set].epoll, EPOLL_CTL_ADD, sets_[set].epoll, &wanted);
  sets_[set].lent.store(failed == 0);
}

void reactor::take_back(std::uint32_t set) noexcept {
  if (!lent(set)) return;
  lock_guard guard{lending_};
  if (!lent(set)) return;
  epoll_event unused{};
  epoll_ctl(sets_[1 - set].epoll, EPOLL_CTL_DEL, sets_[set].epoll, &unused);
  sets_[set].lent.store(false);
}

void reactor::count(std::uint32_t set, std::size_t events) noexcept {
  constexpr std::uint32_t remembered = 512;
  const auto relaxed = std::memory_order_relaxed;
  std::uint32_t sum = sets_[set].events.load(relaxed) + static_cast<std::uint32_t>(events);
  if (sum >= remembered) {
    for (std::uint32_t i = 0; i < count_; ++i) {
      sets_[i].events.store(sets_[i].events.load(relaxed) / 2, relaxed);
    }
    sum /= 2;
  }
  sets_[set].events.store(sum, relaxed);
}

/// Whether a descriptor is to move from `set` to the other one. Then counting begins anew: the next
/// one has to show that it is still so.
bool reactor::outweighs(std::uint32_t set, std::uint32_t other) noexcept {
  constexpr std::uint32_t telling = 64;
  const auto relaxed = std::memory_order_relaxed;
  const std::uint32_t mine = sets_[set].events.load(relaxed);
  if (mine < telling || mine < 2 * sets_[other].events.load(relaxed)) return false;
  for (std::uint32_t i = 0; i < count_; ++i) sets_[i].events.store(0, relaxed);
  return true;
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

reactor::polled reactor::collect(std::uint32_t set, std::uint32_t looker, duration longest,
                                 wake_list& wakes) noexcept {
  std::array<epoll_event, 128> events;
  const auto relaxed = std::memory_order_relaxed;
  const bool sleeps = longest > duration::zero();
  if (sleeps) sets_[set].sleeps.store(true, relaxed);
  const int ready =
      wait_for_events(sets_[set].epoll, events.data(), static_cast<int>(events.size()), longest);
  if (sleeps) sets_[set].sleeps.store(false, relaxed);
  const std::uint32_t other = count_ - 1 - set;
  polled seen;
  for (int i = 0; i < ready; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    if (event.data.ptr == nullptr) {
      seen.kicked = true;
    } else if (event.data.ptr == this) {
      seen.lent = true;
    } else {
      // This one waits for a worker, which is busy or has another one to attend to first.
      const bool waits = looker != set ||
                         (seen.descriptors != 0 && count_ > 1 && sets_[other].sleeps.load(relaxed));
      const bool moves = waits && outweighs(set, other);
      static_cast<fd_state*>(event.data.ptr)->on_events(event.events, moves ? other : set, wakes);
      ++seen.descriptors;
    }
  }
  if (seen.descriptors != 0) count(set, seen.descriptors);
  return seen;
}

reactor::polled reactor::poll(std::uint32_t set, duration longest, wake_list& wakes) noexcept {
  return collect(set, set, longest, wakes);
}

reactor::polled reactor::look(std::uint32_t set, wake_list& wakes) noexcept {
  return collect(set, count_ - 1 - set, duration::zero(), wakes);
}

int reactor::arm(std::uint32_t set, int fd, fd_state& state, std::uint32_t events,
                 bool known) noexcept {
  if (!in_use()) in_use_.store(true);
  epoll_event wanted{.events = events | EPOLLONESHOT, .data = {.ptr = &state}};
  const int first = known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  const int epoll = sets_[set].epoll;
  if (epoll_ctl(epoll, first, fd, &wanted) == 0) return 0;
  // The number may have been closed and opened again without a word, either way.
  const bool swapped = errno == (known ? ENOENT : EEXIST);
  if (!swapped) return errno;
  return epoll_ctl(epoll, known ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &wanted) == 0 ? 0 : errno;
}

void reactor::disarm(std::uint32_t set, int fd) noexcept {
  epoll_event unused{};
  epoll_ctl(sets_[set].epoll, EPOLL_CTL_DEL, fd, &unused);
}

void reactor::forget(int fd) noexcept {
  if (fd_state* state = states_.find(fd)) state->close(true);
}

}  // namespace weir::core
