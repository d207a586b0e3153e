#include <array>

#include <gtest/gtest.h>

#include <weir/context/context.hpp>

namespace weir {
namespace {

using namespace std::chrono_literals;

TEST(context, the_default_one_never_ends_and_has_nothing) {
  const context ctx;
  EXPECT_EQ(ctx.level(), context_level::running);
  EXPECT_FALSE(ctx.draining());
  EXPECT_FALSE(ctx.cancelled());
  EXPECT_TRUE(ctx.check().has_value());
  EXPECT_EQ(ctx.deadline(), std::nullopt);
  EXPECT_EQ(ctx.remaining(), duration::max());
  EXPECT_FALSE(ctx.drain_cause().has_value());
  EXPECT_FALSE(ctx.cancel_cause().has_value());
  EXPECT_EQ(&ctx.time(), &steady_clock());
  EXPECT_EQ(ctx.state(), nullptr);
}

TEST(context, copies_are_equal_and_children_are_not) {
  const context_source source;
  const context copy = source.get();
  const context_source child{copy};
  EXPECT_EQ(copy, source.get());
  EXPECT_FALSE(copy == child.get());
  EXPECT_EQ(context{}, context{});
}

TEST(context, a_level_reaches_children_and_grandchildren_but_not_the_parent_or_siblings) {
  const context_source root;
  context_source parent{root.get()};
  const context_source sibling{root.get()};
  const context_source child{parent.get()};
  const context_source grandchild{child.get()};
  EXPECT_TRUE(parent.drain());
  const std::array subtree{parent.get(), child.get(), grandchild.get()};
  for (const context& ctx : subtree) {
    EXPECT_EQ(ctx.level(), context_level::draining);
    EXPECT_TRUE(ctx.check().has_value());
  }
  EXPECT_TRUE(parent.cancel());
  for (const context& ctx : subtree) EXPECT_TRUE(ctx.cancelled());
  EXPECT_EQ(root.get().level(), context_level::running);
  EXPECT_EQ(sibling.get().level(), context_level::running);
}

TEST(context, cancelling_one_of_two_siblings_leaves_the_other_to_their_parent) {
  context_source parent;
  context_source first{parent.get()};
  const context_source second{parent.get()};
  first.cancel();
  EXPECT_TRUE(first.get().cancelled());
  EXPECT_FALSE(second.get().cancelled());
  parent.cancel();
  EXPECT_TRUE(second.get().cancelled());
}

TEST(context, levels_only_rise_and_the_first_cause_of_each_wins) {
  context_source source;
  EXPECT_TRUE(source.drain(error{errc::unavailable, "first"}));
  EXPECT_FALSE(source.drain(error{errc::unavailable, "second"}));
  EXPECT_TRUE(source.cancel(error{errc::cancelled, "third"}));
  EXPECT_FALSE(source.cancel(error{errc::cancelled, "fourth"}));
  EXPECT_FALSE(source.drain(error{errc::unavailable, "fifth"}));
  EXPECT_TRUE(source.get().cancelled());
  EXPECT_EQ(source.get().drain_cause()->what.message(), "first");
  EXPECT_EQ(source.get().cancel_cause()->what.message(), "third");
}

TEST(context, cancelled_without_draining_drains_for_the_same_cause) {
  context_source source;
  source.cancel(error{errc::cancelled, "enough"});
  EXPECT_TRUE(source.get().draining());
  EXPECT_EQ(source.get().drain_cause()->what.message(), "enough");
}

TEST(context, the_cause_reaches_a_grandchild_with_its_place_and_its_numbers) {
  context_source root;
  const context_source child{root.get()};
  const context grandchild = child.get().with_value(context_key<int>{}, 1);
  const unsigned line = __LINE__ + 1;
  root.cancel(error{errc::cancelled, "shard moved"}.with("shard", 7));
  const auto cause = grandchild.cancel_cause();
  ASSERT_TRUE(cause.has_value());
  EXPECT_EQ(cause->what.number("shard"), 7);
  EXPECT_EQ(cause->where.line(), line);
  EXPECT_NE(std::string_view{cause->where.file_name()}.find("context_test.cpp"),
            std::string_view::npos);
  EXPECT_EQ(grandchild.check().error().message(), "shard moved");
}

TEST(context, a_child_that_ended_by_itself_keeps_its_own_cause) {
  context_source root;
  context_source child{root.get()};
  const context_source grandchild{child.get()};
  child.cancel(error{errc::cancelled, "child"});
  root.drain(error{errc::unavailable, "root drains"});
  root.cancel(error{errc::cancelled, "root"});
  EXPECT_EQ(grandchild.get().cancel_cause()->what.message(), "child");
  EXPECT_EQ(grandchild.get().drain_cause()->what.message(), "child");
  EXPECT_EQ(root.get().cancel_cause()->what.message(), "root");
}

TEST(context, a_child_that_drained_by_itself_is_cancelled_by_its_parent) {
  context_source root;
  context_source child{root.get()};
  child.drain(error{errc::unavailable, "child"});
  root.cancel(error{errc::cancelled, "root"});
  EXPECT_EQ(child.get().drain_cause()->what.message(), "child");
  EXPECT_EQ(child.get().cancel_cause()->what.message(), "root");
}

TEST(context, a_child_made_after_the_end_is_born_ended_with_the_same_cause) {
  context_source root;
  root.drain(error{errc::unavailable, "stopping"});
  context_source draining{root.get()};
  EXPECT_EQ(draining.get().level(), context_level::draining);
  EXPECT_EQ(draining.get().drain_cause()->what.message(), "stopping");
  EXPECT_FALSE(draining.get().cancel_cause().has_value());
  root.cancel(error{errc::cancelled, "stopped"});
  const context_source late{root.get()};
  EXPECT_EQ(late.get().check().error().message(), "stopped");
  EXPECT_EQ(draining.get().check().error().message(), "stopped");
}

TEST(context, the_cause_outlives_its_source_as_long_as_a_descendant_is_held) {
  context grandchild;
  {
    context_source root;
    const context_source child{root.get()};
    grandchild = child.get().with_value(context_key<int>{}, 1);
    root.cancel(error{errc::cancelled, "gone"}.with("shard", 7));
  }
  EXPECT_EQ(grandchild.check().error().number("shard"), 7);
}

TEST(context_source, cancels_when_it_is_destroyed) {
  context kept;
  {
    const context_source source;
    kept = source.get();
    EXPECT_FALSE(kept.cancelled());
  }
  EXPECT_TRUE(kept.cancelled());
  EXPECT_EQ(kept.check().error().code(), errc::cancelled);
}

TEST(context_source, is_moved_with_its_duty_to_cancel) {
  context first_kept;
  context second_kept;
  {
    context_source first;
    context_source second;
    first_kept = first.get();
    second_kept = second.get();
    first = std::move(second);
    EXPECT_TRUE(first_kept.cancelled());
    EXPECT_FALSE(second_kept.cancelled());
    const context_source third{std::move(first)};
    EXPECT_FALSE(second_kept.cancelled());
  }
  EXPECT_TRUE(second_kept.cancelled());
}

TEST(context_deadline, a_child_has_the_minimum_of_its_own_and_its_parents) {
  manual_clock time;
  const time_point start = time.now();
  const context_source parent{time, {.timeout = 10s}};
  EXPECT_EQ(parent.get().deadline(), start + 10s);
  EXPECT_EQ(context_source{parent.get()}.get().deadline(), start + 10s);
  EXPECT_EQ((context_source{parent.get(), {.timeout = 5s}}.get().deadline()), start + 5s);
  EXPECT_EQ((context_source{parent.get(), {.timeout = 20s}}.get().deadline()), start + 10s);
  EXPECT_EQ((context_source{parent.get(), {.deadline = start + 7s}}.get().deadline()), start + 7s);
  EXPECT_EQ(
      (context_source{parent.get(), {.timeout = 5s, .deadline = start + 3s}}.get().deadline()),
      start + 3s);
  EXPECT_EQ((context_source{time, {.timeout = duration::max()}}.get().deadline()), std::nullopt);
}

TEST(context_deadline, remaining_counts_down_to_zero_and_not_below) {
  manual_clock time;
  const context_source source{time, {.timeout = 10s}};
  EXPECT_EQ(source.get().remaining(), 10s);
  time.advance(4s);
  EXPECT_EQ(source.get().remaining(), 6s);
  time.advance(24h);
  EXPECT_EQ(source.get().remaining(), 0s);
  EXPECT_EQ((context_source{time, {.timeout = duration::min()}}.get().remaining()), 0s);
  EXPECT_EQ((context_source{time, {.deadline = time_point::min()}}.get().remaining()), 0s);
}

TEST(context_deadline, check_reads_the_clock_and_ends_the_context_with_deadline_exceeded) {
  manual_clock time;
  const context_source source{time, {.timeout = 10s}};
  const context_source child{source.get()};
  time.advance(10s - 1ns);
  EXPECT_TRUE(child.get().check().has_value());
  EXPECT_FALSE(child.get().cancelled());
  time.advance(1ns);
  EXPECT_EQ(child.get().check().error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(source.get().cancelled()) << "the owner of the deadline ends, and all below it";
}

TEST(context_deadline, a_childs_deadline_leaves_the_parent_running) {
  manual_clock time;
  const context_source parent{time, {.timeout = 10s}};
  const context_source child{parent.get(), {.timeout = 5s}};
  time.advance(5s);
  EXPECT_EQ(child.get().check().error().code(), errc::deadline_exceeded);
  EXPECT_TRUE(parent.get().check().has_value());
}

TEST(context_deadline, a_cancellation_before_the_deadline_keeps_its_cause) {
  manual_clock time;
  context_source source{time, {.timeout = 10s}};
  source.cancel(error{errc::cancelled, "early"});
  time.advance(20s);
  EXPECT_EQ(source.get().check().error().message(), "early");
}

TEST(context_deadline, zero_and_negative_timeouts_have_passed_already) {
  manual_clock time;
  for (const duration timeout : {duration{0}, duration{-1}, duration::min()}) {
    const context_source source{time, {.timeout = timeout}};
    EXPECT_EQ(source.get().check().error().code(), errc::deadline_exceeded);
  }
}

TEST(context_deadline, children_take_the_clock_of_their_parent) {
  manual_clock time;
  const context_source root{time};
  const context_scope child{root.get()};
  const context grandchild = child.get().with_value(context_key<int>{}, 1);
  EXPECT_EQ(&grandchild.time(), &time);
}

TEST(context_scope, lives_in_the_frame_and_follows_its_parent) {
  context_source parent;
  context_scope child{parent.get()};
  EXPECT_FALSE(child.get().cancelled());
  EXPECT_TRUE(child.drain());
  EXPECT_FALSE(parent.get().draining());
  parent.cancel(error{errc::cancelled, "parent"});
  EXPECT_EQ(child.get().check().error().message(), "parent");
  EXPECT_FALSE(child.cancel());
}

TEST(context_scope, may_hold_children_and_copies_that_end_before_it) {
  context_scope scope{context{}};
  {
    const context copy = scope.get();
    const context_source child{copy};
    const context_scope grandchild{child.get()};
    EXPECT_TRUE(scope.cancel());
    EXPECT_TRUE(grandchild.get().cancelled());
  }
  EXPECT_TRUE(scope.get().cancelled());
}

TEST(context_scope, its_parent_may_be_dropped_before_it) {
  auto parent = std::make_unique<context_source>();
  const context_scope child{parent->get()};
  parent.reset();
  EXPECT_TRUE(child.get().cancelled());
}

TEST(context_scope, a_copy_that_outlives_it_ends_the_program_with_a_sentence) {
  EXPECT_DEATH(
      {
        context kept;
        const context_scope scope{context{}};
        kept = scope.get();
        // Both end here: the scope first.
      },
      "a context_scope ended while a copy of its context is still held");
}

TEST(context_scope, a_child_that_outlives_it_ends_the_program_with_a_sentence) {
  EXPECT_DEATH(
      {
        context kept;
        const context_scope scope{context{}};
        kept = context_source{scope.get()}.get();
      },
      "a context_scope ended while a copy of its context is still held");
}

inline constexpr context_key<std::string> request_id;
inline constexpr context_key<std::string> user;
inline constexpr context_key<int> depth;

TEST(context_value, is_found_from_any_descendant_and_nowhere_else) {
  const context_source root;
  const context named = root.get().with_value(request_id, "r-1");
  const context_source child{named};
  ASSERT_NE(child.get().value(request_id), nullptr);
  EXPECT_EQ(*child.get().value(request_id), "r-1");
  EXPECT_EQ(child.get().value(user), nullptr) << "keys of one type are different keys";
  EXPECT_EQ(root.get().value(request_id), nullptr);
  EXPECT_EQ(context{}.value(request_id), nullptr);
}

TEST(context_value, the_nearest_one_shadows_those_above) {
  const context outer = context{}.with_value(depth, 1).with_value(request_id, "r-1");
  const context inner = outer.with_value(depth, 2);
  EXPECT_EQ(*outer.value(depth), 1);
  EXPECT_EQ(*inner.value(depth), 2);
  EXPECT_EQ(*inner.value(request_id), "r-1");
}

TEST(context_value, a_context_with_a_value_is_cancelled_with_its_parent) {
  context_source root;
  const context named = root.get().with_value(request_id, "r-1");
  EXPECT_FALSE(named.cancelled());
  root.cancel();
  EXPECT_TRUE(named.cancelled());
  EXPECT_EQ(*named.value(request_id), "r-1");
}

TEST(context_value, lives_as_long_as_a_descendant_after_its_own_handle_is_dropped) {
  context child;
  {
    const context named = context{}.with_value(request_id, std::string(100, 'x'));
    child = named.with_value(depth, 1);
  }
  EXPECT_EQ(child.value(request_id)->size(), 100U);
}

TEST(context_value, a_chain_of_many_thousand_is_dropped_and_cancelled_without_trouble) {
  context_source root;
  context ctx = root.get();
  for (int i = 0; i < 5'000; ++i) ctx = ctx.with_value(depth, i);
  EXPECT_EQ(*ctx.value(depth), 4'999);
  root.cancel();
  EXPECT_TRUE(ctx.cancelled());
}

}  // namespace
}  // namespace weir
