#include <weir/sql/bind.hpp>

namespace weir::sql {

void arguments::keep(std::string_view name, result<value> made) {
  if (!made) {
    if (!failure_) {
      failure_ = std::move(made.error()).with("parameter", static_cast<std::int64_t>(size() + 1));
    }
    made = value{null};  // the following ones keep their numbers
  }
  if (!name.empty()) names_.resize(values_.size());
  if (!name.empty() || !names_.empty()) names_.emplace_back(name);
  values_.push_back(*std::move(made));
}

error arguments::wrong_count(std::size_t wanted) const {
  return error{errc::invalid_argument, "the statement wants " + std::to_string(wanted) +
                                           " parameters and got " + std::to_string(values_.size())}
      .with("wanted", static_cast<std::int64_t>(wanted))
      .with("given", static_cast<std::int64_t>(values_.size()));
}

}  // namespace weir::sql
