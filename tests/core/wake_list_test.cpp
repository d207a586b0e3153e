#include <gtest/gtest.h>

#include <weir/core/sync/mutex.hpp>
#include <weir/core/wake_list.hpp>

namespace weir::core {
namespace {

struct recorder : wakeable {
  recorder(std::vector<int>& log, int id)
      : wakeable([](wakeable& self) noexcept {
          auto& me = static_cast<recorder&>(self);
          me.log.push_back(me.id);
        }),
        log(log),
        id(id) {}
  std::vector<int>& log;
  int id;
};

using ints = std::vector<int>;

TEST(wake_list, wakes_in_the_order_of_pushes_when_it_ends) {
  ints log;
  recorder a{log, 1};
  recorder b{log, 2};
  recorder c{log, 3};
  {
    wake_list wakes;
    EXPECT_TRUE(wakes.empty());
    for (recorder* r : {&a, &b, &c}) wakes.push(*r);
    EXPECT_FALSE(wakes.empty());
    EXPECT_TRUE(log.empty());
  }
  EXPECT_EQ(log, (ints{1, 2, 3}));
}

TEST(wake_list, declared_before_the_guard_it_wakes_after_the_unlock) {
  struct probe : wakeable {
    explicit probe(mutex& m)
        : wakeable([](wakeable& self) noexcept {
            auto& me = static_cast<probe&>(self);
            if (!me.m.try_lock()) return;
            me.was_free = true;
            me.m.unlock();
          }),
          m(m) {}
    mutex& m;
    bool was_free = false;
  };
  mutex m;
  probe p{m};
  {
    wake_list wakes;
    lock_guard guard{m};
    wakes.push(p);
  }
  EXPECT_TRUE(p.was_free);
}

TEST(wake_list, what_is_woken_may_destroy_itself) {
  struct mortal : wakeable {
    explicit mortal(int& alive)
        : wakeable([](wakeable& self) noexcept { delete static_cast<mortal*>(&self); }),
          alive(++alive) {}
    ~mortal() { --alive; }
    int& alive;
  };
  int alive = 0;
  {
    wake_list wakes;
    for (int i = 0; i < 3; ++i) wakes.push(*new mortal{alive});
    EXPECT_EQ(alive, 3);
  }
  EXPECT_EQ(alive, 0);
}

TEST(wake_list, is_used_again_after_wake_all_and_wakes_each_item_once_per_push) {
  ints log;
  recorder a{log, 1};
  recorder b{log, 2};
  wake_list wakes;
  wakes.push(a);
  wakes.wake_all();
  EXPECT_TRUE(wakes.empty());
  wakes.push(b);
  wakes.push(a);
  wakes.wake_all();
  wakes.wake_all();
  EXPECT_EQ(log, (ints{1, 2, 1}));
}

TEST(wake_list, a_wake_may_push_to_the_list_that_is_waking) {
  struct chain : wakeable {
    chain(wake_list& wakes, wakeable* then)
        : wakeable([](wakeable& self) noexcept {
            auto& me = static_cast<chain&>(self);
            if (me.then != nullptr) me.wakes.push(*me.then);
          }),
          wakes(wakes),
          then(then) {}
    wake_list& wakes;
    wakeable* then;
  };
  ints log;
  recorder last{log, 1};
  wake_list wakes;
  chain first{wakes, &last};
  wakes.push(first);
  wakes.wake_all();
  EXPECT_FALSE(wakes.empty());
  wakes.wake_all();
  EXPECT_EQ(log, (ints{1}));
}

}  // namespace
}  // namespace weir::core
