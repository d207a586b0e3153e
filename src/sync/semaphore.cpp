#include <algorithm>

#include <weir/core/assert.hpp>
#include <weir/sync/semaphore.hpp>

namespace weir {

semaphore::semaphore(std::int64_t total) noexcept : total_(total) {
  WEIR_ASSERT(total >= 0, "a semaphore was made with a negative total");
}

semaphore::~semaphore() {
  core::lock_guard guard{mutex_};
  WEIR_ASSERT(queue_.empty(), "a semaphore was destroyed while somebody waits for its units");
  WEIR_ASSERT(out_ == 0, "a semaphore was destroyed before all of its units had come home");
}

std::optional<units> semaphore::try_acquire(std::int64_t count) noexcept {
  core::lock_guard guard{mutex_};
  if (closed_ || count < 0 || !queue_.empty() || !fits(count)) return std::nullopt;
  out_ += count;
  return units{*this, count};
}

void semaphore::release(std::int64_t count) noexcept {
  core::wake_list wakes;
  core::lock_guard guard{mutex_};
  out_ -= count;
  grant_first(wakes);
}

void semaphore::resize(std::int64_t total) noexcept {
  WEIR_ASSERT(total >= 0, "a semaphore was resized to a negative total");
  core::wake_list wakes;
  core::lock_guard guard{mutex_};
  const bool shrinks = total < total_;
  total_ = total;
  for (acquire_operation* one = shrinks ? queue_.front() : nullptr; one != nullptr;) {
    acquire_operation* next = queue_.next(*one);
    if (one->count_ > total) {
      unqueue(*one);
      if (one->grant(wakes)) one->refuse(total);
    }
    one = next;
  }
  grant_first(wakes);
}

void semaphore::close() noexcept {
  core::wake_list wakes;
  core::lock_guard guard{mutex_};
  closed_ = true;
  while (acquire_operation* one = queue_.front()) {
    unqueue(*one);
    if (one->grant(wakes)) one->outcome_ = acquire_operation::outcome::closed;
  }
}

void semaphore::grant_first(core::wake_list& wakes) noexcept {
  while (acquire_operation* first = queue_.front()) {
    if (!fits(first->count_)) return;
    unqueue(*first);
    if (!first->grant(wakes)) continue;  // it went elsewhere: its units are for the next one
    out_ += first->count_;
    first->outcome_ = acquire_operation::outcome::granted;
  }
}

void semaphore::unqueue(acquire_operation& one) noexcept {
  core::intrusive_list<acquire_operation>::unlink(one);
  --waiting_;
}

std::int64_t semaphore::available() const noexcept {
  core::lock_guard guard{mutex_};
  return std::max<std::int64_t>(total_ - out_, 0);
}

std::int64_t semaphore::total() const noexcept {
  core::lock_guard guard{mutex_};
  return total_;
}

std::int64_t semaphore::waiting() const noexcept {
  core::lock_guard guard{mutex_};
  return waiting_;
}

bool acquire_operation::try_locked(core::wake_list&) noexcept {
  if (home_.closed_) {
    outcome_ = outcome::closed;
    return true;
  }
  if (count_ < 0 || count_ > home_.total_) {
    refuse(home_.total_);
    return true;
  }
  if (!home_.queue_.empty() || !home_.fits(count_)) return false;
  home_.out_ += count_;
  outcome_ = outcome::granted;
  return true;
}

void acquire_operation::enqueue(core::waiter& who, std::uint32_t index, core::wake_list&) noexcept {
  set(who, index);
  home_.queue_.push_back(*this);
  ++home_.waiting_;
}

void acquire_operation::withdraw(core::wake_list& wakes) noexcept {
  if (!linked()) return;
  home_.unqueue(*this);
  home_.grant_first(wakes);  // the one behind may want less
}

result<units> acquire_operation::take() {
  switch (outcome_) {
    case outcome::granted:
      return units{home_, count_};
    case outcome::closed:
      return fail(errc::closed, "the semaphore is closed");
    case outcome::out_of_range:
      break;
  }
  return std::unexpected(error{errc::invalid_argument,
                               "a semaphore cannot grant this many units, however long one waits"}
                             .with("wanted", count_)
                             .with("total", total_));
}

}  // namespace weir
