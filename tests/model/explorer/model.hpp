#pragma once

#include <array>
#include <chrono>
#include <source_location>
#include <type_traits>
#include <vector>

#include "explorer/execution.hpp"

namespace weir::model {

/// A registered model: a body that the explorer runs once per schedule.
struct entry {
  std::string name;  // "semaphore.two_users_never_exceed_it"
  void (*body)(bool planted) = nullptr;
  limits within;
  const char* finds = nullptr;  // a planted bug: part of the sentence it must fail with
  bool planted = false;
};

std::vector<entry>& registry();

/// Registers on construction; `file` gives the noun: semaphore_model.cpp → "semaphore".
struct registration {
  registration(const char* file, const char* name, void (*body)(bool), limits within);
};

/// Registers a planted bug and its fixed twin.
struct planted_registration {
  planted_registration(const char* name, const char* finds, void (*body)(bool), limits within);
};

// ---------------------------------------------------------------- for the bodies

/// Starts one model thread per callable and returns when all have ended.
template <class... F>
void threads(F&&... bodies) {
  unsigned set = 0;
  const auto start = [&set](auto& body) {
    using callable = std::remove_reference_t<decltype(body)>;
    const int made = execution::current.spawn([](void* it) { (*static_cast<callable*>(it))(); },
                                              const_cast<std::remove_const_t<callable>*>(&body));
    if (made < 0) fail("the model has more threads than the explorer can schedule");
    set |= 1U << static_cast<unsigned>(made);
  };
  (start(bodies), ...);
  execution::current.join(set, std::source_location::current());
}

/// What must hold in every execution.
inline void check(bool holds, const char* sentence,
                  std::source_location where = std::source_location::current()) {
  if (!holds) [[unlikely]]
    fail(sentence, where);
}

/// What must happen in some execution: a model in which it never does fails. Keeps a model from
/// passing because nothing of interest happens in it.
void sometimes(bool happened, const char* sentence) noexcept;

/// Moves the model's time; a scheduling point.
void advance(std::chrono::nanoseconds by,
             std::source_location where = std::source_location::current()) noexcept;

/// One of `count` values, all of them explored.
inline unsigned pick(unsigned count) noexcept {
  return execution::current.pick(count);
}

/// For the beginning and the end of a model that is about what lies between: while one of these
/// lives, the exhaustive search makes no preemption and lets no wait time out before it must.
/// Random schedules know no calm.
class calm {
 public:
  calm() noexcept { execution::current.calm(1); }
  ~calm() { execution::current.calm(-1); }
  calm(const calm&) = delete;
  calm& operator=(const calm&) = delete;
};

/// The futex of the kernel, with wake-ups that come for no reason, for models of what lies below
/// the seam. `word` is the first member of an atomic. Returns false when `deadline` passed.
bool futex_wait(const void* word, std::uint32_t expected, time_point deadline,
                std::source_location where = std::source_location::current()) noexcept;

/// Wakes at most `count` of those who wait; every choice of whom is explored.
void futex_wake(const void* word, unsigned count,
                std::source_location where = std::source_location::current()) noexcept;

// ---------------------------------------------------------------- for the runner

/// Sentences of sometimes() that never came true since forget_sometimes().
std::vector<const char*> never_happened();
void forget_sometimes() noexcept;

/// Turns crashes and endless loops in model code into failed executions.
void install_crash_handlers();

}  // namespace weir::model

/// A model: WEIR_MODEL(name) { … } or WEIR_MODEL(name, .bound = 1, .timeouts = 0) { … }
#define WEIR_MODEL(name, ...)                                                     \
  static void name();                                                             \
  static const ::weir::model::registration name##_registration{                   \
      __FILE__, #name, [](bool) { name(); }, ::weir::model::limits{__VA_ARGS__}}; \
  static void name()

/// A planted bug and its fixed twin: one body, whose parameter `planted` says which it is. `finds`
/// is a part of the sentence with which the bug must fail.
#define WEIR_PLANTED(name, finds, ...)                                  \
  static void name(bool planted);                                       \
  static const ::weir::model::planted_registration name##_registration{ \
      #name, finds, name, ::weir::model::limits{__VA_ARGS__}};          \
  static void name(bool planted)
