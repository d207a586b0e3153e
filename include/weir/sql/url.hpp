#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <weir/core/error.hpp>

namespace weir::sql {

/// An address of a database: `scheme:rest?name=value&…`.
///
///     sqlite:ledger.db?synchronous=full       body "ledger.db"
///     sqlite::memory:                         body ":memory:"
///     postgres://alice:secret@db1,db2/bank    body "//alice:secret@db1,db2/bank"
///
/// Percent escapes in parameters are decoded; the body is left to the driver. Errors
/// (invalid_argument) never repeat more of the text than its scheme and the parameter's name.
class url {
 public:
  static result<url> parse(std::string_view text);

  [[nodiscard]] const std::string& scheme() const noexcept { return scheme_; }
  [[nodiscard]] const std::string& body() const noexcept { return body_; }
  [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& parameters()
      const noexcept {
    return parameters_;
  }
  [[nodiscard]] std::optional<std::string_view> parameter(std::string_view name) const noexcept;

  /// For messages: passwords (of the authority, and of parameters named like one) are "***".
  [[nodiscard]] std::string redacted() const;

 private:
  std::string scheme_;
  std::string body_;
  std::vector<std::pair<std::string, std::string>> parameters_;
};

/// "%41b" → "Ab"; nothing if an escape is broken.
[[nodiscard]] std::optional<std::string> percent_decoded(std::string_view text);

}  // namespace weir::sql
