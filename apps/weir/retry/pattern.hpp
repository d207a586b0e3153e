#pragma once

#include <memory>
#include <string_view>

#include <regex.h>

#include <weir/core/error.hpp>

namespace weir::retry_cli {

/// A POSIX extended regular expression, as `grep -E` takes it. It is matched without recursion over
/// the length of a line, which std::regex is not.
class pattern {
 public:
  static result<pattern> compile(const std::string& text);

  /// Whether it matches somewhere in the line. NUL bytes are characters like others.
  [[nodiscard]] bool matches(std::string_view line) const noexcept;

 private:
  struct release {
    void operator()(regex_t* compiled) const noexcept {
      regfree(compiled);
      delete compiled;
    }
  };

  std::shared_ptr<const regex_t> compiled_;
};

}  // namespace weir::retry_cli
