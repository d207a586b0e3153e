#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <libpq-fe.h>

#include <weir/core/error.hpp>
#include <weir/sql/row_buffer.hpp>
#include <weir/sql/value.hpp>

namespace weir::postgres {

/// What a prepared statement takes and gives, as the server described it.
struct description {
  std::vector<Oid> parameters;
  std::vector<std::string> columns;
  std::vector<Oid> types;  // of the columns
  bool binary = false;     // every column has a binary form that `add_row` knows

  static description of(const PGresult* described);
};

/// The parameters of one execution in libpq's form. Refers to the values.
class encoded {
 public:
  /// Errors: out_of_range, type_mismatch or invalid_argument, naming the parameter by its number.
  result<void> encode(std::span<const sql::value> values, const description& wanted);

  [[nodiscard]] int size() const noexcept { return static_cast<int>(pointers_.size()); }
  [[nodiscard]] const char* const* pointers() const noexcept { return pointers_.data(); }
  [[nodiscard]] const int* lengths() const noexcept { return lengths_.data(); }
  [[nodiscard]] const int* formats() const noexcept { return formats_.data(); }
  [[nodiscard]] std::size_t size_bytes() const noexcept { return bytes_; }

 private:
  friend struct encoder;

  std::vector<const char*> pointers_;
  std::vector<int> lengths_;
  std::vector<int> formats_;
  // What is not in the caller's value as it is sent.
  std::vector<std::array<char, 8>> numbers_;
  std::vector<std::string> texts_;
  std::size_t bytes_ = 0;
};

/// Adds one row of a result, whose columns begin at `first`. Errors: corrupt, if the server sent
/// what its type cannot be.
result<void> add_row(sql::row_buffer& to, const PGresult* from, int row, const description& what,
                     int first = 0);

/// What a statement says that it did. A SELECT that is no SELECT INTO counts the rows that are
/// here.
std::int64_t rows_affected(PGresult* of) noexcept;

}  // namespace weir::postgres
