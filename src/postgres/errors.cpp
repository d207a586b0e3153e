#include "postgres/errors.hpp"

#include <charconv>
#include <cstring>
#include <utility>

#include <weir/sql/errors.hpp>

namespace weir::postgres {
namespace {

struct meaning {
  std::string_view state;  // five characters, or the two of a class
  errc code;
  const char* advice;
};

// The first that fits counts: single states before their class.
constexpr meaning meanings[] = {
    {"40001", errc::conflict, ""},
    {"40P01", errc::conflict, ""},
    {"40", errc::conflict, ""},
    {"55P03", errc::busy, "; somebody else holds the lock: run it again later"},
    {"55006", errc::busy, "; somebody else uses it: run it again later"},
    {"55", errc::failed, ""},
    {"57014", errc::cancelled, ""},
    {"57P01", errc::closed, ""},
    {"57P02", errc::closed, ""},
    {"57P03", errc::server_down, ""},
    {"57P05", errc::closed, ""},
    {"57", errc::unavailable, ""},
    {"53300", errc::server_down, "; allow fewer connections per program, or more at the server"},
    {"53100", errc::io, "; make room on the server's disk and run it again"},
    {"53", errc::exhausted, ""},
    {"54", errc::out_of_range, ""},
    {"58", errc::io, ""},
    {"23", errc::constraint, ""},
    {"22001", errc::out_of_range, ""},
    {"22003", errc::out_of_range, ""},
    {"22008", errc::out_of_range, ""},
    {"22P02", errc::type_mismatch, ""},
    {"22P03", errc::type_mismatch, ""},
    {"22021", errc::invalid_argument, "; text has to be UTF-8, other bytes go into bytea"},
    {"22", errc::invalid_argument, ""},
    {"25006", errc::denied, "; the transaction or the server is read-only"},
    {"25P02", errc::already_done, ""},
    {"25", errc::failed, ""},
    {"28", errc::denied, ""},
    {"3D", errc::not_found, ""},
    {"3F", errc::not_found, ""},
    {"42501", errc::denied, ""},
    {"42804", errc::type_mismatch, ""},
    {"42", errc::invalid_argument, ""},
    {"0A", errc::unsupported, ""},
    {"08", errc::io, ""},
    {"XX001", errc::corrupt, "; restore the server from a backup"},
    {"XX002", errc::corrupt, "; run REINDEX, or restore the server from a backup"},
};

// What of an error is told beside its sentence. Not the DETAIL: it quotes data.
constexpr struct {
  int which;
  literal name;
} details[] = {{PG_DIAG_MESSAGE_HINT, "hint"},
               {PG_DIAG_CONSTRAINT_NAME, "constraint"},
               {PG_DIAG_TABLE_NAME, "table"},
               {PG_DIAG_COLUMN_NAME, "column"}};

const meaning* find(std::string_view state) noexcept {
  for (const meaning& one : meanings) {
    if (state.starts_with(one.state)) return &one;
  }
  return nullptr;
}

std::string field(const PGresult* said, int which) {
  const char* text = PQresultErrorField(said, which);
  return text != nullptr ? std::string{text} : std::string{};
}

struct connect_cause {
  std::string_view part;
  errc code;
  const char* advice;
};

constexpr const char* is_it_there = "; check that the server runs and is reachable there";

// libpq gives no SQLSTATE for a failed connection, and one text for all that it tried: with TLS,
// then without, then the next address.
constexpr connect_cause connect_causes[] = {
    {"password authentication failed", errc::denied, "; check the user and the password"},
    {"no password supplied", errc::denied,
     "; give one in the address, in PGPASSWORD or in a password file"},
    {"no pg_hba.conf entry", errc::denied,
     "; the server lets nobody in from here as this user: check its pg_hba.conf, and sslmode"},
    {"authentication failed", errc::denied, "; check how the server lets this user in"},
    {"role \"", errc::denied, "; check the user"},
    {"database \"", errc::not_found, "; make the database, or check its name"},
    // A server that goes down in the middle of a TLS handshake says nothing about TLS, and a pool
    // that took it for a refusal would not wait until it is back.
    {"the database system is ", errc::server_down, is_it_there},
    {"closed the connection unexpectedly", errc::server_down, is_it_there},
    {"closed unexpectedly", errc::server_down, is_it_there},
    {"SSL SYSCALL error", errc::server_down, is_it_there},
    {"Connection reset", errc::server_down, is_it_there},
    {"Broken pipe", errc::server_down, is_it_there},
    {"root certificate file", errc::not_found,
     "; name the file of the authority's certificate as sslrootcert"},
    {"certificate", errc::denied,
     "; the server's certificate has to be valid, for this host name, and signed by one of "
     "sslrootcert"},
    {"does not support SSL", errc::unsupported,
     "; turn TLS on at the server, or write sslmode=disable if you trust the network"},
    {"SSL", errc::denied, "; check sslmode and sslrootcert"},
    {"Name or service not known", errc::not_found, "; check the host's name"},
    {"No address associated", errc::not_found, "; check the host's name"},
    {"too many clients", errc::server_down,
     "; allow fewer connections per program, or more at the server"},
    {"invalid ", errc::invalid_argument, "; check the parameters of the address"},
};

}  // namespace

error server_error(const PGresult* said) {
  const std::string state = field(said, PG_DIAG_SQLSTATE);
  const meaning* found = find(state);
  const errc code = found != nullptr ? found->code : errc::failed;
  std::string message = "PostgreSQL: " + field(said, PG_DIAG_MESSAGE_PRIMARY);
  for (char& c : message) {
    if (c == '\n') c = ' ';
  }
  if (found != nullptr) message += found->advice;
  error out = error{code, std::move(message)}.with("sqlstate", state);
  for (const auto& [which, name] : details) {
    if (auto told = field(said, which); !told.empty()) {
      out = std::move(out).with(name, std::move(told));
    }
  }
  const std::string at = field(said, PG_DIAG_STATEMENT_POSITION);
  std::int64_t position = 0;
  if (std::from_chars(at.data(), at.data() + at.size(), position).ec == std::errc{}) {
    out = std::move(out).with("position", position);
  }
  // The last words of a server that ends: whether a commit was among what it did is not in them.
  const std::string severity = field(said, PG_DIAG_SEVERITY_NONLOCALIZED);
  const bool ends = severity == "FATAL" || severity == "PANIC";
  return sql::with_outcome(std::move(out), ends ? sql::outcome::unknown : sql::outcome::refused);
}

error connect_error(const settings& to, std::string_view libpq_says) {
  const std::string says = to.without_secrets(libpq_says);
  errc code = errc::server_down;
  const char* advice = is_it_there;
  for (const connect_cause& one : connect_causes) {
    if (!says.contains(one.part)) continue;
    code = one.code;
    advice = one.advice;
    break;
  }
  return sql::with_outcome(error{code, "cannot connect to " + to.describe() + ": " + says + advice},
                           sql::outcome::not_sent);
}

error lost_error(PGconn* conn, const settings& to, bool sent) {
  std::string says = to.without_secrets(PQerrorMessage(conn));
  if (says.empty()) says = "the server closed the connection";
  return sql::with_outcome(
      error{errc::closed, "the connection to " + to.describe() + " is lost: " + std::move(says)},
      sent ? sql::outcome::unknown : sql::outcome::not_sent);
}

bool wants_new_plan(const PGresult* said) noexcept {
  const char* state = PQresultErrorField(said, PG_DIAG_SQLSTATE);
  if (state == nullptr) return false;
  if (std::strcmp(state, "26000") == 0) return true;  // DEALLOCATE ALL, or another server behind it
  const char* where = PQresultErrorField(said, PG_DIAG_SOURCE_FUNCTION);
  return std::strcmp(state, "0A000") == 0 && where != nullptr &&
         std::strcmp(where, "RevalidateCachedQuery") == 0;
}

}  // namespace weir::postgres
