#include "sql/group_lane.hpp"

#include <algorithm>
#include <utility>

namespace weir::core {

namespace {

bool may_share(const sql::run_options& a, const sql::run_options& b) noexcept {
  return a.tx == b.tx && a.release == b.release;
}

}  // namespace

void group_lane::take(const std::shared_ptr<group_run>& into) {
  const std::size_t most = std::max<std::size_t>(limits_.scripts, 1);
  into->jobs.reserve(most);
  const lock_guard guard{mutex_};
  const group_job* const first = queue_.front();
  while (group_job* job = queue_.front()) {
    if (into->jobs.size() == most || !may_share(job->options, first->options)) break;
    unqueue(*job);
    into->jobs.push_back(std::move(job->self));  // there is room: nothing is allocated here
    job->where = group_job::place::taken;
    job->run = into;
  }
  into->waiting = into->jobs.size();
}

void group_lane::unqueue(group_job& job) noexcept {
  intrusive_list<group_job>::unlink(job);
  --queued_;
  queued_bytes_ -= job.script.size_bytes();
}

void group_lane::answer(group_job& job, wake_list& wakes) noexcept {
  job.where = group_job::place::done;
  if (group_operation* const caller = std::exchange(job.caller, nullptr)) caller->grant(wakes);
}

void group_lane::finish(group_run& run) noexcept {
  std::vector<std::shared_ptr<group_job>> jobs;  // their memory goes after the lock
  wake_list wakes;
  const lock_guard guard{mutex_};
  jobs.swap(run.jobs);
  for (const auto& job : jobs) answer(*job, wakes);
}

bool group_lane::more() noexcept {
  const lock_guard guard{mutex_};
  serving_ = !queue_.empty();
  return serving_;
}

void group_lane::close() noexcept {
  wake_list wakes;
  const lock_guard guard{mutex_};
  closed_ = true;
  while (group_job* job = queue_.front()) {
    unqueue(*job);
    job->closed = true;
    answer(*job, wakes);
    // The caller has it too, and is not run before the lock is released.
    job->self.reset();
  }
}

// ---- callers ------------------------------------------------------------------------------------

bool group_operation::try_locked(wake_list&) noexcept {
  if (job_->where == group_job::place::done) return true;
  const std::size_t bytes = job_->script.size_bytes();
  if (lane_.closed_) {
    refused_ = refusal::closed;
  } else if (lane_.queued_ >= lane_.limits_.waiting ||
             (lane_.queued_ != 0 && lane_.queued_bytes_ + bytes > lane_.limits_.waiting_bytes)) {
    refused_ = refusal::full;
  }
  return refused_ != refusal::none;
}

void group_operation::enqueue(waiter& who, std::uint32_t index, wake_list& wakes) noexcept {
  set(who, index);
  group_job& job = *job_;
  job.where = group_job::place::queued;
  job.caller = this;
  job.self = job_;
  lane_.queue_.push_back(job);
  ++lane_.queued_;
  lane_.queued_bytes_ += job.script.size_bytes();
  if (lane_.serving_) return;
  lane_.serving_ = true;
  lane_.tasks_.add();
  wakes.push(lane_.start_wake_);
}

void group_operation::withdraw(wake_list& wakes) noexcept {
  group_job& job = *job_;
  job.caller = nullptr;
  if (job.where == group_job::place::queued) {
    lane_.unqueue(job);
    job.self.reset();
    job.where = group_job::place::fresh;
    return;
  }
  // Also when it is done: the cancellation was faster than the answer.
  sent_ = job.where != group_job::place::fresh && !job.closed;
  if (job.where == group_job::place::taken && --job.run->waiting == 0) wakes.push(*job.run);
}

result<sql::script_result> group_operation::take() {
  switch (refused_) {
    case refusal::closed:
      return fail(errc::closed, "the database is closed");
    case refusal::full:
      return std::unexpected(
          error{errc::throttled,
                "too many scripts wait for the next group: send less, or raise "
                "group.waiting"}
              .with("waiting", static_cast<std::int64_t>(lane_.limits_.waiting))
              .with("waiting bytes", static_cast<std::int64_t>(lane_.limits_.waiting_bytes)));
    case refusal::none:
      break;
  }
  if (job_->closed) return fail(errc::closed, "the database was closed before the script was sent");
  return job_->script.take();
}

error group_operation::explain(error why) const {
  if (!sent_) return why;
  return error{errc::commit_unknown,
               "the caller left while its script's group was being committed: look whether it "
               "happened before running it again"}
      .caused_by(std::move(why));
}

}  // namespace weir::core
