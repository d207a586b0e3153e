#pragma once

#include <functional>
#include <vector>

#include <weir/context/operation.hpp>
#include <weir/core/sync/thread.hpp>

namespace weir_test {

/// The smallest primitive that hands something over: a box of numbered tokens with a queue of
/// takers. Tests put code between the steps of a wait with `before_try` and `before_queue`, both
/// of which run under the box's lock.
class token_box {
 public:
  class taking : public weir::core::wait_node {
   public:
    using value_type = int;

    taking(token_box& box, weir::core::context_state* bound) noexcept : box_(box), bound_(bound) {}
    taking(const taking&) = delete;
    taking& operator=(const taking&) = delete;

    weir::core::context_state* bound() noexcept { return bound_; }
    weir::core::mutex& guard() noexcept { return box_.mutex_; }
    bool try_locked(weir::core::wake_list&) noexcept {
      if (box_.before_try) box_.before_try();
      if (box_.tokens_.empty()) return false;
      value_ = box_.tokens_.back();
      box_.tokens_.pop_back();
      return true;
    }
    void enqueue(weir::core::waiter& who, std::uint32_t index, weir::core::wake_list&) noexcept {
      if (box_.before_queue) box_.before_queue();
      set(who, index);
      box_.takers_.push_back(*this);
    }
    void withdraw(weir::core::wake_list&) noexcept {
      ++box_.withdrawals;
      if (linked()) weir::core::intrusive_list<taking>::unlink(*this);
    }
    weir::result<int> take() noexcept { return value_; }

   private:
    friend class token_box;

    token_box& box_;
    weir::core::context_state* bound_;
    int value_ = 0;
  };

  ~token_box() { WEIR_ASSERT(takers_.empty(), "a box was destroyed under its takers"); }

  [[nodiscard]] taking take(const weir::context& ctx = {}) noexcept { return {*this, ctx.state()}; }

  /// Hands a token to the first taker that still waits, or keeps it.
  void put(int token) {
    weir::core::wake_list wakes;
    weir::core::lock_guard guard{mutex_};
    while (taking* first = takers_.pop_front()) {
      first->value_ = token;
      if (first->grant(wakes)) return;
    }
    tokens_.push_back(token);
  }

  [[nodiscard]] std::size_t tokens() const {
    weir::core::lock_guard guard{mutex_};
    return tokens_.size();
  }

  [[nodiscard]] std::size_t takers() {
    weir::core::lock_guard guard{mutex_};
    std::size_t count = 0;
    for (taking* t = takers_.front(); t != nullptr; t = takers_.next(*t)) ++count;
    return count;
  }

  /// Until somebody waits here, armed and queued.
  void await_takers(std::size_t count = 1) {
    while (takers() < count) weir::core::yield_thread();
  }

  std::function<void()> before_try;
  std::function<void()> before_queue;
  int withdrawals = 0;

 private:
  mutable weir::core::mutex mutex_;
  std::vector<int> tokens_;
  weir::core::intrusive_list<taking> takers_;
};

}  // namespace weir_test
