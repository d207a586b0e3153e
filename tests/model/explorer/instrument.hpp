#pragma once

#include <cstddef>
#include <cstdint>
#include <source_location>
#include <type_traits>

namespace weir::model {

/// What a model thread is about to do at a scheduling point.
enum class op : std::uint8_t {
  load,
  store,
  exchange,
  compare_exchange,
  fetch,
  lock,
  try_lock,
  unlock,
  wait,
  try_wait,
  wake,
  clock,
  advance,
  start,
  join,
  relax,
  futex_wait,
  futex_wake,
  run,
};

/// A scheduling point: the explorer may let another thread go first. Returns when the calling
/// thread's turn has come. Does nothing outside a model.
void step(op what, const void* object, std::source_location where) noexcept;

/// True once per bounded surprise: this weak compare-and-swap fails although it could succeed.
bool weak_failure() noexcept;

/// Ends the execution as failed.
[[noreturn]] void fail(const char* sentence,
                       std::source_location where = std::source_location::current()) noexcept;

/// Lies in every instrumented object: says whether its destructor has run. An access after that
/// fails the execution, be the object on the heap, in a frame or on a stack.
class life {
 public:
  constexpr life() noexcept = default;

  /// Called by the destructor. volatile: a store to an object that ends is dead to the optimiser.
  void end() noexcept { *const_cast<volatile std::uint32_t*>(&word_) = dead; }

  void expect(op what, const void* object, std::source_location where) const noexcept {
    if (word_ != alive) [[unlikely]]
      touched_the_dead(what, object, where);
  }

 private:
  [[noreturn]] void touched_the_dead(op what, const void* object,
                                     std::source_location where) const noexcept;

  static constexpr std::uint32_t alive = 0x600D11FE;
  static constexpr std::uint32_t dead = 0x0DEAD0B1;

  std::uint32_t word_ = alive;
};

/// What an execution writes to a static is taken back when it ends, so that the next one starts as
/// it did: called before the write, with what is in no stack and not in the arena.
class statics {
 public:
  static void about_to_write(void* bytes, std::size_t count) noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(bytes);
    if (at < first || at >= past) remember(bytes, count);
  }
  static void restore() noexcept;

  /// Where stacks and arena are.
  static std::uintptr_t first;
  static std::uintptr_t past;

 private:
  static void remember(void* bytes, std::size_t count) noexcept;
};

/// True while a failed schedule is replayed for its reader.
extern bool tracing;

/// One line of the trace: what the step did, and the value it saw or wrote.
void trace(op what, const void* object, const char* detail, std::uint64_t value,
           std::source_location where) noexcept;

/// Any value as the number that a trace shows.
template <class T>
std::uint64_t number(const T& value) noexcept {
  if constexpr (std::is_pointer_v<T>) {
    return reinterpret_cast<std::uintptr_t>(value);
  } else if constexpr (std::is_enum_v<T> || std::is_integral_v<T>) {
    return static_cast<std::uint64_t>(value);
  } else {
    return 0;
  }
}

}  // namespace weir::model
