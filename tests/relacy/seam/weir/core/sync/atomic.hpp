#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <source_location>
#include <type_traits>

// The parts of relacy/relacy.hpp, without the macros with which that replaces `new`, `delete`,
// `malloc` and the memory orders in everything that is included after it.
#include <relacy/atomic.hpp>
#include <relacy/atomic_fence.hpp>
#include <relacy/backoff.hpp>
#include <relacy/base.hpp>
#include <relacy/context.hpp>
#include <relacy/context_base_impl.hpp>
#include <relacy/dyn_thread.hpp>
#include <relacy/stdlib/condition_variable.hpp>
#include <relacy/stdlib/event.hpp>
#include <relacy/stdlib/mutex.hpp>
#include <relacy/stdlib/semaphore.hpp>
#include <relacy/test_suite.hpp>
#include <relacy/thread_local.hpp>
#include <relacy/var.hpp>

namespace weir::core {

/// Relacy's atomic behind the interface of std::atomic: orders are followed, not ignored.
template <class T>
class atomic {
  using order = std::memory_order;
  using place = std::source_location;
  static constexpr order strongest = std::memory_order_seq_cst;

  static rl::memory_order of(order o) noexcept {
    switch (o) {
      case std::memory_order_relaxed:
        return rl::mo_relaxed;
      case std::memory_order_consume:
        return rl::mo_consume;
      case std::memory_order_acquire:
        return rl::mo_acquire;
      case std::memory_order_release:
        return rl::mo_release;
      case std::memory_order_acq_rel:
        return rl::mo_acq_rel;
      default:
        return rl::mo_seq_cst;
    }
  }
  static rl::debug_info of(const place& where) noexcept {
    return {where.function_name(), where.file_name(), where.line()};
  }
  using number = std::conditional_t<std::is_pointer_v<T>, std::ptrdiff_t, T>;

 public:
  atomic() noexcept : atomic(T{}) {}
  atomic(T value) noexcept : value_(value) {}
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  T load(order o = strongest, place where = place::current()) const noexcept {
    return value_.load(of(o), of(where));
  }
  void store(T value, order o = strongest, place where = place::current()) noexcept {
    value_.store(value, of(o), of(where));
  }
  T exchange(T value, order o = strongest, place where = place::current()) noexcept {
    return value_(of(where)).exchange(value, of(o));
  }
  bool compare_exchange_strong(T& expected, T desired, order o = strongest,
                               place where = place::current()) noexcept {
    return value_.compare_exchange_strong(expected, desired, of(o), of(where));
  }
  bool compare_exchange_weak(T& expected, T desired, order o = strongest,
                             place where = place::current()) noexcept {
    return value_.compare_exchange_weak(expected, desired, of(o), of(where));
  }
  T fetch_add(number by, order o = strongest, place where = place::current()) noexcept {
    return value_(of(where)).fetch_add(by, of(o));
  }
  T fetch_sub(number by, order o = strongest, place where = place::current()) noexcept {
    return value_(of(where)).fetch_sub(by, of(o));
  }

  /// For the kernel's futex, whose words are atomics.
  rl::atomic<T>& raw() noexcept { return value_; }

 private:
  rl::atomic<T> value_;
};

inline void cpu_relax(std::source_location where = std::source_location::current()) noexcept {
  rl::yield(1, {where.function_name(), where.file_name(), where.line()});
}

}  // namespace weir::core
