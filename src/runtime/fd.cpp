#include <weir/runtime/fd.hpp>
#include <weir/runtime/runtime.hpp>

#include "runtime/reactor.hpp"

namespace weir {

core::mutex& fd_operation::guard() noexcept {
  return state_.guard();
}

void fd_operation::enqueue(core::waiter& who, std::uint32_t index,
                           core::wake_list& wakes) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
  set(who, index);
  state_.add(*this, wakes);
}

void fd_operation::withdraw(core::wake_list&) noexcept {
  // epoll stays armed: its one event then finds nobody.
  if (linked()) core::intrusive_list<core::wait_node>::unlink(*this);
}

result<void> fd_operation::take() const noexcept {
  switch (outcome_) {
    case core::fd_outcome::ready:
      return {};
    case core::fd_outcome::closed:
      return fail(errc::closed, "the descriptor was closed while somebody waited for it");
    case core::fd_outcome::failed:
      break;
  }
  return std::unexpected(
      error{errc::io, "the system cannot watch this descriptor"}.with("errno", errno_));
}

fd_operation readable(runtime& rt, const context& ctx, int fd) {
  return {rt.reactor().state_of(fd), ctx.state(), core::fd_direction::readable};
}

fd_operation writable(runtime& rt, const context& ctx, int fd) {
  return {rt.reactor().state_of(fd), ctx.state(), core::fd_direction::writable};
}

void forget_fd(runtime& rt, int fd) noexcept {
  rt.reactor().forget(fd);
}

}  // namespace weir
