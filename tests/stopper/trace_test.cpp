// Spans of tasks, as a tracer sees them.
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include <core/allocations.hpp>

#include <weir/context/span.hpp>

#include "stopper/simulation.hpp"

namespace weir {
namespace {

using test::simulation;

/// Numbers the spans, and keeps what it is told.
class recorder final : public tracer {
 public:
  struct span {
    std::string name;
    unsigned related = 0;  // the number of the span it stands to; 0: none
    span_relation relation = span_relation::root;
    int ends = 0;
    span_status status = span_status::ok;
  };

  span_context start(const span_start& begun) noexcept override {
    spans.push_back({begun.name, begun.related.span_id[0], begun.relation});
    span_context made;
    made.span_id[0] = static_cast<std::uint8_t>(spans.size());
    return made;
  }
  void end(const span_context& which, span_status status) noexcept override {
    span& ended = spans.at(which.span_id[0] - 1U);
    ++ended.ends;
    ended.status = status;
  }

  std::vector<span> spans;
};

stopper_options traced(simulation& sim, recorder& trace) {
  stopper_options options = sim.options();
  options.trace = &trace;
  return options;
}

TEST(trace, only_a_child_is_in_the_span_of_its_parent) {
  simulation sim;
  recorder trace;
  stopper s{sim.rt, traced(sim, trace)};
  auto nothing = []() -> task<void> { co_return; };
  auto parent = [&]() -> task<void> {
    (void)s.spawn({.name = "part"}, nothing);
    (void)s.spawn({.name = "aftermath", .span = span_relation::follows_from}, nothing);
    (void)s.spawn({.name = "other", .span = span_relation::root}, nothing);
    co_return;
  };
  (void)s.spawn({.name = "parent", .span = span_relation::root}, parent);
  sim.settle();
  ASSERT_EQ(trace.spans.size(), 4U);
  EXPECT_EQ(trace.spans[0].related, 0U);
  EXPECT_EQ(trace.spans[1].name, "part");
  EXPECT_EQ(trace.spans[1].relation, span_relation::child);
  EXPECT_EQ(trace.spans[1].related, 1U);
  EXPECT_EQ(trace.spans[2].relation, span_relation::follows_from);
  EXPECT_EQ(trace.spans[2].related, 1U);
  EXPECT_EQ(trace.spans[3].relation, span_relation::root);
  EXPECT_EQ(trace.spans[3].related, 0U);
  for (const auto& span : trace.spans) EXPECT_EQ(span.ends, 1);
  sim.stop(s);
}

TEST(trace, the_span_of_the_given_context_counts_and_the_task_sees_its_own) {
  simulation sim;
  recorder trace;
  stopper s{sim.rt, traced(sim, trace)};
  span_context remote;
  remote.span_id[0] = 77;
  const context request = context{}.with_value(current_span, remote);
  unsigned seen = 0;
  auto serve = [&seen](context ctx) -> task<void> {
    seen = span_of(ctx).span_id[0];
    co_return;
  };
  (void)s.spawn(request, {.name = "serve"}, serve);
  sim.settle();
  ASSERT_EQ(trace.spans.size(), 1U);
  EXPECT_EQ(trace.spans[0].related, 77U);
  EXPECT_EQ(seen, 1U);
  sim.stop(s);
}

TEST(trace, a_task_that_threw_ends_its_span_as_failed) {
  simulation sim;
  recorder trace;
  stopper_options options = traced(sim, trace);
  options.on_exception = exception_policy::stop();
  stopper s{sim.rt, options};
  auto bad = []() -> task<void> {
    throw std::runtime_error{"no"};
    co_return;
  };
  (void)s.spawn("bad", bad);
  sim.settle();
  ASSERT_EQ(trace.spans.size(), 1U);
  EXPECT_EQ(trace.spans[0].ends, 1);
  EXPECT_EQ(trace.spans[0].status, span_status::failed);
  sim.stop(s);
}

TEST(trace, what_is_refused_has_no_span) {
  simulation sim;
  recorder trace;
  stopper s{sim.rt, traced(sim, trace)};
  sim.stop(s);
  auto nothing = []() -> task<void> { co_return; };
  EXPECT_FALSE(s.spawn("late", nothing));
  EXPECT_TRUE(trace.spans.empty());
}

TEST(trace, a_spawn_that_runs_out_of_memory_leaves_nothing_counted_and_no_span_open) {
  simulation sim;
  recorder trace;
  trace.spans.reserve(1'000);
  stopper s{sim.rt, traced(sim, trace)};
  semaphore quota{1};
  const context_source request;
  int ran = 0;
  auto work = [&]() -> task<void> {
    ++ran;
    co_return;
  };
  for (std::size_t number = 1; ran == 0; ++number) {
    ASSERT_LT(number, 100U);
    weir_test::fail_allocation(number);
    try {
      static_cast<void>(s.spawn(request.get(), {.name = "x", .quota = &quota}, work));
    } catch (const std::bad_alloc&) {
      EXPECT_EQ(quota.available(), 1U);
    }
    weir_test::fail_allocation(0);
    sim.settle();
    EXPECT_EQ(s.running(), 0U) << number;
  }
  for (const auto& span : trace.spans) EXPECT_EQ(span.ends, 1);
  sim.stop(s);
}

TEST(trace, a_part_traces_where_its_parent_does) {
  simulation sim;
  recorder trace;
  stopper house{sim.rt, traced(sim, trace)};
  stopper_options part = sim.options("room");
  part.parent = &house;
  stopper room{sim.rt, part};
  auto nothing = []() -> task<void> { co_return; };
  (void)room.spawn("guest", nothing);
  sim.settle();
  EXPECT_EQ(trace.spans.size(), 1U);
  sim.stop(house);
}

}  // namespace
}  // namespace weir
