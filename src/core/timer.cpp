#include <weir/core/assert.hpp>
#include <weir/core/timer.hpp>

namespace weir::core {

timer_node* timer_heap::meld(timer_node* a, timer_node* b) noexcept {
  if (a == nullptr) return b;
  if (b == nullptr) return a;
  const bool b_first = b->when_ < a->when_ || (b->when_ == a->when_ && b->order_ < a->order_);
  timer_node* parent = b_first ? b : a;
  timer_node* child = b_first ? a : b;
  child->previous_ = parent;
  child->sibling_ = parent->child_;
  if (child->sibling_ != nullptr) child->sibling_->previous_ = child;
  parent->child_ = child;
  return parent;
}

timer_node* timer_heap::meld_siblings(timer_node* first) noexcept {
  // Two passes: pairs from left to right, then the pairs from right to left.
  timer_node* pairs = nullptr;
  while (first != nullptr) {
    timer_node* a = first;
    timer_node* b = a->sibling_;
    first = b != nullptr ? b->sibling_ : nullptr;
    a->sibling_ = a->previous_ = nullptr;
    if (b != nullptr) b->sibling_ = b->previous_ = nullptr;
    timer_node* pair = meld(a, b);
    pair->sibling_ = pairs;
    pairs = pair;
  }
  timer_node* root = nullptr;
  while (pairs != nullptr) {
    timer_node* next = pairs->sibling_;
    pairs->sibling_ = nullptr;
    root = meld(root, pairs);
    pairs = next;
  }
  return root;
}

bool timer_heap::arm(timer_node& node, time_point when) noexcept {
  WEIR_ASSERT(!node.armed_, "a timer was armed twice");
  node.when_ = when;
  node.order_ = armed_so_far_++;
  node.child_ = node.sibling_ = node.previous_ = nullptr;
  node.armed_ = true;
  root_ = meld(root_, &node);
  return root_ == &node;
}

timer_node* timer_heap::pop() noexcept {
  timer_node* first = root_;
  root_ = meld_siblings(first->child_);
  if (root_ != nullptr) root_->previous_ = nullptr;
  first->child_ = nullptr;
  first->armed_ = false;
  return first;
}

bool timer_heap::disarm(timer_node& node) noexcept {
  if (!node.armed_) return false;
  if (&node == root_) {
    pop();
    return true;
  }
  if (node.previous_->child_ == &node) {
    node.previous_->child_ = node.sibling_;
  } else {
    node.previous_->sibling_ = node.sibling_;
  }
  if (node.sibling_ != nullptr) node.sibling_->previous_ = node.previous_;
  node.sibling_ = node.previous_ = nullptr;
  root_ = meld(root_, meld_siblings(node.child_));
  node.child_ = nullptr;
  node.armed_ = false;
  return true;
}

std::size_t timer_heap::expire(time_point now, wake_list& wakes) noexcept {
  std::size_t expired = 0;
  while (root_ != nullptr && root_->when_ <= now) {
    timer_node* due = pop();
    due->expired_(*due, wakes);
    ++expired;
  }
  return expired;
}

}  // namespace weir::core
