#pragma once

#include <array>
#include <cstdint>
#include <source_location>

namespace weir {

/// Which span a piece of work belongs to, as OpenTelemetry's SpanContext names it: enough to hand
/// to an exporter or to another process. All zero: none.
struct span_context {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> span_id{};
  std::uint8_t flags = 0;  ///< bit 0: sampled

  [[nodiscard]] bool valid() const noexcept { return span_id != std::array<std::uint8_t, 8>{}; }
  friend bool operator==(const span_context&, const span_context&) noexcept = default;
};

/// How a new span stands to the one of whoever asked for the work.
enum class span_relation : std::uint8_t {
  child,         ///< it is part of it: its parent waits for it
  follows_from,  ///< it was caused by it and outlives it: a link, in a trace of its own
  root,          ///< it has nothing to do with it
};

/// What a tracer learns when work begins.
struct span_start {
  const char* name;  ///< lives as long as the work
  std::source_location site;
  span_context related;  ///< of whoever asked; none for a root
  span_relation relation;
};

enum class span_status : std::uint8_t { ok, failed };

/// Where traces go: OpenTelemetry's tracer in the little that the library needs of it, to be
/// adapted to the exporter of your choice.
///
/// Requires: outlives what it traces. Thread safety: both functions from any thread, never under a
/// lock of the library. Cost: nothing where no tracer is given.
/// Source: OpenTelemetry's SpanContext and links; the relations are those of OpenTracing.
class tracer {
 public:
  /// Begins a span and names it.
  virtual span_context start(const span_start& begun) noexcept = 0;
  /// Ends it. Called once for each that was started, on any thread.
  virtual void end(const span_context& span, span_status status) noexcept = 0;

 protected:
  ~tracer() = default;
};

}  // namespace weir
