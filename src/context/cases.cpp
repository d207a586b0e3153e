#include <algorithm>
#include <array>
#include <optional>

#include <weir/context/cases.hpp>
#include <weir/core/assert.hpp>
#include <weir/core/sync/thread_local.hpp>

namespace weir::core {
namespace {

/// The guards of all cases, each once, in the order of their ranks and addresses: neither two
/// selects over the same primitives nor a select and a cancellation lock each other out. Lives on
/// the stack, never in the waiting frame: the frame may be gone before the last unlock has
/// returned.
class guard_set {
 public:
  explicit guard_set(std::span<const wait_case> cases) noexcept {
    for (const wait_case& c : cases) guards_[size_++] = {c.rank, &c.guard(c.op)};
    std::sort(guards_.begin(), guards_.begin() + size_);
    size_ = static_cast<std::size_t>(std::unique(guards_.begin(), guards_.begin() + size_) -
                                     guards_.begin());
  }
  void lock() noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
    for (std::size_t i = 0; i < size_; ++i) guards_[i].second->lock();
  }
  void unlock() noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
    for (std::size_t i = size_; i-- > 0;) guards_[i].second->unlock();
  }

 private:
  std::array<std::pair<guard_rank, mutex*>, max_cases> guards_{};
  std::size_t size_ = 0;
};

struct fairness_tag {};

/// Where to begin looking, so that no case of a loop of selects starves another. xorshift, per
/// thread: fairness needs no quality and must not share a line between processors.
std::size_t first_case(std::size_t count) noexcept {
  if (count == 1) return 0;
  auto& state = thread_slot<std::uint32_t, fairness_tag>::get();
  if (state == 0) state = 0x9e3779b9U;
  state ^= state << 13U;
  state ^= state >> 17U;
  state ^= state << 5U;
  return state % count;
}

/// The first case whose context has ended: cancelled beats ready.
std::optional<case_outcome> find_ended(std::span<const wait_case> cases) noexcept {
  for (std::uint32_t i = 0; i < cases.size(); ++i) {
    if (ended(cases[i].bound)) return case_outcome{.index = i, .ended = true};
  }
  return std::nullopt;
}

/// Tries each case, from a rotating start, with the locks held.
std::optional<case_outcome> try_all(std::span<const wait_case> cases, wake_list& wakes) noexcept {
  const std::size_t first = first_case(cases.size());
  for (std::size_t k = 0; k < cases.size(); ++k) {
    const std::size_t i = (first + k) % cases.size();
    if (cases[i].try_locked(cases[i].op, wakes)) {
      return case_outcome{.index = static_cast<std::uint32_t>(i), .ended = false};
    }
  }
  return std::nullopt;
}

/// Tries each case under its own lock only, unpublished: claims a partner, never itself.
std::optional<case_outcome> try_each(std::span<const wait_case> cases) noexcept {
  const std::size_t first = first_case(cases.size());
  for (std::size_t k = 0; k < cases.size(); ++k) {
    const std::size_t i = (first + k) % cases.size();
    wake_list wakes;
    lock_guard guard{cases[i].guard(cases[i].op)};
    if (cases[i].try_locked(cases[i].op, wakes)) {
      return case_outcome{.index = static_cast<std::uint32_t>(i), .ended = false};
    }
  }
  return std::nullopt;
}

/// Locks everything, tries once more, and queues up everywhere: nobody sees us half registered.
/// Nothing: the waiter is queued, and belongs to whoever claims it from the moment of the unlock.
std::optional<case_outcome> begin(std::span<const wait_case> cases, waiter& who) noexcept {
  wake_list wakes;
  guard_set guards{cases};
  guards.lock();
  std::optional<case_outcome> outcome = try_all(cases, wakes);
  if (!outcome) {
    who.arm();
    for (std::uint32_t i = 0; i < cases.size(); ++i) {
      cases[i].enqueue(cases[i].op, who, i, wakes);
    }
    // The level is read after arming, and raised before claiming: one of the two sees the other.
    const auto late = find_ended(cases);
    if (late && who.claim(ended_by_context | late->index)) {
      for (const wait_case& c : cases) c.withdraw(c.op, wakes);
      who.disarm();
      outcome = late;
    }
  }
  guards.unlock();
  return outcome;
}

/// What the claim says, and every other case withdrawn.
case_outcome end(std::span<const wait_case> cases, waiter& who) noexcept {
  const std::uint32_t claimed = who.claimed_index();
  who.disarm();
  case_outcome outcome{.index = claimed & ~ended_by_context,
                       .ended = (claimed & ended_by_context) != 0};
  for (std::uint32_t i = 0; i < cases.size(); ++i) {
    if (i == outcome.index && !outcome.ended) continue;  // the granter unlinked it
    wake_list wakes;
    lock_guard guard{cases[i].guard(cases[i].op)};
    cases[i].withdraw(cases[i].op, wakes);
  }
  return outcome;
}

/// True if a case before `index` has the same context.
bool seen_before(std::span<const wait_case> cases, std::size_t index) noexcept {
  return std::any_of(cases.begin(), cases.begin() + static_cast<std::ptrdiff_t>(index),
                     [&](const wait_case& c) { return c.bound == cases[index].bound; });
}

void observe_all(std::span<const wait_case> cases, std::span<context_registration> registrations,
                 const context_state* except, waiter& who) noexcept {
  for (std::uint32_t i = 0; i < cases.size(); ++i) {
    context_state* bound = cases[i].bound;
    if (bound == nullptr || bound == except || seen_before(cases, i)) continue;
    bound->observe(registrations[i], who, ended_by_context | i);
  }
}

void forget_all(std::span<context_registration> registrations) noexcept {
  for (context_registration& r : registrations) context_state::unobserve(r);
}

/// Tells the timed cases whose timers to use, and arms the contexts' deadlines there.
void bind_all(std::span<const wait_case> cases, executor* where) noexcept {
  for (const wait_case& c : cases) {
    clock& time =
        c.bound != nullptr ? c.bound->time() : (where != nullptr ? where->time() : steady_clock());
    timer_service* timers = time.timers();
    if (timers == nullptr && where != nullptr) timers = &where->timers();
    if (c.bind != nullptr) c.bind(c.op, timers, time);
    if (c.bound != nullptr && timers != nullptr) c.bound->arm_deadline(*timers);
    if (c.watched == nullptr) continue;
    timers = c.watched->time().timers();
    if (timers == nullptr && where != nullptr) timers = &where->timers();
    if (timers != nullptr) c.watched->arm_deadline(*timers);
  }
}

/// Whose deadline ends a thread's sleep first: a context's, a case's own, or nobody's.
struct thread_deadline {
  time_point when = time_point::max();
  context_state* context = nullptr;
  std::uint32_t index = 0;
};

thread_deadline first_deadline(std::span<const wait_case> cases) noexcept {
  thread_deadline first;
  for (std::uint32_t i = 0; i < cases.size(); ++i) {
    const wait_case& c = cases[i];
    for (context_state* context : {c.bound, c.watched}) {
      // On a clock with timers of its own, a timer wakes us.
      if (context == nullptr || context->time().timers() != nullptr) continue;
      if (context->deadline() < first.when) first = {context->deadline(), context, i};
    }
    if (c.deadline != nullptr && c.deadline(c.op) < first.when) {
      first = {.when = c.deadline(c.op), .context = nullptr, .index = i};
    }
  }
  return first;
}

void sleep_until_claimed(std::span<const wait_case> cases, thread_waiter& me) noexcept {
  const thread_deadline first = first_deadline(cases);
  if (first.when == time_point::max()) {
    me.wait();
    return;
  }
  if (me.wait_until(first.when)) return;
  if (first.context != nullptr) {
    first.context->expire();  // claims us, unless somebody else just has
  } else if (me.claim(first.index)) {
    // Nobody will wake us: we granted it ourselves, and leave its queue as any granter does.
    const wait_case& ours = cases[first.index];
    wake_list wakes;
    lock_guard guard{ours.guard(ours.op)};
    ours.withdraw(ours.op, wakes);
    return;
  }
  me.wait();
}

}  // namespace

case_outcome wait_for_cases(std::span<const wait_case> cases) noexcept {
  assert_may_block();
  if (const auto late = find_ended(cases)) return *late;
  bind_all(cases, nullptr);
  if (const auto ready = try_each(cases)) return *ready;
  thread_waiter me;
  std::array<context_registration, max_cases> registrations;
  observe_all(cases, registrations, nullptr, me);
  auto outcome = begin(cases, me);
  if (!outcome) {
    sleep_until_claimed(cases, me);
    outcome = end(cases, me);
  }
  forget_all(registrations);
  return *outcome;
}

bool select_wait::ready() noexcept {
  const auto late = find_ended(cases_);
  known_ = late.has_value();
  if (known_) outcome_ = *late;
  return known_;
}

bool select_wait::suspend(task_record& record, std::coroutine_handle<> self) noexcept {
  record_ = &record;
  record.suspend_at(self);
  const auto cases = cases_;  // a copy on this stack: the frame may be gone when `begin` returns
  bind_all(cases, &record.executor());
  if (const auto ready = try_each(cases)) {
    known_ = true;
    outcome_ = *ready;
    return false;
  }
  const auto bounded = std::find_if(cases.begin(), cases.end(),
                                    [](const wait_case& c) { return c.bound != nullptr; });
  record.observe(bounded != cases.end() ? bounded->bound : nullptr);
  observe_all(cases, registrations_, record.observed(), record.waiter());
  const auto outcome = begin(cases, record.waiter());
  if (!outcome) return true;
  forget_all(registrations_);
  known_ = true;
  outcome_ = *outcome;
  return false;
}

case_outcome select_wait::finish() noexcept {
  if (known_) return outcome_;
  case_outcome outcome = end(cases_, record_->waiter());
  forget_all(registrations_);
  // The record's own registration says case 0, whichever case its context belongs to.
  if (outcome.ended && outcome.index == 0 && !ended(cases_[0].bound)) {
    if (const auto which = find_ended(cases_)) outcome = *which;
  }
  return outcome;
}

}  // namespace weir::core
