#include <weir/sql/bind.hpp>

namespace weir::sql {

arguments::arguments(const arguments& other) : values_(other.values_) {
  if (other.seldom_ != nullptr) seldom_ = std::make_unique<seldom>(*other.seldom_);
}

arguments::seldom& arguments::made_seldom() {
  if (seldom_ == nullptr) seldom_ = std::make_unique<seldom>();
  return *seldom_;
}

void arguments::keep(std::string_view name, result<value> made) {
  if (!made) {
    std::optional<error>& first = made_seldom().failure;
    if (!first) {
      first = std::move(made.error()).with("parameter", static_cast<std::int64_t>(size() + 1));
    }
    made = value{null};  // the following ones keep their numbers
  }
  if (!name.empty()) made_seldom().names.resize(values_.size());
  if (!name.empty() || !names().empty()) seldom_->names.emplace_back(name);
  values_.push_back(*std::move(made));
}

error arguments::wrong_count(std::size_t wanted) const {
  return error{errc::invalid_argument, "the statement wants " + std::to_string(wanted) +
                                           " parameters and got " + std::to_string(values_.size())}
      .with("wanted", static_cast<std::int64_t>(wanted))
      .with("given", static_cast<std::int64_t>(values_.size()));
}

}  // namespace weir::sql
