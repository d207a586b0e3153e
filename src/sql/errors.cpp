#include <string>

#include <weir/sql/driver.hpp>
#include <weir/sql/errors.hpp>

namespace weir::sql {

std::string_view name_of(outcome o) noexcept {
  switch (o) {
    case outcome::not_sent:
      return "not sent";
    case outcome::refused:
      return "refused";
    case outcome::unknown:
      return "unknown";
  }
  return "unknown";
}

std::string_view name_of(isolation level) noexcept {
  switch (level) {
    case isolation::driver_default:
      return "default";
    case isolation::read_uncommitted:
      return "read uncommitted";
    case isolation::read_committed:
      return "read committed";
    case isolation::repeatable_read:
      return "repeatable read";
    case isolation::snapshot:
      return "snapshot";
    case isolation::serializable:
      return "serializable";
  }
  return "unknown";
}

outcome outcome_of(const error& e) noexcept {
  if (e.code() == errc::commit_unknown) return outcome::unknown;
  const error* at = &e;
  for (; at != nullptr; at = at->cause()) {
    const auto told = at->text("outcome");
    if (!told) continue;
    if (*told == name_of(outcome::refused)) return outcome::refused;
    if (*told == name_of(outcome::unknown)) return outcome::unknown;
    return outcome::not_sent;
  }
  return outcome::not_sent;
}

error with_outcome(error e, outcome o) {
  return std::move(e).with("outcome", std::string{name_of(o)});
}

bool retryable(const error& e) noexcept {
  switch (e.code()) {
    case errc::conflict:
    case errc::busy:
    case errc::server_down:
      return true;
    case errc::io:
    case errc::closed: {
      const auto told = e.text("outcome");
      return told && *told == name_of(outcome::not_sent);
    }
    default:
      return false;
  }
}

}  // namespace weir::sql
