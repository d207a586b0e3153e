#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/core/clock.hpp>
#include <weir/postgres/postgres.hpp>
#include <weir/sql/url.hpp>

namespace weir::postgres {

/// A server and how to reach it, as libpq's keywords and values.
struct settings {
  std::vector<std::pair<std::string, std::string>> keywords;
  duration connect_timeout{};
  duration cancel_timeout{};

  /// Refuses what it does not know, and repeats nothing of it that could be a secret.
  static result<settings> from(const sql::url& address, const options& given);

  [[nodiscard]] std::string_view value(std::string_view keyword) const noexcept;
  /// "postgres://alice@db1:5432,db2/bank": for messages.
  [[nodiscard]] std::string describe() const;
  /// One line of `text` in which no secret of these settings is left.
  [[nodiscard]] std::string without_secrets(std::string_view text) const;

 private:
  void set(std::string_view keyword, std::string value);
};

}  // namespace weir::postgres
