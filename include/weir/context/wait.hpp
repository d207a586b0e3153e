#pragma once

#include <weir/context/cases.hpp>
#include <weir/context/operation.hpp>

namespace weir {

/// Waits for one operation on a plain thread: blocks until it commits, or until its context ends.
///
/// Requires: the thread runs no tasks: calling it inside a worker is misuse, asserted in every
/// build with the task's name. Blocks: on a futex, with the earliest deadline of context and
/// operation; no timer thread. Errors: the operation's own; cancelled or deadline_exceeded from its
/// context. Cost: a ready operation takes its lock once.
template <operation O>
[[nodiscard]] result<typename O::value_type> wait(O& op) {
  const core::wait_case one[] = {core::make_case(op)};
  const core::case_outcome outcome = core::wait_for_cases(one);
  if (outcome.ended) return std::unexpected(core::failure_of(op));
  return op.take();
}
template <operation O>
[[nodiscard]] result<typename O::value_type> wait(O&& op) {
  return wait(op);
}

}  // namespace weir
