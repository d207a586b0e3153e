#include "sqlite/settings.hpp"

namespace weir::sqlite {
namespace {

std::unexpected<error> unknown(const char* what, const std::string& given, const char* known) {
  return std::unexpected(error{errc::invalid_argument, "the sqlite address has the unknown " +
                                                           std::string{what} + " '" + given +
                                                           "'; known are " + known});
}

}  // namespace

result<settings> settings::from(const sql::url& address, const options& given) {
  settings out;
  out.with = given;
  auto path = sql::percent_decoded(address.body());
  if (!path) {
    return fail(errc::invalid_argument,
                "the path in the sqlite address has a '%' that is not followed by two hexadecimal "
                "digits; write %25 for the sign itself");
  }
  out.path = *std::move(path);
  // sqlite:///var/lib/x is how some write sqlite:/var/lib/x.
  if (out.path.starts_with("//")) out.path.erase(0, 2);
  if (out.path.empty() || out.path.find('\0') != std::string::npos) {
    return fail(errc::invalid_argument,
                "the sqlite address names no file: write sqlite:ledger.db or sqlite::memory:");
  }
  out.in_memory = out.path == ":memory:";
  for (const auto& [name, value] : address.parameters()) {
    if (name == "synchronous") {
      if (value == "normal") {
        out.with.synchronous = synchronous::normal;
      } else if (value == "full") {
        out.with.synchronous = synchronous::full;
      } else {
        return unknown("value of synchronous", value, "normal and full");
      }
    } else if (name == "mode") {
      if (value == "ro") {
        out.mode = open_mode::read_only;
      } else if (value == "rw") {
        out.mode = open_mode::read_write;
      } else if (value == "rwc") {
        out.mode = open_mode::create;
      } else {
        return unknown("mode", value, "ro, rw and rwc");
      }
    } else {
      return unknown("parameter", name, "synchronous and mode");
    }
  }
  return out;
}

}  // namespace weir::sqlite
