#include <weir/core/assert.hpp>
#include <weir/sql/script.hpp>

namespace weir::sql {

std::size_t script::begin_step(statement_text text, std::size_t parameters) {
  const std::size_t first = all_.size();
  bytes_ += text.view().size() + parameters * sizeof(value);
  steps_.push_back({std::move(text), first, parameters, false});
  return first;
}

std::size_t script::end_step(std::size_t first) {
  const std::size_t number = steps_.size() - 1;
  if (all_.failure() && !failed_) failed_ = number;
  const auto names = all_.names();
  for (std::size_t i = first; i < all_.size(); ++i) {
    const value& v = all_.values()[i];
    if (const auto* text = std::get_if<std::string>(&v)) bytes_ += text->size();
    if (const auto* data = std::get_if<bytes>(&v)) bytes_ += data->size();
    if (i < names.size() && !names[i].empty()) steps_.back().named = true;
  }
  return number;
}

void script::clear() noexcept {
  steps_.clear();
  all_.clear();
  failed_.reset();
  bytes_ = 0;
}

sql::row script_result::row_at(std::size_t step, std::size_t n) const {
  const auto& from = steps_.at(step);
  WEIR_ASSERT(n < from.rows.rows(), "asked for a row that the statement did not give");
  return {from.rows, from.names, n};
}

}  // namespace weir::sql
