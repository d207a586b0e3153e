#include <cstdio>

#include <weir/runtime/blocking.hpp>

namespace weir::core {

void blocking_call::report_lost(const std::exception_ptr& thrown) noexcept {
  char line[256];
  const char* what = "an exception of an unknown type";
  try {
    std::rethrow_exception(thrown);
  } catch (const std::exception& known) {
    std::snprintf(line, sizeof line, "a blocking call threw when nobody waited for it any more: %s",
                  known.what());
  } catch (...) {
    std::snprintf(line, sizeof line, "a blocking call threw when nobody waited for it any more: %s",
                  what);
  }
  where_.log().write(log_level::warning, line);
}

}  // namespace weir::core
