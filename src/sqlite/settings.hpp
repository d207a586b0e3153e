#pragma once

#include <cstdint>
#include <string>

#include <weir/sql/url.hpp>
#include <weir/sqlite/sqlite.hpp>

namespace weir::sqlite {

enum class open_mode : std::uint8_t { read_only, read_write, create };

/// A database file and how to use it.
struct settings {
  std::string path;
  bool in_memory = false;
  open_mode mode = open_mode::create;
  options with;

  /// Refuses what it does not know: a mistyped parameter is not a default.
  static result<settings> from(const sql::url& address, const options& given);
};

}  // namespace weir::sqlite
