#include <algorithm>
#include <vector>

#include "stopper/stopper_core.hpp"

namespace weir::core {
namespace {

/// What the lock is held for: no strings are made meanwhile.
struct closer_glance {
  const char* name;
  std::source_location site;
  shutdown_report::closer_state state;
  duration took;
  const closer_note* note;  // its failure does not change once it is done
};

struct figures {
  stop_request request;
  std::exception_ptr failure;
  time_point began;
  std::optional<time_point> cancelled;
  std::optional<time_point> closing;
  std::size_t at_begin = 0;
  std::size_t at_cancel = 0;
  bool hurried = false;
};

void tell_phases(shutdown_report& report, const figures& seen, time_point now) {
  const time_point drained = seen.cancelled.value_or(seen.closing.value_or(now));
  report.drain = drained - seen.began;
  if (seen.cancelled) report.cancel = seen.closing.value_or(now) - *seen.cancelled;
  if (seen.closing) report.close = now - *seen.closing;
  report.total = now - seen.began;
}

void tell_counts(shutdown_report& report, const figures& seen) {
  report.tasks = seen.at_begin;
  const std::size_t after_drain = seen.cancelled ? seen.at_cancel : report.remaining;
  report.drained = report.tasks - std::min(report.tasks, after_drain);
  report.cancelled = after_drain - std::min(after_drain, report.remaining);
}

void tell_stragglers(shutdown_report& report, const figures& seen,
                     const std::vector<live_task_info>& oldest, time_point now) {
  for (const live_task_info& one : oldest) {
    std::optional<duration> cancelled_for;
    if (seen.cancelled) cancelled_for = now - *seen.cancelled;
    if (one.cancelled_early) cancelled_for = now - seen.began;
    report.stragglers.push_back({one.name, one.site, now - one.since, cancelled_for,
                                 one.note != nullptr ? *one.note : std::string{}});
  }
}

void tell_closers(shutdown_report& report, const std::vector<closer_glance>& glances) {
  using state = shutdown_report::closer_state;
  for (const closer_glance& one : glances) {
    shutdown_report::closer closer{one.name, one.site, one.state, one.took, {}};
    if (one.state == state::failed) closer.failure = one.note->failure;
    report.closers.push_back(std::move(closer));
  }
}

}  // namespace

shutdown_report stopper_core::make_report() {
  using state = shutdown_report::closer_state;
  shutdown_report report;
  report.stopper = name_;
  report.remaining = live_.count();
  const auto oldest = live_.oldest(shutdown_report::max_stragglers);
  const time_point now = time().now();

  const auto below = children();
  std::vector<closer_glance> glances;
  figures seen;
  for (bool complete = false; !complete;) {
    glances.clear();
    glances.reserve(2 * glances.capacity() + 64);  // before the lock
    const std::size_t room = glances.capacity();
    lock_guard guard{mutex_};
    for (closer_note* note = notes_.front(); note != nullptr && glances.size() < room;
         note = notes_.next(*note)) {
      const bool runs = note->state == state::running;
      glances.push_back(
          {note->name, note->site, note->state, runs ? now - note->began : note->took, note});
    }
    for (deferred_call* call = closers_.front(); call != nullptr && glances.size() < room;
         call = closers_.next(*call)) {
      glances.push_back({call->name, call->site, state::not_run, {}, nullptr});
    }
    complete = glances.size() < room;
    seen = {request_,    failure_,  began_.value_or(now), cancelled_,
            closing_at_, at_begin_, at_cancel_,           hurried_};
    report.children = child_reports_;
    report.dropped = dropped_;
  }
  for (const gate_reference& child : below) {
    report.children.push_back(static_cast<stopper_core*>(child.get())->make_report());
  }

  report.origin = seen.request.origin;
  report.reason = seen.request.reason;
  report.site = seen.request.site;
  report.signal = seen.request.signal;
  report.failure = seen.failure;
  report.hurried = seen.hurried;
  tell_phases(report, seen, now);
  tell_counts(report, seen);
  tell_stragglers(report, seen, oldest, now);
  tell_closers(report, glances);
  return report;
}

}  // namespace weir::core
