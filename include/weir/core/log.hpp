#pragma once

#include <cstdint>
#include <string_view>

namespace weir {

enum class log_level : std::uint8_t { debug, info, warning, error };

/// Where the library's log goes. Silent by default: pass one to a runtime to hear it. The library
/// never writes a secret: URLs are redacted before they get here.
class log_sink {
 public:
  /// One event, one line without a newline. Called from any thread, never under a lock.
  virtual void write(log_level level, std::string_view line) noexcept = 0;

 protected:
  ~log_sink() = default;
};

/// Writes a text of several lines, one event each.
void write_lines(log_sink& sink, log_level level, std::string_view text) noexcept;

/// The sink that drops everything.
log_sink& no_log() noexcept;

/// One line per event on standard error.
log_sink& stderr_log() noexcept;

}  // namespace weir
