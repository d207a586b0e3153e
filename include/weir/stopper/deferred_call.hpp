#pragma once

#include <concepts>
#include <source_location>
#include <type_traits>
#include <utility>

#include <weir/core/sync/park.hpp>
#include <weir/runtime/start.hpp>
#include <weir/stopper/gate.hpp>
#include <weir/stopper/registration.hpp>

namespace weir::core {

/// A function for the end of a stopper. Owned by two: the stopper's list, then whoever runs it; and
/// its registration.
///
///   listed ──popped──► running ──returned──► done      (owner of both arrows: the runner)
///      └────cancel()────────────────────────►  ▲       (owner: the registration)
///
/// All members but `run` belong to the stopper, under its lock.
class deferred_call : public list_hook {
 public:
  enum class state : std::uint8_t { listed, running, done };

  deferred_call(const char* called, std::source_location made) noexcept
      : name(called), site(made) {}
  virtual ~deferred_call() = default;

  virtual result<void> run(const context& ctx) = 0;

  const char* const name;
  const std::source_location site;

  state now = state::listed;
  bool registered = true;      // the registration's ownership
  std::uintptr_t runner = 0;   // the thread it runs on
  park* awaited_by = nullptr;  // a cancel that outlasts the run
};

/// What can be deferred: takes a context or nothing, gives nothing or a result.
template <class F>
concept deferrable =
    (std::invocable<F&, context> || std::invocable<F&>) && requires(F& fn, const context& ctx) {
      requires std::is_void_v<decltype(call_with_context(fn, ctx))> ||
                   std::same_as<decltype(call_with_context(fn, ctx)), result<void>>;
    };

template <deferrable F>
class deferred_function final : public deferred_call {
 public:
  template <class G>
  deferred_function(const char* called, std::source_location made, G&& fn)
      : deferred_call(called, made), fn_(std::forward<G>(fn)) {}

  result<void> run(const context& ctx) override {
    if constexpr (std::is_void_v<decltype(call_with_context(fn_, ctx))>) {
      call_with_context(fn_, ctx);
      return {};
    } else {
      return call_with_context(fn_, ctx);
    }
  }

 private:
  F fn_;
};

}  // namespace weir::core
