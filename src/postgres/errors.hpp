#pragma once

#include <string>
#include <string_view>

#include <libpq-fe.h>

#include <weir/core/error.hpp>

#include "postgres/settings.hpp"

namespace weir::postgres {

/// What the server said about a statement, in weir's codes: it saw the statement and refused it.
/// With the texts sqlstate, hint, constraint, table, column and the number position, where given.
error server_error(const PGresult* said);

/// Why no connection could be made, and what to do about it.
error connect_error(const settings& to, std::string_view libpq_says);

/// The connection is gone; `sent` tells whether a statement was on its way.
error lost_error(PGconn* conn, const settings& to, bool sent);

/// True if the server no longer accepts a prepared statement as it was described.
bool wants_new_plan(const PGresult* said) noexcept;

}  // namespace weir::postgres
