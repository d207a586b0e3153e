#include "sql/script_job.hpp"

namespace weir::core {

result<std::span<const sql::value>> script_job::values(std::size_t step,
                                                       const sql::driver_statement& made) {
  if (const auto& why = what_.all_.failure(); why && what_.failed_ == step) {
    return std::unexpected(*why);
  }
  const auto& one = what_.steps_[step];
  const auto given = what_.all_.values().subspan(one.first, one.count);
  if (!one.named && one.count == made.parameters()) return given;

  // By name, or too few or many: `arrange` knows what is right and what to say.
  sql::arguments apart;
  const auto names = what_.all_.names();
  for (std::size_t i = one.first; i < one.first + one.count; ++i) {
    const bool named = i < names.size() && !names[i].empty();
    if (named) {
      apart.add(sql::named_value<sql::value>{names[i], what_.all_.values()[i]});
    } else {
      apart.add(what_.all_.values()[i]);
    }
  }
  auto fits = apart.arrange(made.parameters(),
                            [&made](std::string_view name) { return made.position(name); });
  if (!fits) return std::unexpected(std::move(fits.error()));
  placed_.resize(size());
  placed_[step].assign(apart.values().begin(), apart.values().end());
  return std::span<const sql::value>{placed_[step]};
}

sql::row_buffer* script_job::rows(std::size_t step, const sql::driver_statement& made) {
  const auto names = made.columns();
  if (names.empty()) return nullptr;
  auto& to = given_.steps_[step];
  to.names.assign(names.begin(), names.end());
  to.rows.start(names.size());
  return &to.rows;
}

void script_job::restart() {
  given_.steps_.clear();
  given_.steps_.resize(size());
}

result<sql::script_result> script_job::take() {
  if (failed_) return std::unexpected(*std::move(failed_));
  if (!settled()) return weir::fail(errc::failed, "nobody ran the script: nothing of it was sent");
  return std::move(given_);
}

}  // namespace weir::core
