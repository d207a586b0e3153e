#pragma once

#include <cstddef>
#include <cstdint>

namespace weir::simulate {

/// What is not the same in every run of the simulator.
struct settings {
  std::uint64_t seed = 1;
  std::size_t runs = 1000;      ///< of each row of table A
  const char* plots = nullptr;  ///< the folder for the diagrams; null: none are made
};

/// Each prints a table and writes its diagrams. How many figures are farther from what they are
/// compared with than the tolerance that the table tells.
/// Throw std::system_error if a diagram cannot be written.
int table_of_contention(const settings& how);
int table_of_amplification(const settings& how);
int table_of_layers(const settings& how);

}  // namespace weir::simulate
