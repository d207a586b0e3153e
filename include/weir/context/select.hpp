#pragma once

#include <array>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

#include <weir/context/cases.hpp>
#include <weir/context/operation.hpp>

namespace weir {

/// Several operations, of which exactly one commits. Awaited by a coroutine, or waited for by a
/// thread; refers to its operations, so wait for it in the same expression that makes them.
///
/// Result: a variant whose index is the case, with that operation's result in it. If a context ends
/// the wait, that is the result of the first case it bounds.
/// Guarantees: a loser has taken nothing and passes on what it may have been about to get. When
/// several are ready, the choice rotates.
/// Cost: one lock per case while something is ready; otherwise all locks once, and each once more.
/// Source: Hoare's guarded commands by way of Go's select; locking in address order as Go does.
///
///     auto first = co_await weir::select(jobs.recv(ctx), weir::after(50ms));
///     if (first.index() == 0 && std::get<0>(first)) run(**std::get_if<0>(&first));
template <operation... O>
class [[nodiscard]] select_operation {
  static_assert(sizeof...(O) >= 1 && sizeof...(O) <= core::max_cases,
                "select takes between 1 and 16 operations");

 public:
  using result_type = std::variant<result<typename O::value_type>...>;

  explicit select_operation(O&... ops) noexcept : ops_{&ops...}, cases_{core::make_case(ops)...} {}
  select_operation(const select_operation&) = delete;
  select_operation& operator=(const select_operation&) = delete;

  bool await_ready() noexcept { return wait_.ready(); }

  template <awaiting_promise P>
  bool await_suspend(std::coroutine_handle<P> self) noexcept {
    return wait_.suspend(self.promise().record(), self);
  }

  result_type await_resume() { return collect(wait_.finish()); }

  /// The thread's form; `weir::wait(select(…))` calls it.
  result_type block() { return collect(core::wait_for_cases(cases_)); }

 private:
  result_type collect(core::case_outcome outcome) {
    return collect(outcome, std::index_sequence_for<O...>{});
  }

  template <std::size_t... I>
  result_type collect(core::case_outcome outcome, std::index_sequence<I...>) {
    using make = result_type (*)(select_operation&, bool);
    static constexpr make makers[] = {[](select_operation& self, bool ended) {
      auto& op = *std::get<I>(self.ops_);
      if (ended) {
        return result_type{std::in_place_index<I>, std::unexpected(core::failure_of(op))};
      }
      return result_type{std::in_place_index<I>, op.take()};
    }...};
    return makers[outcome.index](*this, outcome.ended);
  }

  std::tuple<O*...> ops_;
  std::array<core::wait_case, sizeof...(O)> cases_;
  std::array<core::context_registration, sizeof...(O)> registrations_;
  core::select_wait wait_{cases_, registrations_};
};

namespace core {

/// A temporary that holds what g++ 12 would destroy twice inside a co_await operand.
template <class O>
concept must_be_named = !std::is_lvalue_reference_v<O> && requires { requires O::must_be_named; };

}  // namespace core

/// Waits for whichever of the operations is ready first.
template <class... O>
  requires(operation<std::remove_reference_t<O>> && ...)
[[nodiscard]] select_operation<std::remove_reference_t<O>...> select(O&&... ops) noexcept {
  static_assert(!(core::must_be_named<O> || ...),
                "g++ 12 would destroy an aggregate twice: name the send, then select with it");
  return select_operation<std::remove_reference_t<O>...>{ops...};
}

/// Waits for a select on a plain thread. As `wait` for one operation.
template <operation... O>
[[nodiscard]] auto wait(select_operation<O...>&& several) {
  return several.block();
}

}  // namespace weir
