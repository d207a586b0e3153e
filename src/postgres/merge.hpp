#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <libpq-fe.h>

#include "postgres/types.hpp"

namespace weir::postgres {

/// The text of one statement that does what many executions of a read do: it takes an array for
/// each parameter, and gives the rows of all executions, each with its execution's number (from 1)
/// in front. None if that could give anything else than they: only a plain SELECT with parameters
/// is merged, without functions (one that is volatile would run less often), further SELECTs,
/// locks and comments, whose parameters are of types known here.
std::optional<std::string> merged_text(std::string_view text, std::span<const Oid> parameters);

/// The type of the arrays of a type; none if it is not known here.
std::optional<Oid> array_of(Oid element) noexcept;

/// The number in front of a row of such a statement; none if there is no number.
std::optional<std::size_t> execution_of(const PGresult* r, int row) noexcept;

/// The parameters of such a statement. Copies what it is given.
class merged_parameters {
 public:
  void start(const description& what);
  /// False, and nothing is added: a value is not in the form that goes into an array.
  bool add(const encoded& one);
  /// After the last one.
  void end();

  [[nodiscard]] int count() const noexcept { return static_cast<int>(pointers_.size()); }
  [[nodiscard]] const char* const* pointers() const noexcept { return pointers_.data(); }
  [[nodiscard]] const int* lengths() const noexcept { return lengths_.data(); }
  [[nodiscard]] const int* formats() const noexcept { return formats_.data(); }

 private:
  struct column {
    Oid type = 0;
    bool nulls = false;
    std::string data;  // an array in the server's binary form
  };

  std::vector<column> columns_;
  std::size_t size_ = 0;
  std::vector<const char*> pointers_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
};

}  // namespace weir::postgres
