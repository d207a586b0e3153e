#include "pattern.hpp"

#include <string>
#include <utility>

namespace weir::retry_cli {

result<pattern> pattern::compile(const std::string& text) {
  auto fresh = std::make_unique<regex_t>();
  const int wrong = regcomp(fresh.get(), text.c_str(), REG_EXTENDED | REG_NOSUB);
  if (wrong != 0) {
    char why[128];
    regerror(wrong, fresh.get(), why, sizeof why);
    return std::unexpected(
        error{errc::invalid_argument, "'" + text + "' is no regular expression: " + why});
  }
  pattern made;
  made.compiled_ = std::shared_ptr<regex_t>(fresh.release(), release{});
  return made;
}

bool pattern::matches(std::string_view line) const noexcept {
  regmatch_t range{0, static_cast<regoff_t>(line.size())};
  const char* const begin = line.data();  // REG_STARTEND: without a NUL at its end
  return regexec(compiled_.get(), begin, 1, &range, REG_STARTEND) == 0;
}

}  // namespace weir::retry_cli
