#include <weir/pool/hooks.hpp>

namespace weir {

void pool_hooks::on_open(std::string_view, duration, const error*) noexcept {}
void pool_hooks::on_acquire(std::string_view, duration, const std::source_location&) noexcept {}
void pool_hooks::on_return(std::string_view, duration, const std::source_location&) noexcept {}
void pool_hooks::on_close(std::string_view, close_cause) noexcept {}
void pool_hooks::on_leak(std::string_view, duration, const std::source_location&) noexcept {}

const char* name_of(close_cause why) noexcept {
  switch (why) {
    case close_cause::idle_time:
      return "idle_time";
    case close_cause::lifetime:
      return "lifetime";
    case close_cause::surplus:
      return "surplus";
    case close_cause::bad:
      return "bad";
    case close_cause::flushed:
      return "flushed";
    case close_cause::shutdown:
      return "shutdown";
  }
  return "unknown";
}

}  // namespace weir
