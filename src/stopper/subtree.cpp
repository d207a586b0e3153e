#include <algorithm>
#include <utility>

#include "stopper/stopper_core.hpp"

namespace weir::core {

std::string stopper_core::joined_name(const stopper_core* parent, const char* name) {
  return parent != nullptr ? parent->name_ + "." + name : std::string{name};
}

void stopper_core::adopt(stopper_core& child) {
  std::optional<stop_request> late;
  {
    lock_guard guard{mutex_};
    children_.push_back(&child);
    if (phase_ != phase::running) late = rest_of_request(time().now());
  }
  if (late) child.begin(*late);
}

/// What a child that comes during the stop is given: not longer than this one has.
stop_request stopper_core::rest_of_request(time_point now) const noexcept {
  stop_request rest = request_;
  if (!stopping_) return rest;
  const auto left = [](time_point from, time_point until) {
    return until > from ? until - from : duration::zero();
  };
  rest.budgets = budgets_;
  rest.budgets->drain = phase_ == phase::draining ? left(now, drain_until_) : duration::zero();
  rest.budgets->cancel = left(saturating_add(now, rest.budgets->drain), cancel_until_);
  rest.budgets->close = left(std::max(now, cancel_until_), close_until_);
  return rest;
}

void stopper_core::child_changed() noexcept {
  news out;
  lock_guard guard{mutex_};
  changed(out);
}

/// The child's last touch of its parent but for the memory.
void stopper_core::child_stopped(const stopper_core& child) {
  shutdown_report told = child.report_;
  news out;
  lock_guard guard{mutex_};
  std::erase(children_, &child);
  if (!finishing_up_) child_reports_.push_back(std::move(told));
  changed(out);
}

std::vector<gate_reference> stopper_core::children() const {
  std::vector<gate_reference> below;
  for (;;) {
    std::size_t count = 0;
    {
      lock_guard guard{mutex_};
      count = children_.size();
      if (count <= below.capacity()) {
        for (stopper_core* child : children_) below.emplace_back(*child);
        return below;
      }
    }
    below.reserve(count);  // not under the lock
  }
}

}  // namespace weir::core
