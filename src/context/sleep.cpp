#include <weir/context/sleep.hpp>

namespace weir {

void sleep_operation::bind(core::timer_service* timers, clock& time) noexcept {
  timers_ = timers;
  if (absolute_) {
    due_ = when_ <= time.now();
  } else if (length_ <= duration::zero()) {
    due_ = true;
  } else {
    when_ = saturating_add(time.now(), length_);
  }
}

void sleep_operation::enqueue(core::waiter& who, std::uint32_t index,
                              core::wake_list& wakes) noexcept {
  set(who, index);
  if (timers_ != nullptr) timers_->arm(*this, when_, wakes);
}

void sleep_operation::withdraw(core::wake_list&) noexcept {
  if (timers_ != nullptr) timers_->disarm(*this);
}

void sleep_operation::expired(core::timer_node& node, core::wake_list& wakes) noexcept {
  static_cast<sleep_operation&>(node).grant(wakes);
}

void level_operation::enqueue(core::waiter& who, std::uint32_t index,
                              core::wake_list&) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  set(who, index);
  if (awaited_ != nullptr) awaited_->add_waiter(*this, level_);
}

void level_operation::withdraw(core::wake_list&) noexcept {
  if (linked()) core::intrusive_list<core::wait_node>::unlink(*this);
}

}  // namespace weir
