#include "exit_codes.hpp"

#include <algorithm>
#include <string>

#include "../text.hpp"

namespace weir::retry_cli {

namespace {

std::unexpected<error> refused(std::string_view item, std::string_view why) {
  std::string text = "'";
  text += item;
  text += "' ";
  text += why;
  return std::unexpected(error{errc::invalid_argument, std::move(text)});
}

}  // namespace

result<exit_code_set> exit_code_set::parse(std::string_view list) {
  exit_code_set set;
  for (bool more = true; more;) {
    const std::size_t comma = std::min(list.find(','), list.size());
    const std::string_view item = list.substr(0, comma);
    more = comma < list.size();
    list.remove_prefix(std::min(comma + 1, list.size()));

    const std::size_t dash = item.find('-', 1);
    const auto first = app::parse_whole(item.substr(0, dash), 0, most);
    const auto last = dash < item.size() ? app::parse_whole(item.substr(dash + 1), 0, most) : first;
    if (!first || !last) {
      return refused(item, "is no exit code: write codes from 1 to 255, such as 1,75,100-110");
    }
    if (*first == 0) return refused(item, "has exit code 0, which is success and never retried");
    if (*last < *first) return refused(item, "is an empty range: write the smaller code first");
    for (auto code = *first; code <= *last; ++code) set.codes_.set(static_cast<std::size_t>(code));
  }
  return set;
}

}  // namespace weir::retry_cli
