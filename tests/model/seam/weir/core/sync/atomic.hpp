#pragma once

#include <atomic>
#include <cstddef>
#include <source_location>
#include <type_traits>

#include "explorer/instrument.hpp"

namespace weir::core {

/// The model's atomic: the interface of std::atomic, each access a scheduling point, a destroyed
/// one noticed. Orders are accepted and ignored: the explorer is sequentially consistent.
template <class T>
class atomic {
  static_assert(std::is_trivially_copyable_v<T>);
  using order = std::memory_order;
  using place = std::source_location;
  static constexpr order strongest = std::memory_order_seq_cst;

  static constexpr bool arithmetic = std::is_integral_v<T> || std::is_pointer_v<T>;
  using difference = std::conditional_t<std::is_pointer_v<T>, std::ptrdiff_t, T>;

 public:
  using value_type = T;
  static constexpr bool is_always_lock_free = std::atomic<T>::is_always_lock_free;

  constexpr atomic() noexcept : value_{} {}
  constexpr atomic(T value) noexcept : value_(value) {}
  constexpr ~atomic() {
    if (!std::is_constant_evaluated()) life_.end();
  }
  atomic(const atomic&) = delete;
  atomic& operator=(const atomic&) = delete;

  [[nodiscard]] bool is_lock_free() const noexcept { return is_always_lock_free; }

  T load(order = strongest, place where = place::current()) const noexcept {
    enter(model::op::load, where);
    if (model::tracing) note(model::op::load, value_, where);
    return value_;
  }
  operator T() const noexcept { return load(); }

  void store(T value, order = strongest, place where = place::current()) noexcept {
    enter(model::op::store, where);
    write(value);
    if (model::tracing) note(model::op::store, value, where);
  }
  T operator=(T value) noexcept {
    store(value);
    return value;
  }

  T exchange(T value, order = strongest, place where = place::current()) noexcept {
    enter(model::op::exchange, where);
    const T old = value_;
    write(value);
    if (model::tracing) note(model::op::exchange, old, where);
    return old;
  }

  bool compare_exchange_strong(T& expected, T desired, order = strongest,
                               place where = place::current()) noexcept {
    enter(model::op::compare_exchange, where);
    return swap_if(expected, desired, where);
  }
  bool compare_exchange_strong(T& expected, T desired, order, order,
                               place where = place::current()) noexcept {
    return compare_exchange_strong(expected, desired, strongest, where);
  }
  bool compare_exchange_weak(T& expected, T desired, order = strongest,
                             place where = place::current()) noexcept {
    enter(model::op::compare_exchange, where);
    if (value_ == expected && model::weak_failure()) {
      if (model::tracing) {
        model::trace(model::op::compare_exchange, this, "fails weakly", 0, where);
      }
      return false;
    }
    return swap_if(expected, desired, where);
  }
  bool compare_exchange_weak(T& expected, T desired, order, order,
                             place where = place::current()) noexcept {
    return compare_exchange_weak(expected, desired, strongest, where);
  }

  T fetch_add(difference by, order = strongest, place where = place::current()) noexcept
    requires arithmetic
  {
    return change([by](T v) { return static_cast<T>(v + by); }, where);
  }
  T fetch_sub(difference by, order = strongest, place where = place::current()) noexcept
    requires arithmetic
  {
    return change([by](T v) { return static_cast<T>(v - by); }, where);
  }
  T fetch_and(T with, order = strongest, place where = place::current()) noexcept
    requires std::is_integral_v<T>
  {
    return change([with](T v) { return static_cast<T>(v & with); }, where);
  }
  T fetch_or(T with, order = strongest, place where = place::current()) noexcept
    requires std::is_integral_v<T>
  {
    return change([with](T v) { return static_cast<T>(v | with); }, where);
  }
  T fetch_xor(T with, order = strongest, place where = place::current()) noexcept
    requires std::is_integral_v<T>
  {
    return change([with](T v) { return static_cast<T>(v ^ with); }, where);
  }

  T operator++() noexcept { return static_cast<T>(fetch_add(1) + 1); }
  T operator++(int) noexcept { return fetch_add(1); }
  T operator--() noexcept { return static_cast<T>(fetch_sub(1) - 1); }
  T operator--(int) noexcept { return fetch_sub(1); }
  T operator+=(difference by) noexcept { return static_cast<T>(fetch_add(by) + by); }
  T operator-=(difference by) noexcept { return static_cast<T>(fetch_sub(by) - by); }
  T operator|=(T with) noexcept { return static_cast<T>(fetch_or(with) | with); }
  T operator&=(T with) noexcept { return static_cast<T>(fetch_and(with) & with); }
  T operator^=(T with) noexcept { return static_cast<T>(fetch_xor(with) ^ with); }

 private:
  void enter(model::op what, place where) const noexcept {
    model::step(what, this, where);
    life_.expect(what, this, where);
  }

  void write(T value) noexcept {
    model::statics::about_to_write(&value_, sizeof value_);
    value_ = value;
  }

  void note(model::op what, const T& value, place where) const noexcept {
    model::trace(what, this, "", model::number(value), where);
  }

  bool swap_if(T& expected, T desired, place where) noexcept {
    if (value_ == expected) {
      write(desired);
      if (model::tracing) note(model::op::compare_exchange, desired, where);
      return true;
    }
    expected = value_;
    if (model::tracing) model::trace(model::op::compare_exchange, this, "fails", 0, where);
    return false;
  }

  template <class F>
  T change(F next, place where) noexcept {
    enter(model::op::fetch, where);
    const T old = value_;
    write(next(old));
    if (model::tracing) note(model::op::fetch, value_, where);
    return old;
  }

  T value_;
  model::life life_;
};

/// The spinning thread goes on when the others have made a step.
void cpu_relax() noexcept;

}  // namespace weir::core
