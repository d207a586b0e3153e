#include "postgres/pump_queue.hpp"

#include <utility>

namespace weir::postgres {

pump_queue::answer pump_queue::submit(std::shared_ptr<pumped> one) {
  load_.fetch_add(1);  // before the pump can answer it
  return submit_reserved(std::move(one));
}

pump_queue::answer pump_queue::submit_reserved(std::shared_ptr<pumped> one) {
  core::lock_guard guard{mutex_};
  if (closed_) {
    load_.fetch_sub(1);
    return answer::closed;
  }
  const bool first = queue_.empty();
  queue_.push_back(*one);
  pumped& queued = *one;
  queued.self = std::move(one);
  if (!std::exchange(running_, true)) return answer::start_the_pump;
  return first ? answer::queued_first : answer::queued;
}

bool pump_queue::abandon(pumped& one) noexcept {
  std::shared_ptr<pumped> last;
  core::lock_guard guard{mutex_};
  if (!one.linked()) return true;
  core::intrusive_list<pumped>::unlink(one);
  last = std::move(one.self);
  load_.fetch_sub(1);
  return false;
}

std::shared_ptr<pumped> pump_queue::take() noexcept {
  core::lock_guard guard{mutex_};
  pumped* first = queue_.pop_front();
  return first != nullptr ? std::move(first->self) : nullptr;
}

pump_queue::end pump_queue::try_end() noexcept {
  core::lock_guard guard{mutex_};
  if (!queue_.empty()) return end::not_yet;
  running_ = false;
  return closed_ ? end::closed : end::quiet;
}

bool pump_queue::begin_close() noexcept {
  core::lock_guard guard{mutex_};
  if (std::exchange(closed_, true)) return false;
  return !running_;
}

}  // namespace weir::postgres
