#include <atomic>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include <weir/core/sync/park.hpp>
#include <weir/runtime/registry.hpp>
#include <weir/runtime/runtime.hpp>

#include "runtime/started.hpp"

namespace weir {
namespace {

struct entry final : registry_entry {
  explicit entry(std::string called, std::function<void()> during = {})
      : name_(std::move(called)), during_(std::move(during)) {}
  [[nodiscard]] std::string_view kind() const noexcept override { return "stopper"; }
  [[nodiscard]] std::string_view name() const noexcept override { return name_; }
  [[nodiscard]] std::string describe() const override {
    if (during_) during_();
    return name_ + " is running";
  }
  [[nodiscard]] std::source_location site() const noexcept override { return site_; }

  std::string name_;
  std::function<void()> during_;
  std::source_location site_ = std::source_location::current();
};

TEST(registry, a_snapshot_describes_what_lives_oldest_first) {
  registry live;
  EXPECT_TRUE(live.empty());
  entry a{"a"};
  entry b{"b"};
  live.add(a);
  live.add(b);
  const auto items = live.snapshot();
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].kind, "stopper");
  EXPECT_EQ(items[0].name, "a");
  EXPECT_EQ(items[1].description, "b is running");
  EXPECT_NE(items[1].site.line(), 0U);
  live.remove(a);
  EXPECT_EQ(live.snapshot().size(), 1U);
  live.remove(b);
  EXPECT_TRUE(live.empty());
}

TEST(registry, a_description_may_add_entries_and_ask_again) {
  registry live;
  entry inner{"inner"};
  bool added = false;
  entry outer{"outer", [&] {
                if (!std::exchange(added, true)) live.add(inner);
              }};
  live.add(outer);
  EXPECT_EQ(live.snapshot().size(), 2U);
  live.remove(outer);
  live.remove(inner);
}

TEST(registry, removal_waits_for_a_report_that_is_looking) {
  registry live;
  core::park looking;
  core::park go_on;
  std::atomic<bool> removed{false};
  entry slow{"slow", [&] {
               looking.wake();
               go_on.wait();
             }};
  live.add(slow);
  std::thread reporting{[&] { EXPECT_EQ(live.snapshot().size(), 1U); }};
  looking.wait();
  std::thread removing{[&] {
    live.remove(slow);
    removed.store(true);
  }};
  EXPECT_FALSE(removed.load());
  go_on.wake();
  reporting.join();
  removing.join();
  EXPECT_TRUE(removed.load());
}

TEST(registry, what_a_description_throws_leaves_no_entry_held) {
  registry live;
  entry first{"first"};
  entry bad{"bad", [] { throw std::runtime_error{"cannot describe"}; }};
  entry last{"last"};
  live.add(first);
  live.add(bad);
  live.add(last);
  EXPECT_THROW(static_cast<void>(live.snapshot()), std::runtime_error);
  live.remove(first);
  live.remove(bad);
  live.remove(last);
}

TEST(registry_death, a_runtime_that_ends_before_its_stoppers_names_them) {
  const auto wrong = [] {
    entry forgotten{"settle"};
    runtime rt{{.workers = 1, .name = "ledger"}};
    rt.live().add(forgotten);
  };
  EXPECT_DEATH(wrong(), "'ledger'.*stopper 'settle'.*registry_test.cpp");
}

}  // namespace
}  // namespace weir
