#pragma once

#include <cstdint>
#include <span>

#include <weir/context/operation.hpp>

namespace weir::core {

/// One operation of several that are waited for at once, or of a thread's wait, with its type
/// erased: the slow paths are compiled once.
struct wait_case {
  void* op;
  context_state* bound;
  context_state* watched;
  guard_rank rank;
  mutex& (*guard)(void*) noexcept;
  bool (*try_locked)(void*, wake_list&) noexcept;
  void (*enqueue)(void*, waiter&, std::uint32_t, wake_list&) noexcept;
  void (*withdraw)(void*, wake_list&) noexcept;
  void (*bind)(void*, timer_service*, clock&) noexcept;  // null: does not wait for time
  time_point (*deadline)(void*) noexcept;                // null likewise
};

/// The functions of a case for one type of operation. They run with the guard held, which the
/// analysis cannot follow through a pointer.
template <operation O>
struct case_functions {
  static O& self(void* op) noexcept { return *static_cast<O*>(op); }
  static mutex& guard(void* op) noexcept { return self(op).guard(); }
  static bool try_locked(void* op, wake_list& wakes) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
    return self(op).try_locked(wakes);
  }
  static void enqueue(void* op, waiter& who, std::uint32_t index,
                      wake_list& wakes) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
    self(op).enqueue(who, index, wakes);
  }
  static void withdraw(void* op, wake_list& wakes) noexcept WEIR_NO_THREAD_SAFETY_ANALYSIS {
    self(op).withdraw(wakes);
  }
};

template <operation O>
wait_case make_case(O& op) noexcept {
  using functions = case_functions<O>;
  wait_case made{.op = &op,
                 .bound = op.bound(),
                 .watched = nullptr,
                 .rank = primitive_rank,
                 .guard = functions::guard,
                 .try_locked = functions::try_locked,
                 .enqueue = functions::enqueue,
                 .withdraw = functions::withdraw,
                 .bind = nullptr,
                 .deadline = nullptr};
  if constexpr (ranked_operation<O>) made.rank = op.rank();
  if constexpr (watching_operation<O>) made.watched = op.watched();
  if constexpr (timed_operation<O>) {
    made.bind = [](void* op, timer_service* timers, clock& time) noexcept {
      functions::self(op).bind(timers, time);
    };
    made.deadline = [](void* op) noexcept { return functions::self(op).deadline(); };
  }
  return made;
}

/// How a wait for several cases came out: which one, and whether it committed or its context ended.
struct case_outcome {
  std::uint32_t index;
  bool ended;
};

/// Most cases of one select.
inline constexpr std::size_t max_cases = 16;

/// Blocks this thread until one case commits or a context ends its case.
case_outcome wait_for_cases(std::span<const wait_case> cases) noexcept;

/// The wait of a coroutine for several cases. `registrations` has one place per case, for contexts
/// other than the one the record observes.
class select_wait {
 public:
  select_wait(std::span<const wait_case> cases,
              std::span<context_registration> registrations) noexcept
      : cases_(cases), registrations_(registrations) {}

  /// True if the outcome is known without a suspension.
  bool ready() noexcept;
  /// False if it became known meanwhile.
  bool suspend(task_record& record, std::coroutine_handle<> self) noexcept;
  /// After resumption, or after `ready` or `suspend` found it.
  case_outcome finish() noexcept;

 private:
  std::span<const wait_case> cases_;
  std::span<context_registration> registrations_;
  task_record* record_ = nullptr;
  case_outcome outcome_{};
  bool known_ = false;
};

}  // namespace weir::core
