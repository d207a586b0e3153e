#pragma once

#include <weir/context/context.hpp>
#include <weir/core/trace.hpp>

namespace weir {

/// The span that work under a context belongs to: set by a stopper that traces, and by whoever
/// takes a request in from another process.
///
///     auto traced = ctx.with_value(weir::current_span, span_from(request.headers));
inline constexpr context_key<span_context> current_span;

/// The span of `ctx`; none if it has none.
[[nodiscard]] inline span_context span_of(const context& ctx) noexcept {
  const span_context* found = ctx.value(current_span);
  return found != nullptr ? *found : span_context{};
}

}  // namespace weir
