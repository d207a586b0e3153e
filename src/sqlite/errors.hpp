#pragma once

#include <string>

#include <weir/core/error.hpp>

struct sqlite3;

namespace weir::sqlite {

/// What SQLite said last on this connection, in weir's codes, with its own code as a number and the
/// file's path where that helps. All of them mean that the statement was refused.
error last_error(sqlite3* handle, int code, const std::string& path);

/// Why a file could not be opened, and what to do about it.
error open_error(sqlite3* handle, int code, const std::string& path);

}  // namespace weir::sqlite
