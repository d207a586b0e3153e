#pragma once

#include <source_location>

namespace weir::core {

/// Prints "weir: file:line: sentence" to standard error and aborts.
[[noreturn]] void misuse(const char* sentence,
                         std::source_location where = std::source_location::current()) noexcept;

}  // namespace weir::core

/// Misuse of the library (a double release, waiting on yourself) is a bug of the program: it ends
/// with a sentence, in every build type, so that behaviour never depends on NDEBUG.
#define WEIR_ASSERT(condition, sentence) \
  (static_cast<bool>(condition) ? static_cast<void>(0) : ::weir::core::misuse(sentence))
