#include "explorer/execution.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <utility>

#include <cxxabi.h>

#include "explorer/memory.hpp"

namespace weir::model {

execution execution::current;

const verdict& execution::run(entry body, void* argument, const limits& within, chooser& by) {
  limits_ = within;
  chooser_ = &by;
  verdict_ = {};
  ++serial_;
  now_ = time_point{} + std::chrono::hours(1);
  count_ = current_ = ready_ = timed_ = spurious_ = spinners_ = steps_ = 0;
  exhaustive_ = by.bounded();
  preemptions_left_ = within.bound;
  timeouts_left_ = within.timeouts;
  weak_left_ = within.weak_failures;
  spurious_left_ = within.spurious;
  calm_ = 0;
  memory::reset();
  forget_names();
  spawn(body, argument);
  auto* exceptions = abi::__cxa_get_globals();
  std::uint64_t outside[2];
  std::memcpy(outside, exceptions, sizeof outside);
  std::memset(static_cast<void*>(exceptions), 0, sizeof outside);
  active_ = true;
  memory::use(true);
  fiber::switch_to(controller_, threads_[0].self);
  memory::use(false);
  active_ = false;
  statics::restore();
  std::memcpy(static_cast<void*>(exceptions), outside, sizeof outside);
  if (by.differs() || (!verdict_.failed && by.ended_early())) {
    verdict_.failed = true;
    verdict_.sentence = "a rerun differs: the same choices led somewhere else";
  }
  return verdict_;
}

void execution::fiber_main() {
  execution& self = current;
  const model_thread& me = self.threads_[self.current_];
  try {
    me.body(me.argument);
  } catch (...) {
    self.fail("an exception left a thread");
  }
  self.end_of_thread();
}

int execution::spawn(entry body, void* argument) noexcept {
  if (count_ == max_threads) return -1;
  const unsigned thread = count_++;
  model_thread& made = threads_[thread];
  made = {};
  made.body = body;
  made.argument = argument;
  made.started = true;
  made.self.prepare(memory::stack(thread), memory::stack_bytes, fiber_main);
  ready_ |= bit(thread);
  return static_cast<int>(thread);
}

void execution::end_of_thread() noexcept {
  model_thread& me = threads_[current_];
  me.done = true;
  ready_ &= ~bit(current_);
  if (tracing) trace(op::run, nullptr, "returned", 0, me.where);
  if (current_ == 0) {
    look_at_what_is_left();
    leave();
  }
  for (unsigned other = 0; other < count_; ++other) {
    model_thread& waiting = threads_[other];
    if ((waiting.joins & bit(current_)) == 0) continue;
    waiting.joins &= ~bit(current_);
    if (waiting.joins == 0) ready_ |= bit(other);
  }
  reschedule(turn::blocked);
  __builtin_unreachable();
}

void execution::look_at_what_is_left() noexcept {
  for (unsigned thread = 1; thread < count_; ++thread) {
    if (!threads_[thread].done) fail("a thread was left behind: nobody joined it");
  }
  const memory::findings found = memory::inspect();
  char text[120];
  if (found.written_after_free != 0) fail("freed memory was written to");
  if (found.leaked_blocks != 0 && !limits_.may_leak) {
    std::snprintf(text, sizeof text, "memory was left behind: %zu blocks, %zu bytes",
                  found.leaked_blocks, found.leaked_bytes);
    fail(text);
  }
}

void execution::leave() noexcept {
  fiber::switch_to(threads_[current_].self, controller_);
  __builtin_unreachable();
}

void execution::fail(const char* sentence, std::source_location where) noexcept {
  if (!active_) {
    std::fprintf(stderr, "model: outside a model: %s\n", sentence);
    std::abort();
  }
  active_ = false;
  memory::use(false);
  verdict_.failed = true;
  verdict_.sentence = sentence;
  verdict_.file = where.file_name();
  verdict_.line = where.line();
  verdict_.thread = static_cast<int>(current_);
  leave();
}

void execution::crashed(const char* sentence) noexcept {
  fail(sentence, threads_[current_].where);
}

void execution::deadlock() noexcept {
  char text[900];
  int used = std::snprintf(text, sizeof text, "deadlock:");
  std::source_location where = threads_[current_].where;
  for (unsigned thread = 0; thread < count_; ++thread) {
    const model_thread& of = threads_[thread];
    if (of.done || used >= static_cast<int>(sizeof text)) continue;
    if (of.doing == op::join) continue;  // it waits for one of the others
    where = of.where;
    const char* object = name_of(of.doing, of.object);
    used += std::snprintf(text + used, sizeof text - static_cast<std::size_t>(used),
                          " T%u is in %s%s%s (%s:%u);", thread, object, *object == '\0' ? "" : ".",
                          name_of(of.doing), file_name(of.where.file_name()),
                          static_cast<unsigned>(of.where.line()));
  }
  fail(text, where);
}

std::uint32_t execution::signature() const noexcept {
  const model_thread& me = threads_[current_];
  return current_ | (static_cast<std::uint32_t>(me.doing) << 4U) |
         (static_cast<std::uint32_t>(me.where.line()) << 12U);
}

void execution::step(op what, const void* object, std::source_location where) noexcept {
  if (!active_) return;
  model_thread& me = threads_[current_];
  me.doing = what;
  me.object = object;
  me.where = where;
  if (++steps_ > limits_.steps) fail("livelock: too many steps", where);
  // A thread was chosen in order to do its first step: asking again would run schedules twice.
  if (std::exchange(me.fresh, false)) return;
  const unsigned surprises = (timed_ | spurious_) & ~ready_;
  if (ready_ == bit(current_) && surprises == 0) return;
  const bool stays = preemptions_left_ == 0 || calm_ != 0;
  if (exhaustive_ && stays && spinners_ == 0 && surprises == 0) {
    chooser_->take_first(signature(), static_cast<unsigned>(std::popcount(ready_)));
    if (chooser_->differs()) leave();
    return;
  }
  reschedule(turn::step);
}

void execution::relax() noexcept {
  if (!active_) return;
  if (++steps_ > limits_.steps) fail("livelock: too many steps", threads_[current_].where);
  threads_[current_].doing = op::relax;
  if (tracing) trace(op::relax, nullptr, "", 0, threads_[current_].where);
  reschedule(turn::relax);
}

void execution::block(op what, const void* object, time_point deadline, bool spuriously) noexcept {
  if (!active_) return;
  model_thread& me = threads_[current_];
  me.doing = what;
  me.object = object;
  ready_ &= ~bit(current_);
  if (deadline != time_point::max()) {
    me.deadline = deadline;
    timed_ |= bit(current_);
    expire();
  }
  if (spuriously) spurious_ |= bit(current_);
  if (tracing) trace(what, object, "blocks", 0, me.where);
  if (++steps_ > limits_.steps) fail("livelock: too many steps", me.where);
  const unsigned self = bit(current_);
  reschedule(turn::blocked);
  timed_ &= ~self;
  spurious_ &= ~self;
}

void execution::make_ready(unsigned set) noexcept {
  ready_ |= set;
}

void execution::join(unsigned set, std::source_location where) noexcept {
  model_thread& me = threads_[current_];
  me.where = where;
  me.joins = set;
  for (unsigned thread = 0; thread < count_; ++thread) {
    if (threads_[thread].done) me.joins &= ~bit(thread);
  }
  if (me.joins != 0) block(op::join, nullptr, time_point::max(), false);
}

/// Spinners whose condition nobody has had a chance to change yet.
unsigned execution::held_back() noexcept {
  unsigned held = 0;
  for (unsigned thread = 0; thread < count_; ++thread) {
    if ((threads_[thread].goes_after & ready_) != 0) held |= bit(thread);
  }
  return held;
}

void execution::reschedule(turn why) noexcept {
  const unsigned me = current_;
  const bool relaxes = why == turn::relax;
  const bool stubborn = relaxes && threads_[me].stubborn != 0;
  const bool gives_way = relaxes && !stubborn;
  if (stubborn) --threads_[me].stubborn;

  candidate list[2 * max_threads];
  unsigned n = 0;
  unsigned free = 0;  // costs nothing
  unsigned allowed = 0;
  const auto add = [&](unsigned thread, candidate::how kind, bool costs, int left) {
    if (!costs) free |= 1U << n;
    if (!costs || (left > 0 && calm_ == 0)) allowed |= 1U << n;
    list[n++] = {static_cast<std::uint8_t>(thread), kind};
  };

  unsigned ready = ready_;
  if (spinners_ != 0) ready &= ~held_back();
  if (why != turn::blocked && !gives_way) add(me, candidate::how::run, false, 0);
  const bool leaving_costs = why == turn::step;
  for (unsigned i = 1; i <= max_threads; ++i) {
    const unsigned thread = (me + i) % max_threads;
    if ((ready & bit(thread)) == 0 || (thread == me && why != turn::blocked)) continue;
    add(thread, candidate::how::run, leaving_costs, preemptions_left_);
  }
  const unsigned surprises = (timed_ | spurious_) & ~ready_;
  const bool nobody_else = n == 0;
  // A limit of zero holds for random schedules too, which have no budgets otherwise.
  if (surprises != 0 && (nobody_else || limits_.timeouts > 0)) {
    for (unsigned thread = 0; thread < count_; ++thread) {
      if ((surprises & timed_ & bit(thread)) == 0) continue;
      add(thread, candidate::how::timeout, !nobody_else, timeouts_left_);
    }
  }
  if (gives_way) add(me, candidate::how::run, n != 0, preemptions_left_);
  if (n == 0) deadlock();
  const bool spurious = surprises != 0 && limits_.spurious > 0;
  for (unsigned thread = 0; spurious && thread < count_; ++thread) {
    if ((surprises & spurious_ & bit(thread)) == 0) continue;
    add(thread, candidate::how::spurious, true, spurious_left_);
  }

  unsigned taken = 0;
  if (n > 1) {
    question q;
    q.signature = signature();
    q.allowed = static_cast<std::uint16_t>(allowed);
    q.count = static_cast<std::uint8_t>(n);
    q.current = static_cast<std::uint8_t>(me);
    q.relaxed = relaxes;
    q.step = steps_;
    q.candidates = list;
    taken = chooser_->choose(q);
    if (chooser_->differs()) leave();
  }
  if (gives_way) {
    if (list[taken].thread == me) {
      threads_[me].stubborn = limits_.stubborn;
    } else {
      threads_[me].goes_after = ready_ & ~bit(me);
      if (threads_[me].goes_after != 0) spinners_ |= bit(me);
    }
  }
  take(list[taken], (free & (1U << taken)) == 0);
}

void execution::take(const candidate& next, bool costs) noexcept {
  switch (next.kind) {
    case candidate::how::run:
    case candidate::how::plain:
      if (costs) --preemptions_left_;
      break;
    case candidate::how::timeout:
      if (costs) --timeouts_left_;
      now_ = std::max(now_, threads_[next.thread].deadline);
      expire();
      break;
    case candidate::how::spurious:
      --spurious_left_;
      ready_ |= bit(next.thread);
      break;
  }
  if (spinners_ != 0) {
    spinners_ &= ~bit(next.thread);
    threads_[next.thread].goes_after = 0;
    for (unsigned thread = 0; thread < count_; ++thread) {
      threads_[thread].goes_after &= ~bit(next.thread);
      if (threads_[thread].goes_after == 0) spinners_ &= ~bit(thread);
    }
  }
  if (next.thread != current_) {
    threads_[current_].stubborn = 0;
    switch_to(next.thread);
  }
}

void execution::switch_to(unsigned thread) noexcept {
  // The C++ runtime keeps what is being thrown per thread of the operating system, which all our
  // threads share.
  auto* exceptions = abi::__cxa_get_globals();
  model_thread& from = threads_[current_];
  model_thread& to = threads_[thread];
  std::memcpy(from.exceptions, exceptions, sizeof from.exceptions);
  std::memcpy(static_cast<void*>(exceptions), to.exceptions, sizeof to.exceptions);
  current_ = thread;
  fiber::switch_to(from.self, to.self);
}

/// Deadlines that have passed: their threads can run, and run when they are scheduled.
void execution::expire() noexcept {
  for (unsigned thread = 0; thread < count_; ++thread) {
    if ((timed_ & bit(thread)) != 0 && threads_[thread].deadline <= now_) ready_ |= bit(thread);
  }
}

void execution::advance(duration by) noexcept {
  now_ += by;
  expire();
}

bool execution::weak_failure() noexcept {
  if (!active_ || limits_.weak_failures == 0) return false;
  question q;
  q.signature = signature();
  q.allowed = weak_left_ > 0 ? 3 : 1;
  q.count = 2;
  const bool fails = chooser_->choose(q) == 1;
  if (chooser_->differs()) leave();
  if (fails) --weak_left_;
  return fails;
}

unsigned execution::pick(unsigned count) noexcept {
  if (!active_ || count < 2) return 0;
  question q;
  q.signature = signature();
  q.allowed = static_cast<std::uint16_t>((1U << count) - 1U);
  q.count = static_cast<std::uint8_t>(count);
  const unsigned taken = chooser_->choose(q);
  if (chooser_->differs()) leave();
  return taken;
}

}  // namespace weir::model
