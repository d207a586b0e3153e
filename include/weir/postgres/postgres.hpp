#pragma once

#include <cstddef>
#include <memory>
#include <string_view>
#include <type_traits>

#include <weir/core/clock.hpp>
#include <weir/core/error.hpp>
#include <weir/sql/db.hpp>

namespace weir::postgres {

/// What a URL does not say.
struct options {
  /// How long a new connection may take, beside the deadline of whoever waits for it.
  duration connect_timeout = std::chrono::seconds{10};

  /// How long a cancelled statement may take to confirm its end before its connection is given up.
  duration cancel_timeout = std::chrono::seconds{5};

  /// Shown in pg_stat_activity. Copied. The URL's application_name wins.
  std::string_view application_name = "weir";
};
static_assert(std::is_trivially_destructible_v<options>);

/// The driver for PostgreSQL (13 and newer) on libpq, for `sql::open` with several schemes.
///
///     postgres://alice:secret@db.example.com/bank
///     postgres://alice@db1,db2:5433/bank?target_session_attrs=read-write
///     postgresql:///bank?host=/var/run/postgresql          a unix socket
///
/// Parameters are libpq's connection keywords; an unknown one is an error. What the URL leaves open
/// comes from libpq's environment variables (PGUSER, PGPASSWORD, PGPASSFILE, …).
///
/// TLS: off loopback `sslmode=verify-full` is the default, with the system's certificates unless
/// `sslrootcert` names others; on loopback and unix sockets it is libpq's own, `prefer`. Whoever
/// trusts the network writes `sslmode=disable`.
///
/// Statements are PostgreSQL's own: parameters are `$1`, `$2`, …. Values travel in binary where
/// both sides have a fixed form (integers, floating point, booleans, text, bytes, timestamps,
/// UUIDs), else as text: `numeric` is read as text, exactly.
///
/// Requires: `owner` (its runtime watches the sockets) outlives the driver.
/// Blocks or suspends: nothing blocks a worker. Connecting and cancel requests run on blocking
/// threads, since DNS and TLS block in libpq. Cancellation: a statement whose context ends returns
/// at once with outcome `unknown`; its connection is in quarantine until the server has confirmed
/// the cancel and the cancel's own connection has ended, so that a late cancel can hit nobody else.
/// Errors: by SQLSTATE, with the text `sqlstate`; 40001 and 40P01 are errc::conflict, 55P03 is
/// busy. The server's DETAIL is left out, since it quotes data. Passwords are in no error, log or
/// dump. Cost: a statement is one round trip; the first use on a connection one more to prepare it.
result<std::shared_ptr<sql::driver>> make_driver(stopper& owner, const sql::url& address,
                                                 const options& settings = {});

result<std::shared_ptr<sql::driver>> make_default_driver(stopper& owner, const sql::url& address);

inline constexpr sql::scheme scheme{"postgres", &make_default_driver};
inline constexpr sql::scheme long_scheme{"postgresql", &make_default_driver};

/// Opens a PostgreSQL database: a pool of connections, and with `db_options::pipelined` a lane on
/// which the single statements of many callers share a few connections.
///
///     auto db = weir::postgres::open(stopper, "postgres://alice@db.example.com/bank").value();
///     auto one = co_await db.query_row<std::string>(ctx, "SELECT name FROM t WHERE id = $1", 7);
///
/// Errors: invalid_argument for a malformed address. Does not connect.
result<sql::db> open(stopper& owner, std::string_view address, const sql::db_options& limits = {},
                     const options& settings = {});

}  // namespace weir::postgres
