#include "postgres/settings.hpp"

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <memory>

#include <libpq-fe.h>
#include <unistd.h>

namespace weir::postgres {
namespace {

/// Where Debian, Red Hat, SUSE and Alpine keep the certificates that the system trusts; libpq
/// before 16 cannot be told "the system's".
const char* system_certificates() noexcept {
  static constexpr const char* known[] = {"/etc/ssl/certs/ca-certificates.crt",
                                          "/etc/pki/tls/certs/ca-bundle.crt",
                                          "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
  if (PQlibVersion() >= 160000) return "system";
  for (const char* path : known) {
    if (::access(path, R_OK) == 0) return path;
  }
  return nullptr;
}

bool has_own_certificates() {
  const char* home = secure_getenv("HOME");
  return home != nullptr &&
         ::access((std::string{home} + "/.postgresql/root.crt").c_str(), R_OK) == 0;
}

bool in_environment(const char* name) noexcept {
  const char* value = secure_getenv(name);
  return value != nullptr && *value != '\0';
}

bool is_keyword(const std::string& name) {
  using list = std::unique_ptr<PQconninfoOption, decltype(&PQconninfoFree)>;
  const list known{PQconndefaults(), &PQconninfoFree};
  for (const PQconninfoOption* one = known.get(); one != nullptr && one->keyword != nullptr;
       ++one) {
    if (name == one->keyword) return true;
  }
  return false;
}

bool is_secret(std::string_view keyword) noexcept {
  return keyword == "password" || keyword == "sslpassword";
}

bool is_loopback(std::string_view host) noexcept {
  return host.empty() || host == "localhost" || host.starts_with("127.") || host == "::1" ||
         host.starts_with('/') || host.starts_with('@');
}

bool all_loopback(std::string_view hosts) noexcept {
  for (;;) {
    const auto comma = hosts.find(',');
    if (!is_loopback(hosts.substr(0, comma))) return false;
    if (comma == std::string_view::npos) return true;
    hosts.remove_prefix(comma + 1);
  }
}

std::unexpected<error> malformed(const char* what) {
  return std::unexpected(error{
      errc::invalid_argument,
      "the postgres address " + std::string{what} + "; write postgres://user@host:5432/database"});
}

bool is_port(std::string_view text) noexcept {
  if (text.empty() || text.size() > 5) return false;
  int value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  return value >= 1 && value <= 65535;
}

struct authority {
  std::string user, password, hosts, ports, database;
  bool has_port = false;
};

result<void> add_host(authority& to, std::string_view one, bool first) {
  std::string_view port;
  std::string_view host = one;
  if (one.starts_with('[')) {
    const auto close = one.find(']');
    if (close == std::string_view::npos) return malformed("has a '[' without its ']'");
    host = one.substr(1, close - 1);
    const auto rest = one.substr(close + 1);
    if (!rest.empty() && !rest.starts_with(':')) return malformed("has text behind a ']'");
    port = rest.empty() ? rest : rest.substr(1);
    if (!rest.empty() && !is_port(port))
      return malformed("has a port that is no number up to 65535");
  } else if (const auto colon = one.rfind(':'); colon != std::string_view::npos) {
    host = one.substr(0, colon);
    port = one.substr(colon + 1);
    if (!is_port(port)) return malformed("has a port that is no number up to 65535");
  }
  const auto decoded = sql::percent_decoded(host);
  if (!decoded) return malformed("has a '%' that is not followed by two hexadecimal digits");
  if (!first) {
    to.hosts += ',';
    to.ports += ',';
  }
  to.hosts += *decoded;
  to.ports += port;
  to.has_port = to.has_port || !port.empty();
  return {};
}

result<authority> parse(std::string_view body) {
  authority out;
  if (!body.starts_with("//")) return malformed("has no '//' behind its scheme");
  body.remove_prefix(2);
  const auto slash = body.find('/');
  std::string_view front = body.substr(0, slash);
  const auto bad_escape = [] {
    return malformed("has a '%' that is not followed by two hexadecimal digits");
  };
  if (slash != std::string_view::npos) {
    const auto name = sql::percent_decoded(body.substr(slash + 1));
    if (!name) return bad_escape();
    if (name->find('/') != std::string::npos) {
      // A '/' in a password that was not escaped ends up here: nothing of it may be repeated.
      return malformed("has more than one '/'; write %2F for one in a name or password");
    }
    out.database = *name;
  }
  if (const auto at = front.rfind('@'); at != std::string_view::npos) {
    const std::string_view who = front.substr(0, at);
    const auto colon = who.find(':');
    const auto user = sql::percent_decoded(who.substr(0, colon));
    const auto password = sql::percent_decoded(
        colon == std::string_view::npos ? std::string_view{} : who.substr(colon + 1));
    if (!user || !password) return bad_escape();
    out.user = *user;
    out.password = *password;
    front.remove_prefix(at + 1);
  }
  for (bool first = true;; first = false) {
    const auto comma = front.find(',');
    if (auto added = add_host(out, front.substr(0, comma), first); !added) {
      return std::unexpected(std::move(added.error()));
    }
    if (comma == std::string_view::npos) return out;
    front.remove_prefix(comma + 1);
  }
}

}  // namespace

void settings::set(std::string_view keyword, std::string value) {
  for (auto& [known, old] : keywords) {
    if (known == keyword) {
      old = std::move(value);
      return;
    }
  }
  keywords.emplace_back(keyword, std::move(value));
}

std::string_view settings::value(std::string_view keyword) const noexcept {
  for (const auto& [known, value] : keywords) {
    if (known == keyword) return value;
  }
  return {};
}

result<settings> settings::from(const sql::url& address, const options& given) {
  auto parsed = parse(address.body());
  if (!parsed) return std::unexpected(std::move(parsed.error()));
  settings out;
  out.connect_timeout = given.connect_timeout;
  out.cancel_timeout = given.cancel_timeout;
  if (given.connect_timeout <= duration::zero() || given.cancel_timeout <= duration::zero()) {
    return fail(errc::invalid_argument, "connect_timeout and cancel_timeout have to be positive");
  }
  out.set("application_name", std::string{given.application_name});
  // A server that vanished is noticed by what is not acknowledged, not after the system's 15
  // minutes.
  out.set("tcp_user_timeout", "30000");
  if (!parsed->user.empty()) out.set("user", parsed->user);
  if (!parsed->password.empty()) out.set("password", parsed->password);
  if (!parsed->hosts.empty()) out.set("host", parsed->hosts);
  if (parsed->has_port) out.set("port", parsed->ports);
  if (!parsed->database.empty()) out.set("dbname", parsed->database);
  for (const auto& [name, value] : address.parameters()) {
    if (name == "client_encoding" || name == "replication" || !is_keyword(name)) {
      return std::unexpected(error{errc::invalid_argument,
                                   "the postgres address has the parameter '" + name +
                                       "', which is not one of libpq's connection parameters"});
    }
    if (value.find('\0') != std::string::npos) return malformed("has a zero byte in a parameter");
    out.set(name, value);
  }
  out.set("client_encoding", "UTF8");
  const bool chosen = !out.value("sslmode").empty() || in_environment("PGSSLMODE");
  const std::string_view hosts =
      out.value("hostaddr").empty() ? out.value("host") : out.value("hostaddr");
  const bool elsewhere = !all_loopback(hosts) || (hosts.empty() && in_environment("PGHOST") &&
                                                  !all_loopback(secure_getenv("PGHOST")));
  if (!chosen && elsewhere) {
    out.set("sslmode", "verify-full");
    const bool given_root = !out.value("sslrootcert").empty() || in_environment("PGSSLROOTCERT");
    const char* system = system_certificates();
    if (!given_root && system != nullptr && !has_own_certificates()) out.set("sslrootcert", system);
  }
  return out;
}

std::string settings::describe() const {
  std::string out = "postgres://";
  if (!value("user").empty()) out += std::string{value("user")} + "@";
  std::string_view hosts = value("host");
  std::string_view ports = value("port");
  for (bool first = true;; first = false) {
    const auto host_end = hosts.find(',');
    const auto port_end = ports.find(',');
    if (!first) out += ',';
    out += hosts.substr(0, host_end);
    if (const auto port = ports.substr(0, port_end); !port.empty()) out += ":" + std::string{port};
    if (host_end == std::string_view::npos) break;
    hosts.remove_prefix(host_end + 1);
    // One port may stand for all hosts.
    if (port_end != std::string_view::npos) ports.remove_prefix(port_end + 1);
  }
  return out + "/" + std::string{value("dbname")};
}

std::string settings::without_secrets(std::string_view text) const {
  std::string line;
  for (const char c : text) {
    if (c == '\n' || c == '\t') {
      if (!line.empty() && !line.ends_with(' ')) line += ' ';
    } else {
      line += c;
    }
  }
  while (line.ends_with(' ')) line.pop_back();
  for (const auto& [keyword, secret] : keywords) {
    if (!is_secret(keyword) || secret.empty()) continue;
    for (auto at = line.find(secret); at != std::string::npos; at = line.find(secret, at + 3)) {
      line.replace(at, secret.size(), "***");
    }
  }
  return line;
}

}  // namespace weir::postgres
