#include <gtest/gtest.h>

#include <weir/core/list.hpp>

namespace weir::core {
namespace {

struct item : list_hook {
  explicit item(int value) : value(value) {}
  int value;
};

std::vector<int> values(intrusive_list<item>& list) {
  std::vector<int> seen;
  for (item* i = list.front(); i != nullptr; i = list.next(*i)) seen.push_back(i->value);
  return seen;
}

using ints = std::vector<int>;

TEST(list, a_new_list_is_empty) {
  intrusive_list<item> list;
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.back(), nullptr);
  EXPECT_EQ(list.pop_front(), nullptr);
}

TEST(list, keeps_the_order_of_pushes_at_both_ends) {
  item a{1};
  item b{2};
  item c{3};
  intrusive_list<item> list;
  list.push_back(b);
  list.push_back(c);
  list.push_front(a);
  EXPECT_EQ(values(list), (ints{1, 2, 3}));
  EXPECT_EQ(list.front(), &a);
  EXPECT_EQ(list.back(), &c);
  while (list.pop_front() != nullptr) {
  }
  EXPECT_TRUE(list.empty());
}

TEST(list, an_item_leaves_from_any_place_and_may_come_back) {
  item a{1};
  item b{2};
  item c{3};
  intrusive_list<item> list;
  for (item* i : {&a, &b, &c}) list.push_back(*i);
  intrusive_list<item>::unlink(b);
  EXPECT_FALSE(b.linked());
  EXPECT_EQ(values(list), (ints{1, 3}));
  intrusive_list<item>::unlink(c);
  intrusive_list<item>::unlink(a);
  EXPECT_TRUE(list.empty());
  list.push_back(b);
  EXPECT_TRUE(b.linked());
  EXPECT_EQ(values(list), (ints{2}));
}

TEST(list, a_splice_moves_all_behind_the_last) {
  item a{1};
  item b{2};
  item c{3};
  intrusive_list<item> first;
  intrusive_list<item> second;
  first.push_back(a);
  second.push_back(b);
  second.push_back(c);
  first.splice_back(second);
  EXPECT_EQ(values(first), (ints{1, 2, 3}));
  EXPECT_TRUE(second.empty());
  first.splice_back(second);
  EXPECT_EQ(values(first), (ints{1, 2, 3}));
}

TEST(list, a_copy_of_a_linked_item_is_unlinked) {
  item a{1};
  intrusive_list<item> list;
  list.push_back(a);
  const item copy = a;
  EXPECT_FALSE(copy.linked());
  item other{2};
  a = other;
  EXPECT_TRUE(a.linked());
  EXPECT_EQ(values(list), (ints{2}));
}

TEST(list, an_object_put_in_twice_ends_the_program_with_a_sentence) {
  item a{1};
  intrusive_list<item> list;
  list.push_back(a);
  EXPECT_DEATH(list.push_back(a), "an object was put into a list twice");
}

}  // namespace
}  // namespace weir::core
